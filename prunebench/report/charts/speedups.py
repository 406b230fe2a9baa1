"""Accuracy against what a network takes to run."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE, number
from prunebench.analysis.boards.columns import percent
from prunebench.analysis.curves import front
from prunebench.analysis.tables import Table
from prunebench.analysis.tradeoff import DENSE
from prunebench.report.charts.axes import logarithmic, times
from prunebench.report.charts.base import Chart
from prunebench.report.charts.lines import FULL, At, Field, dense_of, plot
from prunebench.report.charts.spreads import spread_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prunebench.analysis.tradeoff import Task
    from prunebench.report.looks import Look

_APART = 1.1
"""Factor between speedup and compression below which one says what the other does, as in an MLP."""


@dataclass(frozen=True)
class _Saved:
    """A method at one density, medians over repetitions."""

    at: At
    """Its place is macs / kept_macs."""
    density: float
    kept_macs: float
    complete: bool
    """Whether every repetition has accuracy and multiply-accumulates: others are on no front."""


def speedup(name: str, title: str, task: Task, methods: Sequence[str], every: Mapping[str, Look]) -> list[Chart]:
    """Theoretical speedup, the dense network's multiply-accumulates over the kept (Blalock et al. 2020), and accuracy.

    No chart where it is the compression for every method.
    """
    lines = {method: points for method in methods if method != DENSE and (points := _points(task, method))}
    if not any(_apart(one) for points in lines.values() for one in points):
        return []
    shown = {method: [one.at for one in points] for method, points in lines.items()}
    best = _fronts(lines)
    dense = dense_of(task)
    words = task.curve.metric.replace("_", " ")
    title = f"Accuracy over theoretical speedup · {title}"
    description = " ".join(
        part for part in (
            f"Mean {words} over repetitions against theoretical speedup, multiply-accumulates of the dense network "
            f"over those of kept weights, on a logarithmic axis, for {len(shown)} method{'s' * (len(shown) != 1)}, "
            "with 95 % t intervals as bands: what is pruned of a layer that is applied at many places saves more.",
            "The dotted line across is the dense network with its interval." if dense else "",
            "Rings mark the front of accuracy and multiply-accumulates.",
            f"Lines of the {FULL} methods with the largest area are drawn in full, the others faintly."
            if len(shown) > FULL else "",
            "Names on the right stand in the order of accuracy at the lowest density.",
        ) if part
    )  # fmt: skip
    x = logarithmic("theoretical speedup", [one.x for points in shown.values() for one in points], text=times)
    drawing = plot(x, shown, Field(words, dense, None, best, every), title, description)
    rows = tuple(
        (method, percent(one.density), number(one.kept_macs), times(one.at.x), str(one.at.spread),
         "yes" if one.at.density in best.get(method, ()) else NONE)
        for method, points in lines.items() for one in points
    )  # fmt: skip
    table = Table(
        title, ("method", "density", "MACs", "speedup", f"{words}, %", "front"), rows,
        (False, True, True, True, True, False), dataset=task.dataset, methods=tuple(row[0] for row in rows),
    )  # fmt: skip
    return [Chart(name, title, description, drawing, table)]


def _points(task: Task, method: str) -> list[_Saved]:
    """What is alive, by density, a method's own last."""
    found = []
    for density, cells in task.of(method, None).items():
        kept, whole, own = (cells.values(name) for name in ("kept_macs", "macs", "density"))
        ratios = [whole[n] / kept[n] for n in kept if n in whole and kept[n] > 0]
        spread = spread_of(cells, task.curve.metric)
        if ratios and own and spread.mean is not None:
            at, where = median(ratios), median(own.values()) if density is None else density
            said = f"{times(at)} fewer MACs at density {percent(where)}"
            complete = spread.n == len(ratios) == len(cells.records)
            found.append(_Saved(At(at, said, spread, density), where, median(kept.values()), complete))
    return found


def _apart(one: _Saved) -> bool:
    factor = one.at.x * one.density
    return not 1 / _APART < factor < _APART


def _fronts(lines: Mapping[str, Sequence[_Saved]]) -> dict[str, list[float | None]]:
    """By method, the densities at which none is more accurate and none cheaper."""
    names = [(method, one) for method, points in lines.items() for one in points if one.complete]
    values = [(one.at.spread.mean or 0.0, one.at.x) for _, one in names]
    found: dict[str, list[float | None]] = {}
    for (method, one), on_it in zip(names, front(values, (True, True)), strict=True):
        if on_it:
            found.setdefault(method, []).append(one.at.density)
    return found
