"""Decoded images, made once and kept beside the data: processes share the mapped file, and check it when they open it.

The folder `decoded` may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

from filelock import FileLock
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from prunebench.tasks.datasets.base import hash_tensors
from prunebench.tasks.datasets.places import data_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from torch import Tensor


def prepared(name: str, key: str, decode: Callable[[], dict[str, Tensor]]) -> dict[str, Tensor]:
    """What `decode` gives, from an earlier call with the same name and key if there was one.

    One process decodes while others wait. Where the folder cannot be written, every process decodes for itself.
    """
    path = data_folder() / "decoded" / f"{name}-{key}.safetensors"
    if (found := _read(path)) is not None:
        return found
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(path.with_suffix(".lock")).acquire()
    except OSError:
        return decode()
    with held:
        if (found := _read(path)) is not None:
            return found
        tensors = decode()
        return (_read(path) if _written(path, tensors) else None) or tensors


def _read(path: Path) -> dict[str, Tensor] | None:
    """Tensors of a whole file; None if there is none, or it is not what was written."""
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
            expected = (file.metadata() or {}).get("sha256")
    except (OSError, SafetensorError):
        return None
    return tensors if _digest(tensors) == expected else None


def _written(path: Path, tensors: Mapping[str, Tensor]) -> bool:
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        save_file(dict(tensors), temporary, metadata={"sha256": _digest(tensors)})
        temporary.replace(path)
    except (OSError, SafetensorError):
        temporary.unlink(missing_ok=True)
        return False
    return True


def _digest(tensors: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(name.encode())
        hash_tensors(digest, tensor)
    return digest.hexdigest()
