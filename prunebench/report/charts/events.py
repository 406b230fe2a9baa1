"""Accuracy while a network trains and is pruned: before and after every event."""

from __future__ import annotations

import math
from statistics import fmean
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE
from prunebench.analysis.boards.grid import places
from prunebench.analysis.tables import Table
from prunebench.analysis.tradeoff import DENSE, Cells
from prunebench.report.charts.axes import linear
from prunebench.report.charts.base import Chart, named, noted
from prunebench.report.charts.insets import draw_mosaic, mosaic
from prunebench.report.charts.panels import SMALL, Axis, Label, Layer, Margins
from prunebench.report.charts.trainings import END, epochs_of_recipe, runs_of, training_of
from prunebench.report.looks import looks, one_line, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prunebench.analysis.boards.grid import Place
    from prunebench.analysis.results import Results
    from prunebench.records.presentation import Presentation
    from prunebench.report.charts.trainings import Training
    from prunebench.report.looks import Look

MOST = 4
"""Places that have a chart."""
_FEWEST = 2
"""Methods below which there is nothing to compare."""
_PANELS = 12
_COLUMNS = 3
_SIZE = (212.0, 110.0)
_LONGER = 1.05
"""Lengths of the recipe from which a training is longer than that."""


def events(suite: str, presentation: Presentation, results: Results) -> list[Chart]:  # noqa: ARG001
    """One chart for each of the first places whose methods prune while they train."""
    every = looks(results)
    found: list[Chart] = []
    own = places(suite, results)
    for place in own:
        if len(found) == MOST:
            break
        runs = {method: runs_of(cells, results) for (method, arm), cells in place.cells.items() if arm is None}
        whole = _dense(place, own)
        length = epochs_of_recipe([run for known in (*runs.values(), runs_of(whole, results)) for run in known])
        made = [training_of(method, known, length) for method, known in runs.items()]
        trainings = [training for training in made if training is not None]
        if len(trainings) >= _FEWEST:
            accuracies = list(whole.values(END).values())
            dense = fmean(accuracies) if accuracies else None
            found.append(_chart(named(suite, "events", str(len(found) + 1)), place, trainings, dense, every))
    known = sum(place.density is not None for place in own) if len(found) == MOST else 0
    return noted(found, MOST, known, "tasks and densities")


def _dense(place: Place, every: Sequence[Place]) -> Cells:
    """The dense network of the task, nothing where there is none."""
    known = [other.of(DENSE, None) for other in every if other.task == place.task and (DENSE, None) in other.cells]
    return next((cells for cells in known if cells.values(END)), Cells(None, {}))


def _chart(
    name: str, place: Place, trainings: Sequence[Training], dense: float | None, every: Mapping[str, Look]
) -> Chart:
    ordered = sorted(trainings, key=lambda one: (-one.drop, one.method))
    shown = [ordered[i] for i in _chosen(len(ordered))]
    heights = [v for t in shown for v in (*t.before, *t.after, *([] if t.end is None else [t.end]))]
    heights += [accuracy for training in shown for _, accuracy in training.epochs]
    y = linear("", [*heights, *([] if dense is None else [dense])], unit=" %", most=3)
    x = _positions(max(1.0, *(place for t in shown for place in (t.spent, *t.positions))))
    found = mosaic(len(shown), x, y, _SIZE, _COLUMNS, (18.0, 36.0))
    lines, drops, dots, labels = [], [], [], []
    for place_, training in zip(found.insets, shown, strict=True):
        look = every[training.method]
        inset = place_.of(look)
        if dense is not None:
            lines.append(place_.rule(0, dense, x.high, dense, stroke="ink", strokeDash=[1, 3]))
        for (at, start), (stop, end) in training.segments():
            lines.append(inset.rule(at, start, stop, end, stroke=look.colour, strokeWidth=1.5))
        for at, before, after in zip(training.positions, training.before, training.after, strict=True):
            drops.append(inset.rule(at, before, at, after, stroke="ink", strokeWidth=2.2))
            dots += [inset.dot(at, value, stroke=look.colour, strokeWidth=3.4) for value in (before, after)]
        if training.end is not None:
            dots.append(inset.dot(training.spent, training.end, stroke=look.colour, strokeWidth=5))
        drop = f"drop {training.drop:.2f} points".replace("-", "−")
        words = f"{training.method}: mean drop {training.drop:.2f} points over {len(training.positions)} events"
        labels += [
            Label(inset.left, inset.top - 19, shortened(training.method, 42), words, look.index, size=SMALL),
            Label(inset.left, inset.top - 7, drop, words, look.index, "muted", size=9),
        ]
    title = f"Accuracy while pruning · {one_line(place.title)}"
    left = len(ordered) - len(shown)
    followed = (
        "follow the epochs" if all(t.epochs for t in shown) else "lead to what was measured next, events or epochs"
    )
    description = (
        f"Mean validation accuracy just before and just after every pruning event of {len(shown)} methods, joined by "
        f"upright strokes, those that lose most at once first; coloured lines {followed}. "
        + (
            "The point at 1 is the end of training"
            if x.high < _LONGER
            else "The last point is the end of training, 1 the length of the recipe"
        )
        + ("" if dense is None else ", the dotted line that of the dense network")
        + "."
        + (f" {left} of {len(ordered)} methods, at equal distances in that order, are left out." if left else "")
    )
    layers = (
        Layer("rule", tuple(lines), pixels=True), Layer("rule", tuple(drops), pixels=True),
        Layer("dot", tuple(dots), pixels=True),
    )  # fmt: skip
    drawing = draw_mosaic(found, layers, labels, Margins(left=46, top=34, right=14, bottom=42), title, description)
    rows = [
        (t.method, f"{at:.3g}", f"{before:.2f}", f"{after:.2f}", NONE if t.end is None else f"{t.end:.2f}", str(t.n))
        for t in shown for at, before, after in zip(t.positions, t.before, t.after, strict=True)
    ]  # fmt: skip
    table = Table(
        title, ("method", "at", "before, %", "after, %", "at the end, %", "n"), tuple(rows), (False, *(True,) * 5),
        dataset=place.dataset, methods=tuple(row[0] for row in rows),
    )  # fmt: skip
    return Chart(name, title, description, drawing, table)


def _positions(last: float) -> Axis:
    """From the begin of training to a position, in lengths of the recipe."""
    if last < _LONGER:
        ticks: tuple[tuple[float, str], ...] = ((0, "0"), (0.5, "½"), (1, "1"))
        return Axis("position in the training, as a share of its length", 0, 1.03, ticks)
    stride = math.ceil(last / 6)
    ticks = tuple((float(i), str(i)) for i in range(0, math.floor(last) + 1, stride))
    return Axis("position in the training, in lengths of the recipe", 0, 1.03 * last, ticks)


def _chosen(count: int) -> list[int]:
    """All places, or so many at equal distances, the first and the last among them."""
    if count <= _PANELS:
        return list(range(count))
    return [round(i * (count - 1) / (_PANELS - 1)) for i in range(_PANELS)]
