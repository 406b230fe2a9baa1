"""Where data lie: the folder that the run was given, `PRUNEBENCH_DATA`, or the user's cache."""

from __future__ import annotations

import os
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from collections.abc import Iterator

_given: ContextVar[Path | None] = ContextVar("data_folder", default=None)


def data_folder() -> Path:
    """Folder of data that are made, downloaded or put there by the user."""
    return _given.get() or Path(os.environ.get("PRUNEBENCH_DATA") or platformdirs.user_cache_dir("prunebench"))


@contextmanager
def data_at(folder: Path | None) -> Iterator[None]:
    """Look for data in this folder; None leaves it as it is."""
    token = _given.set(folder.expanduser().resolve() if folder is not None else _given.get())
    try:
        yield
    finally:
        _given.reset(token)


def located(path: str) -> Path:
    """A path that a spec gives, relative to the data folder unless it is absolute or starts with `~`."""
    return data_folder() / Path(path).expanduser()
