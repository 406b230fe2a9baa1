"""Where training moves the squares of weights: the slope over layers, epoch by epoch."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from prunebench.analysis.boards.grid import places
from prunebench.analysis.statistics.intervals import mean_interval
from prunebench.analysis.tables import Table
from prunebench.analysis.tradeoff import DENSE
from prunebench.report.charts.axes import linear
from prunebench.report.charts.base import Chart, named, noted
from prunebench.report.charts.drawing import draw
from prunebench.report.charts.keys import NARROW, keys
from prunebench.report.charts.panels import Layer, Margins, Panel, mark
from prunebench.report.looks import looks, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prunebench.analysis.boards.grid import Place
    from prunebench.analysis.results import Results
    from prunebench.analysis.tradeoff import Cells
    from prunebench.records.presentation import Presentation
    from prunebench.report.looks import Look

MOST = 6
"""Tasks that have charts."""
_LAW = -1.0
_MOMENTS = 80
"""Of a line; of more, so many at equal distances."""

_Moment = tuple[float, float, float, int]
"""Epochs so far, mean slope, half its interval, number of the training."""


def drifts(suite: str, presentation: Presentation, results: Results) -> list[Chart]:  # noqa: ARG001
    """One chart for each of the first tasks with trainings that were followed."""
    groups: dict[tuple[str, str, str | None, str], list[Place]] = defaultdict(list)
    for place in places(suite, results):
        if place.recipe is not None:
            groups[place.task].append(place)
    every = looks(results)
    found: list[Chart] = []
    for group in groups.values():
        if len(found) == MOST:
            break
        lines = {
            (method, place.density): moments
            for place in group
            for (method, _), cells in place.cells.items()
            if (moments := _moments(cells, results))
        }
        if lines:
            place = replace(group[0], density=None)
            found.append(_chart(named(suite, "drift", str(len(found) + 1)), place, lines, every))
    return noted(found, MOST, len(groups) if len(found) == MOST else 0, "tasks")


def _moments(cells: Cells, results: Results) -> list[_Moment]:
    """Mean over repetitions moment by moment, those of the shortest."""
    runs = []
    for _, record in sorted(cells.records.items()):
        series = results.series(record) if record is not None and record.status == "ok" else {}
        if series.get("drift_slope"):
            runs.append(series)
    if not runs:
        return []
    shortest = min(runs, key=lambda series: len(series["drift_slope"]))
    found = []
    for i, (epoch, training) in enumerate(zip(shortest["drift_epoch"], shortest["drift_training"], strict=True)):
        values = [series["drift_slope"][i] for series in runs if series["drift_slope"][i] is not None]
        if values:
            mean = mean_interval(values)
            found.append((epoch, mean.value, mean.half_width or 0.0, training))
    return found


def _thinned(moments: Sequence[_Moment]) -> list[_Moment]:
    """Begin and end of every training, and others at equal distances."""
    if len(moments) <= _MOMENTS:
        return list(moments)
    stride = -(-len(moments) // _MOMENTS)
    last = len(moments) - 1
    return [
        moment for i, moment in enumerate(moments)
        if i % stride == 0 or i == last or moment[3] != moments[i + 1][3] or (i and moment[3] != moments[i - 1][3])
    ]  # fmt: skip


def _chart(
    name: str, place: Place, lines: Mapping[tuple[str, float | None], Sequence[_Moment]], every: Mapping[str, Look]
) -> Chart:
    drawn = {key: _thinned(moments) for key, moments in lines.items()}
    longest = max(moment[0] for moments in drawn.values() for moment in moments)
    x = linear("epochs, of all trainings one after the other", [0.0, longest], most=8)
    y = linear("slope of mean w² over layer size", [_LAW, *(m[1] for moments in drawn.values() for m in moments)])
    panel = Panel(440, max(300.0, 14.0 * len(lines)), x, y, ())
    strokes, bars, ends = [], [], []
    for place_, ((method, density), moments) in enumerate(drawn.items()):
        look = every[method]
        text = _named(method, density)
        style = {"stroke": look.colour, "strokeDash": list(look.dash) or [1, 0], "strokeWidth": 1.5}
        for at, slope, _, training in moments:
            strokes.append(mark(look, text, x=at, y=slope, **style, i=f"{place_} {training}"))
        at, slope, half, _ = moments[-1]
        ends.append((look, text, panel.place(at, slope)[1]))
        if half:
            low, high = (min(max(edge, y.low), y.high) for edge in (slope - half, slope + half))
            bars.append(mark(look, "", x=at, x2=at, y=low, y2=high, stroke=look.colour, opacity=0.7))
    beside, texts = keys(panel, ends)
    law = mark(None, "inverse-size law", x=x.low, x2=x.high, y=_LAW, y2=_LAW, stroke="ink", strokeDash=[5, 4])
    layers = (Layer("rule", (law, *bars)), Layer("line", tuple(strokes)), beside)
    title = f"Slope of w² while training · {one_line(place.title)}"
    description = (
        f"Slope of log mean w² of a layer against log size over epochs, mean over repetitions, of {len(lines)} "
        "configurations; trainings of one method follow each other, a line each, and a weight that is pruned is 0. "
        "Bars at the ends are 95 % t intervals. The dashed line at −1 is the inverse-size law of a conserved score. "
        "Names on the right stand in the order of the last slope."
    )
    drawing = draw([Panel(panel.width, panel.height, x, y, layers, texts)], Margins(right=NARROW), title, description)
    rows = tuple(
        (_named(*key), str(training), f"{at:g}", f"{slope:.3f} ± {half:.3f}")
        for key, moments in drawn.items() for at, slope, half, training in moments
    )  # fmt: skip
    table = Table(
        title, ("method", "training", "epochs so far", "slope"), rows, (False, True, True, True), dataset=place.dataset,
        methods=tuple(method for (method, _), moments in drawn.items() for _ in moments),
    )  # fmt: skip
    return Chart(name, title, description, drawing, table)


def _named(method: str, density: float | None) -> str:
    return method if density is None or method == DENSE else f"{method} · density {density:g}"
