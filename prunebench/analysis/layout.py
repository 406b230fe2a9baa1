"""Making a table as narrow as the terminal: long texts wrap, and what is still too wide goes on below."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

GAP = 2
"""Columns between two columns of a table."""
NARROWEST = 16
"""Narrower than this no text is wrapped."""
_WORD = 32
"""Longer words are broken."""


def floor(cells: Sequence[str]) -> int:
    """The least width of a column of text: its longest word, within reason."""
    return min(max([NARROWEST, *(len(word) for cell in cells for word in cell.split())]), _WORD)


def fitted(widths: Sequence[int], floors: Sequence[int | None], total: int) -> list[int]:
    """Widths of columns, the widest narrowed until all fit into `total`, or until none can be narrower.

    Args:
        widths: of the columns as they are.
        floors: least width of each; None keeps a column as it is.
        total: columns of the terminal.
    """
    found = list(widths)
    room = {i: low for i, low in enumerate(floors) if low is not None}
    while (excess := sum(found) + GAP * (len(found) - 1) - total) > 0:
        wide = [i for i, low in room.items() if found[i] > low]
        if not wide:
            break
        widest = max(wide, key=lambda i: found[i])
        next_one = max((found[i] for i in wide if found[i] < found[widest]), default=0)
        found[widest] = max(found[widest] - excess, min(next_one, found[widest] - 1), room[widest])
    return found


def blocks(widths: Sequence[int], total: int) -> list[list[int]]:
    """Columns of each block: the first column leads every one, the others follow as far as they fit, at least one."""
    found: list[list[int]] = []
    used = 0
    for column in range(1, len(widths)):
        if found and used + GAP + widths[column] <= total:
            found[-1].append(column)
            used += GAP + widths[column]
        else:
            found.append([0, column])
            used = widths[0] + GAP + widths[column]
    return found or [[0]]
