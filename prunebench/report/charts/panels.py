"""What is drawn: axes, marks in layers, labels, panels."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from prunebench.report.charts.svg import MARK
from prunebench.report.looks import INK, one_line

if TYPE_CHECKING:
    from prunebench.report.looks import Look

SMALL, NORMAL = 10, 11
"""Pixels of letters."""
CROSS = "M-0.7,-0.7L0.7,0.7M-0.7,0.7L0.7,-0.7"
"""The shape of what is dead: no method's own."""

Kind = Literal["line", "area", "rule", "rect", "point", "dot"]
"""A dot is a round line without length: of many, a fraction of the size of points."""


@dataclass(frozen=True)
class Axis:
    """A scale with its ticks.

    `symlog` is asinh-like: sign(v) ln(1 + |v|/constant), linear about zero.
    """

    title: str
    low: float
    high: float
    ticks: tuple[tuple[float, str], ...] = ()
    """Values and what stands beside them."""
    scale: Literal["linear", "log", "symlog"] = "linear"
    constant: float = 1.0
    """Of `symlog`."""
    grid: bool = True

    def share(self, value: float) -> float:
        """How far along the axis a value lies, 0 to 1."""
        low, high, here = (self._level(v) for v in (self.low, self.high, value))
        return (here - low) / (high - low)

    def _level(self, value: float) -> float:
        if self.scale == "log":
            return math.log(value)
        if self.scale == "symlog":
            return math.copysign(math.log1p(abs(value) / self.constant), value)
        return value


@dataclass(frozen=True)
class Layer:
    """Marks of one kind; each a row of places and styles."""

    kind: Kind
    rows: tuple[dict[str, Any], ...]
    pixels: bool = False
    """Whether places are pixels from the panel's upper left corner, as beside the axes."""


@dataclass(frozen=True)
class Label:
    """A text at a place in pixels, from the panel's upper left corner."""

    x: float
    y: float
    text: str
    words: str = ""
    method: int | None = None
    token: str = INK
    align: Literal["left", "center", "right"] = "left"
    size: int = NORMAL
    bold: bool = False
    middle: bool = True
    """Whether the place is the text's middle, or its base line."""


@dataclass(frozen=True)
class Panel:
    """One pair of axes, and what is drawn between them."""

    width: float
    height: float
    x: Axis
    y: Axis
    layers: tuple[Layer, ...]
    labels: tuple[Label, ...] = ()
    title: str = ""
    x_axis: bool = True
    """Whether ticks and title are shown."""
    y_axis: bool = True

    def place(self, x: float, y: float) -> tuple[float, float]:
        """Pixels of a point."""
        return self.x.share(x) * self.width, (1 - self.y.share(y)) * self.height


@dataclass(frozen=True)
class Margins:
    """Pixels around panels."""

    left: float = 52
    top: float = 12
    right: float = 16
    bottom: float = 42
    across: float = 44
    """Between panels side by side."""
    down: float = 56
    """Between panels above each other."""
    columns: int = field(default=1, kw_only=True)


def mark(look: Look | None, words: str, /, **row: Any) -> dict[str, Any]:
    """A row of a layer: places `x`, `y`, `x2`, `y2` in the axes' units, styles by Vega's names, `i` of its line.

    Args:
        look: of the method that it belongs to.
        words: what it says of itself.
        row: the rest.
    """
    return {**row, "words": said(None if look is None else look.index, words)}


def point(look: Look, words: str, /, **row: Any) -> dict[str, Any]:
    """A point of a method, in its shape and colour."""
    usual = {"shape": look.shape, "fill": look.colour, "stroke": "paper", "strokeWidth": 0.8, "size": 42}
    return mark(look, words, **{**usual, **row})


def said(method: int | None, words: str) -> str:
    """The number of a method and words, as `svg` takes them apart."""
    return f"{'' if method is None else method}{MARK}{one_line(words)}"
