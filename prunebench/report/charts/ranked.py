"""Methods ranked across tasks: a critical-difference diagram (Demšar 2006, JMLR 7:1, figure 1), a line a method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.analysis.boards.ranks import across_tasks
from prunebench.analysis.tables import Table
from prunebench.report.charts.base import Chart, named
from prunebench.report.charts.drawing import draw
from prunebench.report.charts.panels import SMALL, Axis, Label, Layer, Margins, Panel, mark, point
from prunebench.report.looks import looks, shortened

if TYPE_CHECKING:
    from prunebench.analysis.results import Results
    from prunebench.records.presentation import Presentation

_ROW, _WIDTH, _NAMES, _BAR = 16.0, 400.0, 196.0, 9.0


def ranks(suite: str, presentation: Presentation, results: Results) -> list[Chart]:
    """The diagram, from five tasks on."""
    ranked = across_tasks(suite, presentation, results)
    if isinstance(ranked, str):
        return []
    every = looks(results)
    means = ranked.found.mean_ranks
    order = sorted(range(len(means)), key=lambda i: (means[i], ranked.methods[i]))
    row_of = {i: row for row, i in enumerate(order)}
    count = len(order)
    x = Axis("mean rank by area, 1 is best", 0.8, count + 0.2, tuple((float(r), str(r)) for r in range(1, count + 1)))
    top = 2.0
    y = Axis("", count + top, 0)
    stems, dots, bars, labels = [], [], [], []
    for i in order:
        look, height = every[ranked.methods[i]], row_of[i] + top + 0.5
        stems.append(mark(look, "", x=x.low, x2=means[i], y=height, y2=height, stroke=look.colour, opacity=0.35))
        words = f"{ranked.methods[i]}: mean rank {means[i]:.2f}"
        dots.append(point(look, words, x=means[i], y=height, size=64))
        labels.append(
            Label(-10, height * _ROW, shortened(ranked.methods[i]), ranked.methods[i], look.index, align="right")
        )
        labels.append(Label(_WIDTH + 8, height * _ROW, f"{means[i]:.2f}", words, look.index, size=SMALL))
    cliques = ranked.found.cliques if ranked.told_apart else ()
    for place, members in enumerate(cliques):
        rows = [row_of[i] + top for i in members]
        across = _WIDTH + 44 + place * _BAR
        names = ", ".join(ranked.methods[i] for i in members)
        bars.append(
            mark(None, f"not told apart: {names}", x=across, x2=across, y=(min(rows) + 0.2) * _ROW,
                 y2=(max(rows) + 0.8) * _ROW, stroke="ink", strokeWidth=3)
        )  # fmt: skip
    difference = ranked.found.critical_difference
    end = min(1 + difference, x.high)
    ruler = [
        mark(None, f"critical difference {difference:.2f}", x=1, x2=end, y=1.2, y2=1.2, stroke="ink", strokeWidth=1.5),
        *(mark(None, "", x=at, x2=at, y=0.95, y2=1.45, stroke="ink", strokeWidth=1.5) for at in (1, end)),
    ]
    labels.append(Label(x.share(1) * _WIDTH, 0.4 * _ROW, f"critical difference {difference:.2f}", size=SMALL))
    title = "Ranks across tasks"
    description = f"Mean rank by area of {count} methods over {len(ranked.outcomes)} tasks, best on top. " + (
        "Bars on the right join methods that are less than Nemenyi's critical difference apart (5 % for all pairs "
        "together); its length is drawn above."
        if ranked.told_apart
        else "Friedman's test tells no methods apart."
    )
    layers = (
        Layer("rule", tuple(ruler)), Layer("rule", tuple(stems)), Layer("point", tuple(dots)),
        Layer("rule", tuple(bars), pixels=True),
    )  # fmt: skip
    panel = Panel(_WIDTH, (count + top) * _ROW, x, y, layers, tuple(labels))
    margins = Margins(left=_NAMES, right=56 + _BAR * max(len(cliques), 1))
    joined = {i: [str(p + 1) for p, members in enumerate(cliques) if i in members] for i in order}
    table = Table(
        f"{title} — critical difference {difference:.2f}", ("method", "mean rank", "bars"),
        tuple((ranked.methods[i], f"{means[i]:.2f}", ", ".join(joined[i])) for i in order), (False, True, False),
        methods=tuple(ranked.methods[i] for i in order),
    )  # fmt: skip
    return [Chart(named(suite, "ranks"), title, description, draw([panel], margins, title, description), table)]
