"""Accuracy over compression."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE
from prunebench.analysis.boards.columns import percent
from prunebench.analysis.boards.curves import on_front, ordered
from prunebench.analysis.tables import Table
from prunebench.analysis.tradeoff import DENSE, tasks
from prunebench.report.charts.axes import compressions, times
from prunebench.report.charts.base import Chart, named, noted
from prunebench.report.charts.costs import cost
from prunebench.report.charts.lines import FULL, METHODS, At, Field, collapsed, dense_of, plot
from prunebench.report.charts.speedups import speedup
from prunebench.report.charts.spreads import spread_of
from prunebench.report.looks import looks, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prunebench.analysis.results import Results
    from prunebench.analysis.tradeoff import Task
    from prunebench.records.presentation import Presentation
    from prunebench.report.charts.spreads import Spread
    from prunebench.report.looks import Look

MOST = 12
"""Tasks that have charts; all have tables."""


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
                shown = list(lines)[:METHODS]
                found += cost(
                    named(suite, "cost", str(number)), title, task, shown, presentation.primary.density, every
                )
                found += speedup(named(suite, "speedup", str(number)), title, task, shown, every)
    return noted(found, MOST, len(known), "tasks")


def _points(task: Task, arm: str | None, method: str) -> list[At]:
    """What was measured, by compression; at the median density where that is the outcome."""
    found = []
    for density, cells in task.of(method, arm).items():
        own = list(cells.values("density").values()) if density is None else [density]
        spread = spread_of(cells, task.curve.metric)
        if own and (spread.mean is not None or (spread.collapsed and task.chance is not None)):
            at = 1 / median(own)
            found.append(At(at, times(at), spread, density))
    return sorted(found, key=lambda one: one.x)


def _curve(
    name: str, title: str, task: Task, arm: str | None, known: Mapping[str, Sequence[At]], every: Mapping[str, Look],
) -> list[Chart]:  # fmt: skip
    ranked = [method for method in known if method != DENSE]
    lines = {method: known[method] for method in ranked[:METHODS]}
    if not lines:
        return []
    dense = dense_of(task)
    words = task.curve.metric.replace("_", " ")
    fronts = on_front(task)
    front = {method: fronts.get((method, arm), []) for method in lines}
    title = f"Accuracy over compression · {title}"
    left = len(ranked) - len(lines)
    description = " ".join(
        part for part in (
            f"Mean {words} over repetitions against compression, dense weights over kept ones, on a logarithmic axis, "
            f"for {len(lines)} method{'s' * (len(lines) != 1)}, with 95 % t intervals as bands.",
            "The dotted line across is the dense network with its interval." if dense else "",
            "Rings mark the front of accuracy, multiply-accumulates and trainings.",
            f"Crosses at chance, {task.chance:.3g} %, are networks without a path from input to output."
            if task.chance is not None and collapsed(lines) else "",
            f"Lines of the {FULL} methods with the largest area are drawn in full, the others faintly."
            if len(lines) > FULL else "",
            "Names on the right stand in the order of accuracy at the highest compression.",
            f"{left} more methods are in the tables." if left else "",
        ) if part
    )  # fmt: skip
    x = compressions("compression", [one.x for points in lines.values() for one in points])
    drawing = plot(x, lines, Field(words, dense, task.chance, front, every), title, description)
    return [Chart(name, title, description, drawing, _table(title, task, lines, dense, front))]


def _table(
    title: str, task: Task, lines: Mapping[str, Sequence[At]], dense: Spread | None,
    front: Mapping[str, Sequence[float | None]],
) -> Table:  # fmt: skip
    places = sorted({one.x for points in lines.values() for one in points})
    rows = []
    for method, points in lines.items():
        at = {one.x: str(one.spread) for one in points}
        on_it = ", ".join("own" if d is None else percent(d) for d in front[method])
        rows.append((method, *(at.get(place, NONE) for place in places), on_it or NONE))
    if dense is not None:
        rows.append((DENSE, *(str(dense) for _ in places), NONE))
    return Table(
        title, ("method", *(times(place) for place in places), "front at"), tuple(rows),
        (False, *(True for _ in places), False), dataset=task.dataset, methods=tuple(row[0] for row in rows),
    )  # fmt: skip
