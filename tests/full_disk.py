"""A disk without room."""

from __future__ import annotations

import resource
from contextlib import contextmanager


@contextmanager
def full_disk(room=100):
    """No file can grow beyond so many bytes: a write that would is cut short and fails, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
