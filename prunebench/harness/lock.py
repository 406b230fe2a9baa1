"""The store's lock: one process at a time writes to it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from prunebench.errors import StoreError

if TYPE_CHECKING:
    from pathlib import Path


def locked(store: Path) -> ExitStack:
    """The lock of a store, which is made if need be.

    Raises:
        StoreError: it cannot be made, or another run has it.
    """
    stack = ExitStack()
    try:
        store.mkdir(parents=True, exist_ok=True)
        ignore = store / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        stack.enter_context(FileLock(store / "lock", timeout=0))
    except Timeout:
        raise StoreError(f"another run is using the store {store}: wait for it, or give another with --store") from None
    except OSError as error:
        raise StoreError(f"the store {store} cannot be written: {error.strerror or error}") from error
    return stack
