"""Peak memory of a piece of work, where the system can say it."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PEAK = "peak_bytes"
"""Its name in a cost: of several steps the highest counts, where seconds add up."""

_STATUS, _RESET = Path("/proc/self/status"), Path("/proc/self/clear_refs")


@dataclass
class Peak:
    """The most memory that was in use at once."""

    bytes: int | None = None
    """None until the work has ended, and where the peak of this work alone cannot be told."""


@contextmanager
def peak_memory(device: str = "cpu") -> Iterator[Peak]:
    """The peak of what runs inside: allocated tensors on CUDA, resident memory of the whole process on Linux.

    Resident memory includes the interpreter, the libraries and what other threads hold. The system's mark is set back
    before the work; where that is not allowed, and on other systems, there is no peak.
    """
    found = Peak()
    if device.startswith("cuda"):
        import torch

        torch.cuda.reset_peak_memory_stats(device)
        yield found
        found.bytes = torch.cuda.max_memory_allocated(device)
        return
    known = _set_back()
    yield found
    found.bytes = _high_water() if known else None


def _set_back() -> bool:
    """Forget the process's highest resident memory so far."""
    if not sys.platform.startswith("linux"):
        return False
    try:
        _RESET.write_text("5", encoding="ascii")
    except OSError:
        return False
    return True


def _high_water() -> int | None:
    """VmHWM in bytes; the kernel writes kibibytes as `kB`."""
    for line in _STATUS.read_text(encoding="ascii").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) * 1024
    return None
