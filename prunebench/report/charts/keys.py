"""Names of methods beside a panel, at the height of what they name and yet apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.report.charts.panels import SMALL, Label, Layer, Panel, point
from prunebench.report.looks import shortened

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prunebench.report.looks import Look

NARROW = 250.0
"""Pixels beside a panel that names take."""
_GAP = 13.0
_MOST = 40
_LONGEST = 44


def keys(
    panel: Panel, ends: Sequence[tuple[Look | None, str, float]], longest: int = _LONGEST
) -> tuple[Layer, tuple[Label, ...]]:
    """Points and names right of a panel.

    Args:
        panel: they stand beside.
        ends: look and name of a method, and how far down it ends in pixels; the first so many have a name.
        longest: letters of a name.
    """
    shown = sorted(ends[:_MOST], key=lambda end: end[2])
    heights = spread([height for _, _, height in shown], _GAP, 4.0, panel.height - 2.0)
    points, labels = [], []
    for (look, name, _), height in zip(shown, heights, strict=True):
        if look is None:
            continue
        points.append(point(look, name, x=panel.width + 16, y=height))
        labels.append(Label(panel.width + 26, height, shortened(name, longest), name, look.index, size=SMALL))
    return Layer("point", tuple(points), pixels=True), tuple(labels)


def spread(places: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """Places moved as little as they must for neighbours to be `gap` apart, within low to high while there is room.

    Places stand in ascending order. Neighbours that are too near form a block about their mean, and blocks merge.
    """
    blocks: list[tuple[float, int]] = []  # of each: the place of its first member, and how many
    for place in places:
        start, count = _inside(place, 1, gap, low, high), 1
        while blocks and blocks[-1][0] + blocks[-1][1] * gap > start:
            first, many = blocks.pop()
            start = (first * many + (start - many * gap) * count) / (many + count)
            count += many
            start = _inside(start, count, gap, low, high)
        blocks.append((start, count))
    return [start + k * gap for start, count in blocks for k in range(count)]


def _inside(start: float, count: int, gap: float, low: float, high: float) -> float:
    return max(min(start, high - (count - 1) * gap), low)
