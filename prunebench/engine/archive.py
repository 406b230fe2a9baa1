"""Safetensors files that say what they hold, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from prunebench.errors import PruningError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor


def write(path: str | Path, what: str, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> None:
    """Write tensors and metadata; tied tensors are written twice.

    Args:
        path: of the file.
        what: it holds, for messages.
        tensors: by name.
        metadata: with the file's `format`.

    Raises:
        PruningError: the file cannot be written.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    own = {name: t.detach().cpu().clone(memory_format=torch.contiguous_format) for name, t in tensors.items()}
    try:
        save_file(own, part, metadata=dict(metadata))
        part.replace(path)
    except (OSError, SafetensorError) as error:
        raise PruningError(f"{what} cannot be written to {path}: {error}") from error


def read(path: str | Path, what: str, format: str) -> tuple[dict[str, str], dict[str, Tensor]]:
    """Metadata and tensors of a file of that format.

    Raises:
        PruningError: there is no such file, or it is of another format.
    """
    try:
        with safe_open(path, "pt") as file:
            metadata: dict[str, str] = file.metadata() or {}
            if metadata.get("format") != format:
                raise PruningError(f"{path} holds no {what}: its format is {metadata.get('format', 'unknown')}")
            return metadata, {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no mapping
    except (OSError, SafetensorError) as error:
        raise PruningError(f"{what} cannot be read from {path}: {error}") from error
