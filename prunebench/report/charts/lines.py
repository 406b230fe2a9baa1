"""Accuracy over what is saved: a line a method, with the dense network across."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prunebench.analysis.tradeoff import DENSE
from prunebench.report.charts.axes import linear
from prunebench.report.charts.drawing import draw
from prunebench.report.charts.keys import NARROW, keys
from prunebench.report.charts.panels import CROSS, Layer, Margins, Panel, mark, point
from prunebench.report.charts.spreads import spread_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from prunebench.analysis.tradeoff import Task
    from prunebench.report.charts.drawing import Drawing
    from prunebench.report.charts.panels import Axis
    from prunebench.report.charts.spreads import Spread
    from prunebench.report.looks import Look

METHODS = 40
"""Methods of a chart."""
FULL = 10
"""Methods that are drawn in full, and with bands."""
WIDTH, HEIGHT = 440.0, 300.0


@dataclass(frozen=True)
class At:
    """A method at one place."""

    x: float
    text: str
    """Where that is."""
    spread: Spread
    density: float | None
    """None where it is the outcome."""


@dataclass(frozen=True)
class Line:
    """One method."""

    method: str
    look: Look
    points: Sequence[At]
    chance: float | None
    full: bool
    on_front: set[float | None]

    @property
    def shown(self) -> list[tuple[float, float]]:
        """Place and mean of what is alive; where all are collapsed, chance."""
        grid = [one for one in self.points if one.density is not None] or self.points
        heights = ((one.x, self.chance if one.spread.mean is None else one.spread.mean) for one in grid)
        return [(at, height) for at, height in heights if height is not None]

    def marks(self) -> dict[str, list[dict[str, Any]]]:
        """By kind."""
        look, alive = self.look, [one for one in self.points if one.spread.mean is not None]
        dash = {"strokeDash": list(look.dash) or [1, 0], "i": look.index}
        shade = {"opacity": 1 if self.full else 0.4, "strokeWidth": 1.8 if self.full else 1.2, "stroke": look.colour}
        shown, band = self.shown, [one for one in alive if one.density is not None]
        wide = len(band) > 1 and any(one.spread.half for one in band)
        return {
            "area": [
                mark(look, self.method, x=one.x, y=one.spread.low, y2=one.spread.high, fill=look.colour,
                     fillOpacity=0.08 if self.full else 0, i=look.index)
                for one in band if wide
            ],
            "line": [mark(look, self.method, x=at, y=y, **dash, **shade) for at, y in shown if len(shown) > 1],
            "ring": [
                mark(look, f"{self.method}: on the front at {one.text}", x=one.x,
                     y=one.spread.mean, stroke="ink", shape="circle", size=130, strokeWidth=1)
                for one in alive if one.density in self.on_front
            ],
            "point": [
                point(look, self._said(one), x=one.x, y=one.spread.mean, opacity=1 if self.full else 0.5)
                for one in alive
            ],
            "cross": [
                mark(look, self._said(one), x=one.x, y=self.chance, shape=CROSS, stroke=look.colour,
                     strokeWidth=1.8, size=64)
                for one in self.points if one.spread.collapsed and self.chance is not None
            ],
        }  # fmt: skip

    def _said(self, one: At) -> str:
        return f"{self.method} at {one.text}: {one.spread}"


@dataclass(frozen=True)
class Field:
    """What lines stand among."""

    words: str
    """What is measured, in %."""
    dense: Spread | None
    chance: float | None
    front: Mapping[str, Collection[float | None]]
    """By method: densities at which it is on the front."""
    looks: Mapping[str, Look]


def plot(x: Axis, lines: Mapping[str, Sequence[At]], field: Field, title: str, description: str) -> Drawing:
    """Lines over an axis, the first so many in full."""
    everything = [one for points in lines.values() for one in points]
    dense, chance = field.dense, field.chance
    heights = [end for one in everything if one.spread.mean is not None for end in (one.spread.low, one.spread.high)]
    heights += [dense.low, dense.high] if dense else []
    heights += [chance] if chance is not None and collapsed(lines) else []
    y = linear(f"{field.words}, %", heights)
    panel = Panel(WIDTH, max(HEIGHT, 14.0 * (len(lines) + bool(dense))), x, y, ())
    drawn: dict[str, list[dict[str, Any]]] = {kind: [] for kind in ("area", "line", "ring", "point", "cross")}
    ends: list[tuple[Look | None, str, float]] = []
    for place, (method, points) in enumerate(lines.items()):
        own = Line(method, field.looks[method], points, chance, place < FULL, set(field.front.get(method, ())))
        for kind, marks in own.marks().items():
            drawn[kind] += marks
        ends.append((own.look, method, panel.place(x.high, own.shown[-1][1])[1]))
    if dense is not None and dense.mean is not None:
        ends.append((field.looks.get(DENSE), DENSE, panel.place(x.high, dense.mean)[1]))
    beside, texts = keys(panel, ends)
    layers = (
        *_reference(x, dense, field.looks.get(DENSE)),
        Layer("area", tuple(drawn["area"])), Layer("line", tuple(drawn["line"])),
        *(Layer("point", tuple(drawn[kind])) for kind in ("ring", "point", "cross")), beside,
    )  # fmt: skip
    whole = Panel(panel.width, panel.height, x, y, layers, texts)
    return draw([whole], Margins(right=NARROW), title, description)


def dense_of(task: Task) -> Spread | None:
    """The dense network by its best recipe, if it is alive."""
    found = spread_of(task.best_dense, task.curve.metric) if task.best_dense else None
    return found if found and found.mean is not None else None


def collapsed(lines: Mapping[str, Sequence[At]]) -> bool:
    """Whether any network has no path."""
    return any(one.spread.collapsed for points in lines.values() for one in points)


def _reference(x: Axis, dense: Spread | None, look: Look | None) -> tuple[Layer, ...]:
    """The dense network across the whole axis."""
    if dense is None:
        return ()
    words = f"{DENSE}: {dense}"
    ends = {"x": x.low, "x2": x.high}
    return (
        Layer("rect", (mark(look, words, **ends, y=dense.low, y2=dense.high, fill="area", fillOpacity=0.5),)),
        Layer("rule", (mark(look, words, **ends, y=dense.mean, y2=dense.mean, stroke="ink", strokeDash=[1, 3],
                            strokeWidth=1.6),)),
    )  # fmt: skip
