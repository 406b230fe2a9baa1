"""Accuracy against what finding a ticket and training it took."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from statistics import median
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import number
from prunebench.analysis.tables import Table
from prunebench.report.charts.axes import linear, measured, times
from prunebench.report.charts.base import Chart
from prunebench.report.charts.drawing import draw
from prunebench.report.charts.keys import NARROW, keys
from prunebench.report.charts.panels import Layer, Margins, Panel, mark, point
from prunebench.report.charts.spreads import spread_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prunebench.analysis.tradeoff import Task
    from prunebench.report.charts.panels import Axis
    from prunebench.report.looks import Look

_WIDTH, _HEIGHT = 440.0, 300.0
_STEP, _ASIDE = 8.0, 120.0
"""Pixels between points of one cost, and of all of them at most."""


def cost(
    name: str, title: str, task: Task, methods: Sequence[str], primary: float | None, every: Mapping[str, Look]
) -> list[Chart]:
    """Trainings in all against accuracy at the primary density, or a method's own."""
    found = []
    for method in methods:
        cells = task.at(method, None, primary)
        trainings = list(cells.values("trainings").values()) if cells else []
        spread = spread_of(cells, task.curve.metric) if cells else None
        if trainings and spread and spread.mean is not None and median(trainings) > 0:
            found.append((method, median(trainings), spread.mean, spread))
    if not found:
        return []
    where = "at a method's own density" if primary is None else f"at compression {times(1 / primary)}"
    words = task.curve.metric.replace("_", " ")
    costs = [spent for _, spent, _, _ in found]
    step = min(_STEP, _ASIDE / max(Counter(costs).values()))
    x = _roomy(
        measured(
            "trainings for finding and training, lengths T of the recipe", costs, lambda spent: f"{number(spent)} T"
        ),
        max(Counter(costs).values()) * step / 2 + 6,
    )
    y = linear(f"{words}, %", [end for _, _, _, spread in found for end in (spread.low, spread.high)])
    panel = Panel(_WIDTH, max(_HEIGHT, 14.0 * len(found)), x, y, ())
    bars, dots, ends = [], [], []
    across = _beside([panel.place(spent, mean)[0] for _, spent, mean, _ in found], step)
    for (method, spent, mean, spread), px in zip(found, across, strict=True):
        look = every[method]
        top, middle, bottom = (panel.place(spent, value)[1] for value in (spread.high, mean, spread.low))
        bars.append(mark(look, "", x=px, y=bottom, x2=px, y2=top, stroke=look.colour, strokeWidth=1.2, opacity=0.7))
        dots.append(point(look, f"{method}: {spread}, {number(spent)} T", x=px, y=middle, size=60))
        ends.append((look, method, middle))
    beside, texts = keys(panel, ends)
    layers = (Layer("rule", tuple(bars), pixels=True), Layer("point", tuple(dots), pixels=True), beside)
    title = f"Accuracy against cost {where} · {title}"
    description = (
        f"Mean {words} with its 95 % t interval against the trainings that finding the ticket and training it took, in "
        f"lengths T of the recipe, on a logarithmic axis: {len(found)} methods {where}, those without that density at "
        "their own. Methods of one cost stand side by side about it. Up is better, left is cheaper. Names on the right "
        "stand in the order of accuracy."
    )
    drawn = Panel(panel.width, panel.height, x, y, layers, texts)
    table = Table(
        title, ("method", "in all, T", f"{words}, %"),
        tuple((method, number(spent), str(spread)) for method, spent, _, spread in found),
        (False, True, True), dataset=task.dataset, methods=tuple(method for method, _, _, _ in found),
    )  # fmt: skip
    return [Chart(name, title, description, draw([drawn], Margins(right=NARROW), title, description), table)]


def _roomy(axis: Axis, room: float) -> Axis:
    """The log axis with so many pixels more on both sides."""
    factor = (axis.high / axis.low) ** (room / (_WIDTH - 2 * room))
    return replace(axis, low=axis.low / factor, high=axis.high * factor)


def _beside(places: Sequence[float], step: float) -> list[float]:
    """Pixels of points, those of one place side by side about it."""
    groups: dict[float, list[int]] = {}
    for i, place in enumerate(places):
        groups.setdefault(round(place, 1), []).append(i)
    shifted = list(places)
    for members in groups.values():
        for k, i in enumerate(members):
            shifted[i] = places[i] + (k - (len(members) - 1) / 2) * step
    return shifted
