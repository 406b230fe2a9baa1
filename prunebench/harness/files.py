"""Writing a file whole or not at all."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

TEMPORARY = ".tmp"
"""Ending of what a killed process may leave behind."""


def write_whole(path: Path, content: bytes | Iterable[bytes], *, sync: bool = False) -> None:
    """Replace a file in one step, by a content whole or in pieces; with `sync` it has reached the disk before that.

    A link is followed. What is no plain file, as a pipe or `/dev/stdout`, is written into: it cannot be replaced.

    Raises:
        OSError: it cannot be written; what was there before stays.
    """
    pieces = (content,) if isinstance(content, bytes) else content
    if path.exists() and not path.is_file():
        with path.open("wb") as file:
            file.writelines(pieces)
        return
    path = path.resolve()
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY}")
    try:
        with temporary.open("wb") as file:
            file.writelines(pieces)
            if sync:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
