"""Durations and sizes with units, as people write them."""

from __future__ import annotations

import math
import re

from prunebench.errors import UsageError

_SECONDS = {"ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_BYTES = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12, "ki": 2**10, "mi": 2**20, "gi": 2**30, "ti": 2**40}


def parse_duration(text: str | None) -> float | None:
    """Seconds; None for `none`. A number needs a unit: 500ms, 90s, 10m, 2h.

    Raises:
        UsageError: no number, no unit, or not positive.
    """
    if text is None or text.strip().lower() == "none":
        return None
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*(ms|s|m|h|d)", text.strip().lower())
    seconds = float(match[1]) * _SECONDS[match[2]] if match else 0.0
    if not 0 < seconds < math.inf:
        raise UsageError(f"duration {text!r} needs a positive number with a unit, such as 90s, 10m or 2h, or 'none'")
    return seconds


def parse_size(text: str | None) -> int | None:
    """Bytes; None for `none`. A number needs a unit: `512B`, `4G` is 4·10⁹, `4GiB` 4·2³⁰.

    Raises:
        UsageError: no number, no unit, or less than a byte.
    """
    if text is None or text.strip().lower() == "none":
        return None
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*(b|[kmgt]i?b?)", text.strip().lower())
    size = float(match[1]) * _BYTES[match[2].removesuffix("b")] if match else 0.0
    if not 1 <= size < math.inf:
        raise UsageError(f"size {text!r} needs a positive number with a unit, such as 800M or 4GiB, or 'none'")
    return int(size)


def written_duration(seconds: float) -> str:
    """Short text for people: 0.4 s, 12 s, 3 min 20 s, 2 h 5 min."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60} s"
    return f"{total // 3600} h {total % 3600 // 60} min"


def written_size(size: int) -> str:
    """Short text for people: 512 B, 1.5 KiB, 2 GiB."""
    value, unit = float(size), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1023.95:
            break
        value, unit = value / 1024, larger
    return f"{value:.1f}".removesuffix(".0") + f" {unit}"
