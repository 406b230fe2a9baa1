"""A disk without room."""

from __future__ import annotations

import resource
import sys
from contextlib import contextmanager


@contextmanager
def full_disk(room=100):
    """No file can grow beyond so many bytes: a write that would is cut short and fails, as on a full disk.

    Python does not notice where compiled modules are cut short, and would read them again: none is written.
    """
    compiles, sys.dont_write_bytecode = not sys.dont_write_bytecode, True
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        sys.dont_write_bytecode = not compiles
