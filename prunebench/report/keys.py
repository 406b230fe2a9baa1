"""What a cell of a table is sorted by."""

from __future__ import annotations

import re

_NUMBER = re.compile(r"(?:n\s*)?([<>≈]?)\s*([+\-−]?(?:\d[\d\u202f\u2009]*)?\.?\d+(?:e[+-]?\d+)?)", re.IGNORECASE)
_BESIDE = 1e-9


def sort_key(text: str) -> float | None:
    """The number that a cell begins with: the mean of `67.6 ± 1.1`, the count of `5 (4/5 cells)`.

    Of `begin → end` it is the end. `<0.001` is just below 0.001, `> 32` just above. None of words and of `–`, which
    stand last in either order.
    """
    found = _NUMBER.match(text.rpartition("→")[2].strip())
    if found is None:
        return None
    value = float(re.sub(r"[\u202f\u2009]", "", found[2]).replace("−", "-"))
    beside = {"<": -_BESIDE, ">": _BESIDE}.get(found[1], 0.0)
    return value + beside * max(abs(value), _BESIDE)
