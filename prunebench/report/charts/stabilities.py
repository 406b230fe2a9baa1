"""What pruning costs at once against what becomes of the network; contrasts over the fraction that is pruned."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING

from prunebench.analysis.boards.associations import configured, runs_of
from prunebench.analysis.boards.cells import NONE, digits, in_points, mean_text, measured, p_text
from prunebench.analysis.boards.columns import percent
from prunebench.analysis.boards.configurations import header
from prunebench.analysis.boards.contrasts import size_of
from prunebench.analysis.boards.grid import places
from prunebench.analysis.boards.turning import by_fraction, turning_point
from prunebench.analysis.statistics.association import FEWEST, association
from prunebench.analysis.statistics.intervals import Mean, mean_interval
from prunebench.analysis.tables import Table
from prunebench.records.facets import is_control
from prunebench.records.metrics import METRICS
from prunebench.report.charts.axes import linear, logarithmic
from prunebench.report.charts.base import Chart, named, noted
from prunebench.report.charts.drawing import draw
from prunebench.report.charts.keys import NARROW, keys
from prunebench.report.charts.panels import Axis, Layer, Margins, Panel, mark, point
from prunebench.report.looks import looks, looks_of, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prunebench.analysis.boards.grid import Place
    from prunebench.analysis.boards.pairs import Contrast
    from prunebench.analysis.results import Results
    from prunebench.analysis.tradeoff import Cells
    from prunebench.records.presentation import Presentation
    from prunebench.report.looks import Look

MOST = 6
"""Places, or tasks, that have charts."""
_OUTCOMES = 2
"""Metrics that the first is drawn against."""
_LINES = 14
_WIDE = 50.0
"""A metric whose means are all positive and lie further apart has a logarithmic axis."""


def associations(suite: str, presentation: Presentation, results: Results) -> list[Chart]:
    """The first x against the first y's, for places with as many configurations as decide anything."""
    asked = presentation.association
    assert asked is not None, "the section needs [association]"
    every = looks(results)
    controls = cache(lambda method: is_control(method, asked.exclude))
    found: list[Chart] = []
    drawn = 0
    known = [place for place in places(suite, results) if place.density is not None]
    for place in known:
        if drawn == MOST:
            break
        cells = configured(place, asked, controls)
        if len(cells) < FEWEST:
            continue
        drawn += 1
        for y in asked.y[:_OUTCOMES]:
            name = named(suite, "association", str(drawn), y)
            found += _scatter(name, place, cells, (asked.x[0], y), every)
    return noted(found, MOST, len(known) if drawn == MOST else 0, "tasks and densities")


def _scatter(
    name: str, place: Place, cells: Mapping[str, Cells], pair: tuple[str, str], every: Mapping[str, Look]
) -> list[Chart]:
    runs = {method: clusters[0] for method, own in cells.items() if (clusters := runs_of([own], *pair))}
    if len(runs) < FEWEST:
        return []
    means = {
        method: (mean_interval([a for a, _ in own]), mean_interval([b for _, b in own])) for method, own in runs.items()
    }
    x = _scale(pair[0], [of_x for of_x, _ in means.values()])
    y = _scale(pair[1], [of_y for _, of_y in means.values()])
    panel = Panel(440, max(320.0, 14.0 * len(means)), x, y, ())
    bars, dots, ends, rows = [], [], [], []
    sizes = tuple(digits(metric) for metric in pair)
    for method in sorted(means, key=lambda one: (means[one][0].value, one)):
        look, (of_x, of_y) = every[method], means[method]
        texts = [mean_text([v[i] for v in runs[method]], sizes[i]) for i in (0, 1)]
        style = {"stroke": look.colour, "opacity": 0.45}
        for axis, mean, other in ((x, of_x, of_y), (y, of_y, of_x)):
            low, high = _ends(axis, mean)
            at = other.value
            places_ = (
                {"x": low, "x2": high, "y": at, "y2": at} if axis is x else {"x": at, "x2": at, "y": low, "y2": high}
            )
            bars.append(mark(look, "", **places_, **style))
        words = f"{method}: {header(pair[0])} {texts[0]}, {header(pair[1])} {texts[1]}, n = {of_x.n}"
        dots.append(point(look, words, x=of_x.value, y=of_y.value, size=60))
        ends.append((look, method, panel.place(of_x.value, of_y.value)[1]))
        rows.append((method, *texts, str(of_x.n)))
    beside, labels = keys(panel, ends)
    found = association(list(runs.values()))
    told = found.reason
    if found.tau is not None:
        told = f"Kendall's τ {found.tau.value:.2f} [{found.tau.low:.2f}, {found.tau.high:.2f}], p {p_text(found.p)}"
    names = f"{header(pair[1])} against {header(pair[0])}"
    title = f"{names[0].upper()}{names[1:]} · {one_line(place.title)}"
    description = (
        f"{told}, over {len(means)} configurations. Each point is the mean of a configuration's runs, a method with "
        "its parameters, with its 95 % t intervals in both directions; controls are left out. Names on the right stand "
        f"in the order of {header(pair[1])}."
    )
    layers = (Layer("rule", tuple(bars)), Layer("point", tuple(dots)), beside)
    drawing = draw(
        [Panel(panel.width, panel.height, x, y, layers, labels)], Margins(left=60, right=NARROW), title, description
    )
    table = Table(
        f"{title} — {told}", ("configuration", header(pair[0]), header(pair[1]), "n"), tuple(rows),
        (False, True, True, True), dataset=place.dataset, methods=tuple(row[0] for row in rows),
    )  # fmt: skip
    return [Chart(name, title, description, drawing, table)]


def _scale(metric: str, means: Sequence[Mean]) -> Axis:
    """Holds all means, and intervals as far as they do not dwarf them."""
    values = [mean.value for mean in means]
    title, unit = header(metric), METRICS[metric].unit
    title = f"{title}, {'points' if unit == 'points' else unit}" if unit else title
    if min(values) > 0 and max(values) / min(values) > _WIDE:
        return logarithmic(title, values)
    room = max(max(values) - min(values), 1e-12)
    ends = [mean.value + sign * min(mean.half_width or 0.0, room / 2) for mean in means for sign in (-1, 1)]
    return linear(title, [*values, *ends])


def _ends(axis: Axis, mean: Mean) -> tuple[float, float]:
    half = mean.half_width or 0.0
    return max(mean.value - half, axis.low), min(mean.value + half, axis.high)


def turning(suite: str, presentation: Presentation, results: Results) -> list[Chart]:
    """The metric of the verdicts, a − b over the fraction pruned, for the first tasks."""
    assert presentation.verdicts is not None, "the section needs [verdicts]"
    every = looks(results)
    found: list[Chart] = []
    known = 0
    for place, metric, lines in by_fraction(suite, presentation, results):
        known += metric == presentation.verdicts.metric
        if metric == presentation.verdicts.metric and len(found) < MOST:
            margin = presentation.verdicts.margin_of(place.dataset)
            measured_ = {name: line for name, line in lines.items() if any(pair.pairs for pair in line.values())}
            name = named(suite, "turning", str(len(found) + 1))
            found.append(_lines(name, replace(place, density=None), metric, margin, measured_, every))
    return noted(found, MOST, known, "tasks")


def _lines(
    name: str, place: Place, metric: str, margin: float, lines: Mapping[str, Mapping[float, Contrast]],
    every: Mapping[str, Look],
) -> Chart:  # fmt: skip
    shown = dict(list(lines.items())[:_LINES])
    own = looks_of(shown)
    fractions = sorted({fraction for line in shown.values() for fraction in line})
    means = {
        text: {at: mean_interval(pair.differences) for at, pair in sorted(line.items()) if pair.pairs}
        for text, line in shown.items()
    }
    every_mean = [mean for line in means.values() for mean in line.values()]
    unit = "points of " if in_points(metric) else ""
    room = 0.06 * 100 * (fractions[-1] - fractions[0])
    x = Axis("weights pruned", 100 * fractions[0] - room, 100 * fractions[-1] + room,
             tuple((100 * fraction, percent(fraction)) for fraction in fractions))  # fmt: skip
    y = linear(f"a − b, {unit}{metric.replace('_', ' ')}",
               [-margin, margin, *(e for m in every_mean for e in (m.value - (m.half_width or 0) / 2,
                                                                   m.value + (m.half_width or 0) / 2))])  # fmt: skip
    panel = Panel(420, max(300.0, 14.0 * len(shown)), x, y, ())
    strokes, bars, dots, ends, rows = [], [], [], [], []
    size = size_of(metric, [pair for line in shown.values() for pair in line.values()])
    step = min(0.006 * (x.high - x.low), 1.6 * room / len(shown))
    for i, (text, line) in enumerate(means.items()):
        look = replace(own[text], index=every[next(iter(shown[text].values())).about].index)
        style = {"stroke": look.colour, "strokeDash": list(look.dash) or [1, 0], "i": i}
        aside = step * (i - (len(means) - 1) / 2)
        for fraction, mean in line.items():
            at, half = 100 * fraction + aside, mean.half_width or 0.0
            low, high = max(mean.value - half, y.low), min(mean.value + half, y.high)
            said = mean_text(shown[text][fraction].differences, size, signed=True)
            strokes.append(mark(look, text, x=at, y=mean.value, **style))
            bars.append(mark(look, "", x=at, x2=at, y=low, y2=high, stroke=look.colour, opacity=0.5))
            dots.append(point(look, f"{text} at {percent(fraction)}: {said}", x=at, y=mean.value))
        ends.append((look, text, panel.place(x.high, list(line.values())[-1].value)[1]))
        _, turn, n = turning_point(shown[text])
        differences = [
            mean_text(pair.differences, size, signed=True) if (pair := shown[text].get(f)) and pair.pairs else NONE
            for f in fractions
        ]
        rows.append((text, *differences, turn, str(n)))
    beside, labels = keys(panel, ends, 62)
    layers = (
        Layer("rect", (mark(None, "", x=x.low, x2=x.high, y=-margin, y2=margin, fill="area", fillOpacity=0.55),)),
        Layer("rule", (mark(None, "", x=x.low, x2=x.high, y=0, y2=0, stroke="ink"),)),
        Layer("rule", tuple(bars)), Layer("line", tuple(strokes)), Layer("point", tuple(dots)), beside,
    )  # fmt: skip
    title = f"Contrasts by fraction pruned · {one_line(place.title)}"
    left = len(lines) - len(shown)
    description = (
        f"Mean of a − b of {metric.replace('_', ' ')} over repetitions with its 95 % t interval, a line for each of "
        f"{len(shown)} contrasts, side by side where they stand at one fraction: above zero a is better. The shaded "
        f"band is the margin of ± {margin:g}. Names on the right stand in the order of the last differences."
        + (f" {left} more contrasts are in the table of turning points." if left else "")
    )
    whole = Panel(panel.width, panel.height, x, y, layers, labels)
    drawing = draw([whole], Margins(right=NARROW + 80), title, description)
    table = Table(
        f"{title} — {measured(metric)}", ("contrast", *(percent(f) for f in fractions), "turns at", "n"), tuple(rows),
        (False, *(True for _ in fractions), False, True), dataset=place.dataset,
        methods=tuple(next(iter(shown[text].values())).about for text in means),
    )  # fmt: skip
    return Chart(name, title, description, drawing, table)
