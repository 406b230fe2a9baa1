"""Small multiples: many small pairs of axes in one drawing, which would each cost as much as a chart."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from prunebench.report.charts.drawing import draw
from prunebench.report.charts.panels import SMALL, Axis, Label, Layer, Margins, Panel, mark

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prunebench.report.charts.drawing import Drawing
    from prunebench.report.looks import Look

_TICK = 9


@dataclass(frozen=True)
class Inset:
    """One of them, at a place in pixels."""

    left: float
    top: float
    width: float
    height: float
    x: Axis
    y: Axis
    look: Look | None = None
    """Of the method that its marks belong to."""

    def of(self, look: Look) -> Inset:
        """The same place, with marks of a method."""
        return replace(self, look=look)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a point."""
        return self.left + self.x.share(x) * self.width, self.top + (1 - self.y.share(y)) * self.height

    def rule(self, x: float, y: float, x2: float, y2: float, **style: Any) -> dict[str, Any]:
        """A row of a line between two points."""
        (left, top), (right, bottom) = self.at(x, y), self.at(x2, y2)
        return mark(self.look, "", x=left, y=top, x2=right, y2=bottom, **style)

    def dot(self, x: float, y: float, **style: Any) -> dict[str, Any]:
        """A row of a dot."""
        left, top = self.at(x, y)
        return mark(self.look, "", x=left, y=top, x2=left, y2=top, **style)

    def box(self, x: float, y: float, x2: float, y2: float, **style: Any) -> dict[str, Any]:
        """A row of a rectangle between two corners."""
        return self.rule(x, y, x2, y2, **style)


@dataclass(frozen=True)
class Mosaic:
    """Insets of one size in rows, with the axes that all share."""

    insets: tuple[Inset, ...]
    columns: int
    x: Axis
    y: Axis
    width: float
    height: float

    def rows(self) -> int:
        """Of insets."""
        return math.ceil(len(self.insets) / self.columns)


def mosaic(
    count: int, x: Axis, y: Axis, size: tuple[float, float], columns: int, gap: tuple[float, float] = (14.0, 30.0)
) -> Mosaic:
    """So many insets of a size, row by row."""
    columns = min(columns, count)
    width, height = size
    insets = tuple(
        Inset((i % columns) * (width + gap[0]), (i // columns) * (height + gap[1]), width, height, x, y)
        for i in range(count)
    )
    rows = math.ceil(count / columns)
    return Mosaic(
        insets, columns, x, y, columns * (width + gap[0]) - gap[0], rows * (height + gap[1]) - gap[1]
    )  # fmt: skip


def draw_mosaic(
    found: Mosaic, layers: Sequence[Layer], labels: Sequence[Label], margins: Margins, title: str, description: str
) -> Drawing:
    """Insets with frames and ticks: of x below the lowest of each column, of y left of each row."""
    rules, texts = [], []
    for i, inset in enumerate(found.insets):
        for value, text in inset.x.ticks:
            if inset.x.grid:
                rules.append(inset.rule(value, inset.y.low, value, inset.y.high, stroke="grid"))
            if i + found.columns >= len(found.insets):
                across, _ = inset.at(value, inset.y.low)
                texts.append(Label(across, inset.top + inset.height + 9, text, align="center", size=_TICK))
        for value, text in inset.y.ticks:
            if inset.y.grid:
                rules.append(inset.rule(inset.x.low, value, inset.x.high, value, stroke="grid"))
            if i % found.columns == 0:
                _, down = inset.at(inset.x.low, value)
                texts.append(Label(inset.left - 4, down, text, align="right", size=_TICK))
    if found.x.title:
        texts.append(Label(found.width / 2, found.height + 28, found.x.title, align="center", size=SMALL))
    blank = Axis("", 0, 1)
    panel = Panel(
        found.width, found.height, blank, blank,
        (Layer("rule", tuple(rules), pixels=True), *layers), (*texts, *labels),
    )  # fmt: skip
    return draw([panel], margins, title, description)
