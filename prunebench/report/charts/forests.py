"""What each arm costs: paired differences with their intervals, beside the margin of what is of no interest."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import digits, in_points, measured, spread_text
from prunebench.analysis.boards.grid import NOT_YET
from prunebench.analysis.boards.pairs import families
from prunebench.analysis.boards.verdicts import said_of
from prunebench.analysis.tables import Table
from prunebench.report.charts.axes import linear
from prunebench.report.charts.base import Chart, named, noted
from prunebench.report.charts.drawing import draw
from prunebench.report.charts.panels import SMALL, Axis, Label, Layer, Margins, Panel, mark, point
from prunebench.report.looks import looks, one_line, shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prunebench.analysis.boards.pairs import Contrast, Family
    from prunebench.analysis.results import Results
    from prunebench.analysis.statistics.verdicts import Text, Verdict
    from prunebench.records.presentation import Presentation
    from prunebench.report.looks import Look

    Judged = tuple[Contrast, Verdict]

MOST = 12
"""Charts of a suite."""
_ROWS = 44
"""Of a chart, but for a method that has more arms."""
_ROW, _WIDTH = 15.0, 360.0
_NAMES, _VERDICTS = 224.0, 276.0
_SHAPES: Mapping[Text, tuple[str, bool]] = {
    "does not depend": ("circle", True),
    "does not depend (identical mask)": ("square", True),
    "immaterial": ("diamond", True),
    "depends": ("triangle-up", True),
    "depends, size unsettled": ("triangle-up", False),
    "cannot tell": ("circle", False),
}
"""Of every verdict, and whether it is filled: what is established is."""


def verdicts(suite: str, presentation: Presentation, results: Results) -> list[Chart]:
    """Forest plots of every task and density, as many methods in one as are legible; the first so many."""
    every = looks(results)
    found: list[Chart] = []
    known = 0
    for place, family in enumerate(families(suite, presentation, results), 1):
        judged = [one for one in family.judged.values() if one[0].absent != NOT_YET]
        parts = _parts(judged)
        known += len(parts)
        for i, part in enumerate(parts, 1):
            if len(found) < MOST:
                of = f" ({i} of {len(parts)})" if len(parts) > 1 else ""
                found.append(
                    _forest(
                        named(suite, "verdicts", str(place), str(i)), of, family, part, _across(family, judged), every
                    )
                )
    return noted(found, MOST, known, "parts")


def _parts(judged: Sequence[Judged]) -> list[list[Judged]]:
    """Comparisons chart by chart, those of a method together."""
    methods: dict[str, list[Judged]] = {}
    for one in judged:
        methods.setdefault(one[0].method, []).append(one)
    parts: list[list[Judged]] = []
    for own in methods.values():
        if not parts or len(parts[-1]) + len(own) > _ROWS:
            parts.append([])
        parts[-1] += own
    return parts


def _forest(name: str, of: str, family: Family, part: Sequence[Judged], x: Axis, every: Mapping[str, Look]) -> Chart:
    lines = _lines(part)
    y = Axis("", len(lines), 0)
    panel = Panel(_WIDTH, _ROW * len(lines), x, y, ())
    bars, caps, dots, labels = [], [], [], []
    size = digits(family.metric)
    for row, line in enumerate(lines):
        height = row + 0.5
        at = height * _ROW
        if isinstance(line, str):
            look = every[line]
            labels.append(Label(-_NAMES + 8, at, shortened(line, 34), line, look.index, bold=True))
            continue
        contrast, verdict = line
        look = every[contrast.method]
        said = said_of(contrast, verdict, size)
        arm = contrast.arm + (f" vs {contrast.reference}" if contrast.reference else "")
        labels.append(Label(-_NAMES + 20, at, shortened(arm, 38), contrast.name, look.index, size=SMALL))
        labels.append(Label(_WIDTH + 10, at, shortened(said, 58), said, look.index, size=SMALL))
        if verdict.mean is None:
            continue
        for interval, wide in ((verdict.interval95, 1.0), (verdict.interval90, 3.0)):
            if interval is not None:
                low, high = (min(max(edge, x.low), x.high) for edge in interval)
                bars.append(mark(look, "", x=low, x2=high, y=height, y2=height, stroke=look.colour, strokeWidth=wide))
                ends = ((x.low, interval[0] < x.low, "triangle-left"), (x.high, interval[1] > x.high, "triangle-right"))
                caps += [
                    mark(look, "", x=end, y=height, shape=shape, fill=look.colour, size=28)
                    for end, beyond, shape in ends
                    if beyond
                ]
        shape, filled = _SHAPES[verdict.text]
        words = f"{contrast.name}: {spread_text(verdict.mean, verdict.interval90, size)}, n = {contrast.n}, {said}"
        dots.append(
            point(look, words, x=min(max(verdict.mean, x.low), x.high), y=height, shape=shape, size=56,
                  fill=look.colour if filled else "paper", stroke="paper" if filled else look.colour,
                  strokeWidth=0.8 if filled else 1.6)
        )  # fmt: skip
    margin = family.margin
    layers = (
        Layer("rect", (mark(None, "", x=-margin, x2=margin, y=0, y2=len(lines), fill="area", fillOpacity=0.55),)),
        Layer("rule", (
            mark(None, "", x=0, x2=0, y=0, y2=len(lines), stroke="ink", strokeWidth=1),
            *(mark(None, "", x=edge, x2=edge, y=0, y2=len(lines), stroke="muted", strokeWidth=1, strokeDash=[3, 3])
              for edge in (-margin, margin)),
        )),
        Layer("rule", tuple(bars)), Layer("point", tuple(caps)), Layer("point", tuple(dots)),
    )  # fmt: skip
    drawn = Panel(panel.width, panel.height, x, y, layers, tuple(labels))
    title = f"Differences by arm · {one_line(family.place.title)}{of}"
    description = _described(family, part, bool(caps))
    margins = Margins(left=_NAMES, right=_VERDICTS, bottom=46)
    return Chart(
        name, title, description, draw([drawn], margins, title, description), _table(title, family, part, size)
    )


def _lines(part: Sequence[Judged]) -> list[str | Judged]:
    """A method, then its arms."""
    lines: list[str | Judged] = []
    method = None
    for contrast, verdict in part:
        if contrast.method != method:
            method = contrast.method
            lines.append(method)
        lines.append((contrast, verdict))
    return lines


def _across(family: Family, judged: Sequence[Judged]) -> Axis:
    """Holds all means and the margin; an interval of two repetitions may be as wide as it likes."""
    means = [verdict.mean for _, verdict in judged if verdict.mean is not None]
    ends = [end for _, verdict in judged if verdict.interval90 is not None for end in verdict.interval90]
    room = 1.5 * max([2 * family.margin, *(abs(mean) for mean in means)])
    held = [min(max(end, -room), room) for end in ends]
    title = f"reference − arm, {'points of ' if in_points(family.metric) else ''}{family.metric.replace('_', ' ')}"
    return linear(title, [-1.5 * family.margin, 1.5 * family.margin, *means, *held])


def _described(family: Family, part: Sequence[Judged], cut: bool) -> str:
    parts = [
        f"Paired differences of {family.metric.replace('_', ' ')}, reference less arm: right of zero an arm costs. "
        f"{len(part)} comparisons, each with the mean of its pairs, its 90 % t interval (thick) and that of its test "
        "in the family (thin).",
        f"The shaded band is the margin of ± {family.margin:g}.",
        "Circles: does not depend (filled), cannot tell (open); squares: identical mask; diamonds: immaterial; "
        "triangles: depends (filled), of a size that is unsettled (open).",
        "Arrows: an interval goes on beyond the axis." if cut else "",
    ]
    return " ".join(one for one in parts if one)


def _table(title: str, family: Family, part: Sequence[Judged], size: int) -> Table:
    return Table(
        f"{title} — {measured(family.metric)}, margin ± {family.margin:g}",
        ("comparison", "difference 90%", "n", "verdict"),
        tuple(
            (contrast.name, spread_text(verdict.mean, verdict.interval90, size), contrast.n,
             said_of(contrast, verdict, size))
            for contrast, verdict in part
        ),
        (False, True, True, False), whole=True, dataset=family.place.dataset,
        methods=tuple(contrast.method for contrast, _ in part),
    )  # fmt: skip
