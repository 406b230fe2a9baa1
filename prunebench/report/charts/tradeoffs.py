"""Accuracy over compression."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING, Any

from prunebench.analysis.boards.cells import NONE
from prunebench.analysis.boards.columns import percent
from prunebench.analysis.boards.curves import on_front, ordered
from prunebench.analysis.tables import Table
from prunebench.analysis.tradeoff import DENSE, tasks
from prunebench.report.charts.axes import compressions, linear, times
from prunebench.report.charts.base import Chart, named, noted
from prunebench.report.charts.costs import cost
from prunebench.report.charts.drawing import draw
from prunebench.report.charts.keys import NARROW, keys
from prunebench.report.charts.panels import CROSS, Layer, Margins, Panel, mark, point
from prunebench.report.charts.spreads import Spread, spread_of
from prunebench.report.looks import looks, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prunebench.analysis.results import Results
    from prunebench.analysis.tradeoff import Task
    from prunebench.records.presentation import Presentation
    from prunebench.report.charts.panels import Axis
    from prunebench.report.looks import Look

MOST = 12
"""Tasks that have charts; all have tables."""
_METHODS = 40
_FULL = 10
"""Methods that are drawn in full, and with bands."""
_WIDTH, _HEIGHT = 440.0, 300.0


@dataclass(frozen=True)
class _At:
    """A method at one compression."""

    compression: float
    spread: Spread
    density: float | None
    """None where it is the outcome."""


def curves(suite: str, presentation: Presentation, results: Results) -> list[Chart]:
    """Accuracy over compression and over the cost of it, for the first tasks."""
    found: list[Chart] = []
    every = looks(results)
    known = tasks(suite, presentation, results)
    for number, task in enumerate(known[:MOST], 1):
        for arm in task.arms:
            ranked = ordered(task, arm, presentation.primary.density)
            lines = {method: points for method in ranked if (points := _points(task, arm, method))}
            title = one_line(f"{task.title} · {arm}" if arm else task.title)
            found += _curve(named(suite, "curve", str(number), arm or ""), title, task, arm, lines, every)
            if arm is None:
                shown = list(lines)[:_METHODS]
                found += cost(
                    named(suite, "cost", str(number)), title, task, shown, presentation.primary.density, every
                )
    return noted(found, MOST, len(known), "tasks")


def _points(task: Task, arm: str | None, method: str) -> list[_At]:
    """What was measured, by compression; at the median density where that is the outcome."""
    found = []
    for density, cells in task.of(method, arm).items():
        own = list(cells.values("density").values()) if density is None else [density]
        spread = spread_of(cells, task.curve.metric)
        if own and (spread.mean is not None or (spread.collapsed and task.chance is not None)):
            found.append(_At(1 / median(own), spread, density))
    return sorted(found, key=lambda one: one.compression)


def _curve(
    name: str, title: str, task: Task, arm: str | None, known: Mapping[str, Sequence[_At]], every: Mapping[str, Look],
) -> list[Chart]:  # fmt: skip
    ranked = [method for method in known if method != DENSE]
    lines = {method: known[method] for method in ranked[:_METHODS]}
    everything = [one for points in lines.values() for one in points]
    if not everything:
        return []
    whole = spread_of(task.best_dense, task.curve.metric) if task.best_dense else None
    dense = whole if whole and whole.mean is not None else None
    collapsed = task.chance is not None and any(one.spread.collapsed for one in everything)
    heights = [end for one in everything if one.spread.mean is not None for end in (one.spread.low, one.spread.high)]
    heights += [dense.low, dense.high] if dense else []
    heights += [task.chance] if collapsed and task.chance is not None else []
    words = task.curve.metric.replace("_", " ")
    x, y = compressions("compression", [one.compression for one in everything]), linear(f"{words}, %", heights)
    panel = Panel(_WIDTH, max(_HEIGHT, 14.0 * (len(lines) + bool(dense))), x, y, ())
    front = on_front(task)
    drawn: dict[str, list[dict[str, Any]]] = {kind: [] for kind in ("area", "line", "ring", "point", "cross")}
    ends: list[tuple[Look | None, str, float]] = []
    for place, (method, points) in enumerate(lines.items()):
        own = _Line(method, every[method], points, task.chance, place < _FULL, set(front.get((method, arm), [])))
        for kind, marks in own.marks().items():
            drawn[kind] += marks
        ends.append((own.look, method, panel.place(x.high, own.shown[-1][1])[1]))
    if dense is not None and dense.mean is not None:
        ends.append((every.get(DENSE), DENSE, panel.place(x.high, dense.mean)[1]))
    beside, texts = keys(panel, ends)
    layers = (
        *_reference(x, dense, every.get(DENSE)),
        Layer("area", tuple(drawn["area"])), Layer("line", tuple(drawn["line"])),
        *(Layer("point", tuple(drawn[kind])) for kind in ("ring", "point", "cross")), beside,
    )  # fmt: skip
    title = f"Accuracy over compression · {title}"
    left = len(ranked) - len(lines)
    description = " ".join(
        part for part in (
            f"Mean {words} over repetitions against compression, dense weights over kept ones, on a logarithmic axis, "
            f"for {len(lines)} method{'s' * (len(lines) != 1)}, with 95 % t intervals as bands.",
            "The dotted line across is the dense network with its interval." if dense else "",
            "Rings mark the front of accuracy, multiply-accumulates and trainings.",
            f"Crosses at chance, {task.chance:.3g} %, are networks without a path from input to output."
            if collapsed else "",
            f"Lines of the {_FULL} methods with the largest area are drawn in full, the others faintly."
            if len(lines) > _FULL else "",
            "Names on the right stand in the order of accuracy at the highest compression.",
            f"{left} more methods are in the tables." if left else "",
        ) if part
    )  # fmt: skip
    svg = draw([Panel(panel.width, panel.height, x, y, layers, texts)], Margins(right=NARROW), title, description)
    return [Chart(name, title, description, svg, _table(title, task, arm, lines, dense, front))]


@dataclass(frozen=True)
class _Line:
    """One method."""

    method: str
    look: Look
    points: Sequence[_At]
    chance: float | None
    full: bool
    on_front: set[float | None]

    @property
    def shown(self) -> list[tuple[float, float]]:
        """Compression and mean of what is alive; where all are collapsed, chance."""
        grid = [one for one in self.points if one.density is not None] or self.points
        heights = ((one.compression, self.chance if one.spread.mean is None else one.spread.mean) for one in grid)
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
                mark(look, self.method, x=one.compression, y=one.spread.low, y2=one.spread.high, fill=look.colour,
                     fillOpacity=0.08 if self.full else 0, i=look.index)
                for one in band if wide
            ],
            "line": [mark(look, self.method, x=at, y=y, **dash, **shade) for at, y in shown if len(shown) > 1],
            "ring": [
                mark(look, f"{self.method}: on the front at {times(one.compression)}", x=one.compression,
                     y=one.spread.mean, stroke="ink", shape="circle", size=130, strokeWidth=1)
                for one in alive if one.density in self.on_front
            ],
            "point": [
                point(look, self._said(one), x=one.compression, y=one.spread.mean, opacity=1 if self.full else 0.5)
                for one in alive
            ],
            "cross": [
                mark(look, self._said(one), x=one.compression, y=self.chance, shape=CROSS, stroke=look.colour,
                     strokeWidth=1.8, size=64)
                for one in self.points if one.spread.collapsed and self.chance is not None
            ],
        }  # fmt: skip

    def _said(self, one: _At) -> str:
        return f"{self.method} at {times(one.compression)}: {one.spread}"


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


def _table(
    title: str, task: Task, arm: str | None, lines: Mapping[str, Sequence[_At]], dense: Spread | None,
    front: Mapping[tuple[str, str | None], Sequence[float | None]],
) -> Table:  # fmt: skip
    places = sorted({one.compression for points in lines.values() for one in points})
    rows = []
    for method, points in lines.items():
        at = {one.compression: str(one.spread) for one in points}
        on_it = ", ".join("own" if d is None else percent(d) for d in front.get((method, arm), ()))
        rows.append((method, *(at.get(place, NONE) for place in places), on_it or NONE))
    if dense is not None:
        rows.append((DENSE, *(str(dense) for _ in places), NONE))
    return Table(
        title, ("method", *(times(place) for place in places), "front at"), tuple(rows),
        (False, *(True for _ in places), False), dataset=task.dataset, methods=tuple(row[0] for row in rows),
    )  # fmt: skip
