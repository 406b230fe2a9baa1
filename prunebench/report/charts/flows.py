"""Scores as flows: what enters units against what leaves them, and layers against their size."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE, number
from prunebench.analysis.boards.grid import places
from prunebench.analysis.boards.laws import residual_text, worst
from prunebench.analysis.tables import Table
from prunebench.report.charts.axes import logarithmic
from prunebench.report.charts.base import Chart, named, noted
from prunebench.report.charts.drawing import draw
from prunebench.report.charts.insets import draw_mosaic, mosaic
from prunebench.report.charts.keys import NARROW, keys
from prunebench.report.charts.panels import SMALL, Axis, Label, Layer, Margins, Panel, mark, point
from prunebench.report.looks import looks, one_line, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prunebench.analysis.boards.grid import Place
    from prunebench.analysis.results import Results
    from prunebench.records.presentation import Presentation
    from prunebench.report.looks import Look

MOST = 6
"""Tasks that have charts; all have tables."""
_PANELS = 15
_UNITS = 150
"""Of an inset; of more, so many at equal distances in the order of the network."""
_SIDE, _COLUMNS = 120.0, 5
_TICKS = ((-1.0, "−1"), (-0.03, "−.03"), (0.0, "0"), (0.03, ".03"), (1.0, "1"))
_LINEAR = 1e-3
"""Share of the largest total below which the axes are linear."""


@dataclass(frozen=True)
class _Score:
    """One method measured in one way, of its first repetition that has units."""

    method: str
    name: str
    """With the arm where a method is shown in several."""
    entering: tuple[float, ...]
    leaving: tuple[float, ...]
    residual: float | None
    """The largest of all units and repetitions, as the table has it."""
    sizes: tuple[int, ...]
    means: tuple[float, ...]
    """|total| / size of each layer."""
    slope: float | None


def flows(suite: str, presentation: Presentation, results: Results) -> list[Chart]:  # noqa: ARG001
    """Two charts for each of the first tasks whose scores are measured."""
    every = looks(results)
    found: list[Chart] = []
    drawn = 0
    known = [place for place in places(suite, results) if place.recipe is None]
    for place in known:
        scores = _scores(place, results) if drawn < MOST else []
        if not scores:
            continue
        drawn += 1
        title = one_line(place.title)
        found += _units(named(suite, "units", str(drawn)), title, place, scores, every)
        found += _sizes(named(suite, "sizes", str(drawn)), title, place, scores, every)
    return noted(found, MOST, len(known) if drawn == MOST else 0, "tasks")


def _scores(place: Place, results: Results) -> list[_Score]:
    """Every method in the first way that it is measured in, in the order of the plan."""
    found: dict[str, _Score] = {}
    for (method, arm), cells in place.cells.items():
        good = [record for record in cells.records.values() if record is not None and record.status == "ok"]
        if method in found or not good:
            continue
        series = results.series(good[0])
        if "unit_in" not in series and "layer_total" not in series:
            continue
        sizes, totals = series.get("layer_size", []), series.get("layer_total", [])
        slopes = [value for record in good if (value := record.metrics.get("size_slope")) is not None]
        found[method] = _Score(
            method,
            f"{method} · {arm}" if arm else method,
            tuple(series.get("unit_in", [])),
            tuple(series.get("unit_out", [])),
            worst(good, "unit_residual"),
            tuple(sizes),
            tuple(abs(total) / size for total, size in zip(totals, sizes, strict=True)),
            sum(slopes) / len(slopes) if slopes else None,
        )
    return list(found.values())


def _units(name: str, title: str, place: Place, scores: Sequence[_Score], every: Mapping[str, Look]) -> list[Chart]:
    shown = [score for score in scores if any(score.entering) or any(score.leaving)][:_PANELS]
    if not shown:
        return []
    lowest = -1.3 if any(value < 0 for score in shown for value in (*score.entering, *score.leaving)) else -0.0004
    ticks = tuple((value, text) for value, text in _TICKS if value >= lowest)
    x = Axis("what enters a unit, as a share of the largest total of the method", lowest, 1.3, ticks, "symlog", _LINEAR)
    y = Axis("", lowest, 1.3, ticks, "symlog", _LINEAR)
    found = mosaic(len(shown), x, y, (_SIDE, _SIDE), _COLUMNS, (20.0, 34.0))
    lines, dots, labels = [], [], []
    for place_, score in zip(found.insets, shown, strict=True):
        look = every[score.method]
        inset = place_.of(look)
        lines.append(place_.rule(lowest, lowest, 1.3, 1.3, stroke="ink", opacity=0.6, strokeDash=[4, 3]))
        largest = max(abs(value) for value in (*score.entering, *score.leaving))
        for i in _sample(len(score.entering)):
            entering, leaving = score.entering[i] / largest, score.leaving[i] / largest
            dots.append(inset.dot(entering, leaving, stroke=look.colour, strokeWidth=3.2, opacity=0.75))
        words = f"{score.name}: largest residual {residual_text(score.residual)}, {len(score.entering)} units"
        labels.append(Label(inset.left, inset.top - 17, shortened(score.method, 23), words, look.index, size=SMALL))
        labels.append(
            Label(inset.left, inset.top - 6, f"max residual {residual_text(score.residual)}", words, look.index,
                  token="muted", size=9)
        )  # fmt: skip
    down = Label(-34, -32, "what leaves it ↑", size=SMALL)
    title = f"In against out of units · {title}"
    most = max(len(score.entering) for score in shown)
    left = len(scores) - len(shown)
    description = (
        "Score that enters a hidden unit against what leaves it, a point a unit, each as a share of the largest total "
        "of its method, on signed logarithmic axes (linear within a thousandth): on the dashed line as much leaves as "
        f"enters. {len(shown)} methods, each by its first arm in the first repetition"
        + (f"; of up to {most} units {_UNITS} at equal distances are drawn" if most > _UNITS else "")
        + (f". {left} without units that score, or beyond {_PANELS}, are in the tables" if left else "")
        + "."
    )
    layers = (Layer("rule", tuple(lines), pixels=True), Layer("dot", tuple(dots), pixels=True))
    margins = Margins(left=40, top=44, right=12, bottom=42)
    drawing = draw_mosaic(found, layers, [*labels, down], margins, title, description)
    rows = [
        (score.name, str(i + 1), f"{score.entering[i]:.4g}", f"{score.leaving[i]:.4g}")
        for score in shown
        for i in _sample(len(score.entering))
    ]
    table = Table(
        title, ("score", "unit", "in", "out"), tuple(rows), (False, True, True, True), dataset=place.dataset,
        methods=tuple(score.method for score in shown for _ in _sample(len(score.entering))),
    )  # fmt: skip
    return [Chart(name, title, description, drawing, table)]


def _sample(count: int) -> list[int]:
    """All places, or so many at equal distances, the first and the last among them."""
    if count <= _UNITS:
        return list(range(count))
    return [round(i * (count - 1) / (_UNITS - 1)) for i in range(_UNITS)]


def _sizes(name: str, title: str, place: Place, scores: Sequence[_Score], every: Mapping[str, Look]) -> list[Chart]:
    """Mean score of layers over their size, each method's over its own geometric mean."""
    lines = {
        score: [(size, mean) for size, mean in sorted(zip(score.sizes, score.means, strict=True)) if mean > 0]
        for score in scores
    }
    lines = {score: points for score, points in lines.items() if len({size for size, _ in points}) > 1}
    if not lines:
        return []
    scaled = {}
    for score, points in lines.items():
        centre = _middle([mean for _, mean in points])
        scaled[score] = [(size, mean / centre) for size, mean in points]
    sizes = [size for points in scaled.values() for size, _ in points]
    x = logarithmic("weights of the layer", sizes)
    y = logarithmic("mean score / geometric mean of the method's layers", [v for p in scaled.values() for _, v in p])
    panel = Panel(400, max(300.0, 14.0 * len(scaled)), x, y, ())
    strokes, dots, ends = [], [], []
    for score, points in scaled.items():
        look = every[score.method]
        dots += [
            point(look, f"{score.name}: layer of {size} weights, {value:.3g}", x=size, y=value)
            for size, value in points
        ]
        end = points[-1][1]
        if score.slope is not None:
            fitted = _fitted(score.slope, points, y)
            style = {"stroke": look.colour, "strokeDash": list(look.dash) or [1, 0], "opacity": 0.55, "i": look.index}
            words = f"{score.name}: slope {score.slope:.2f}"
            strokes += [mark(look, words, x=size, y=value, **style) for size, value in fitted]
            end = fitted[-1][1]
        ends.append((look, score.method, panel.place(points[-1][0], end)[1]))
    beside, texts = keys(panel, ends)
    law = _guide(x, y, _middle(sizes))
    layers = (Layer("rule", law), Layer("line", tuple(strokes)), Layer("point", tuple(dots)), beside)
    title = f"Mean score by layer size · {title}"
    description = (
        f"Mean score of every layer against its number of weights, both logarithmic, for {len(scaled)} methods, each "
        "by its first arm in the first repetition and over the geometric mean of its layers, with a line of its mean "
        "slope over repetitions. The dark dashed line has slope −1, the inverse-size law: all layers have one total. "
        "Names on the right stand in the order of the lines' ends."
    )
    drawing = draw(
        [Panel(panel.width, panel.height, x, y, layers, texts)], Margins(left=60, right=NARROW), title, description
    )
    rows = tuple(
        (score.name, number(size), f"{value:.4g}", NONE if score.slope is None else f"{score.slope:.2f}")
        for score, points in scaled.items() for size, value in points
    )  # fmt: skip
    table = Table(
        title, ("score", "weights", "mean score, relative", "slope"), rows, (False, True, True, True),
        dataset=place.dataset, methods=tuple(score.method for score, points in scaled.items() for _ in points),
    )  # fmt: skip
    return [Chart(name, title, description, drawing, table)]


def _middle(values: Sequence[float]) -> float:
    """The geometric mean."""
    return math.exp(sum(map(math.log, values)) / len(values))


def _fitted(slope: float, points: Sequence[tuple[float, float]], y: Axis) -> list[tuple[float, float]]:
    """Both ends of the line of that slope through the geometric means, inside the axis."""
    size, value = (_middle([point[i] for point in points]) for i in (0, 1))
    ends = []
    for at in (points[0][0], points[-1][0]):
        level = value * (at / size) ** slope
        if not y.low <= level <= y.high and slope:
            level = min(max(level, y.low), y.high)
            at = size * (level / value) ** (1 / slope)  # noqa: PLW2901
        ends.append((at, level))
    return ends


def _guide(x: Axis, y: Axis, middle: float) -> tuple[dict[str, object], ...]:
    """Slope −1 through 1 at the middle size, as far as there is room."""
    low, high = max(x.low, middle / y.high), min(x.high, middle / y.low)
    if low >= high:
        return ()
    ends = {"x": low, "y": middle / low, "x2": high, "y2": middle / high}
    return (mark(None, "slope −1", **ends, stroke="ink", strokeDash=[5, 4], strokeWidth=1.4),)
