"""A method's curve against the quartiles of the other methods."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.analysis.statistics.intervals import mean_interval
from prunebench.report.charts.axes import compressions, linear, times
from prunebench.report.charts.base import Chart, named
from prunebench.report.charts.drawing import draw
from prunebench.report.charts.keys import NARROW, keys
from prunebench.report.charts.panels import Layer, Margins, Panel, mark, point
from prunebench.report.field import Standing, field_table, rank_text, value_text

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prunebench.report.looks import Look

MOST = 6
"""Tasks that are drawn."""


def fields(prefix: str, found: Sequence[Standing], metric: str, looks: Mapping[str, Look]) -> list[Chart]:
    """A chart a task that has standings at two densities or more."""
    tasks: dict[str, list[Standing]] = {}
    for one in found:
        if one.density is not None and one.values:
            tasks.setdefault(one.task, []).append(one)
    drawn = [own for own in tasks.values() if len({one.density for one in own}) > 1]
    return [_chart(named(prefix, "field", str(n)), own, metric, looks) for n, own in enumerate(drawn[:MOST], 1)]


def _chart(name: str, found: Sequence[Standing], metric: str, looks: Mapping[str, Look]) -> Chart:
    at = sorted(((1 / one.density, one) for one in found if one.density), key=lambda pair: pair[0])
    words = metric.replace("_", " ")
    spreads = {id(one): _spread(one) for one in found}
    heights = [v for one in found for v in (*one.quartiles, *spreads[id(one)]) if v is not None]
    x, y = compressions("compression", [place for place, _ in at]), linear(f"{words}, %", heights)
    panel = Panel(440, 280, x, y, ())
    across = list({place: one.quartiles for place, one in at}.items())
    area = [
        mark(None, "middle half of the field", x=place, y=low, y2=high, fill="area", fillOpacity=0.6, i=0)
        for place, (low, _, high) in across
        if low is not None
    ]
    middle = [
        mark(None, "median of the field", x=place, y=half, stroke="muted", strokeDash=[4, 3], i=0)
        for place, (_, half, _) in across
        if half is not None
    ]
    lines, dots, bars, ends = [], [], [], []
    for method in dict.fromkeys(one.method for one in found):
        look = looks[method]
        own = [(place, one) for place, one in at if one.method == method]
        for place, one in own:
            low, high = spreads[id(one)]
            said = f"{method} at {times(place)}: {value_text(one)} %, rank {rank_text(one)}"
            lines.append(
                mark(look, method, x=place, y=one.mean, stroke=look.colour, strokeDash=list(look.dash) or [1, 0],
                     i=look.index)
            )  # fmt: skip
            bars.append(mark(look, "", x=place, x2=place, y=low, y2=high, stroke=look.colour, strokeWidth=1.2))
            dots.append(point(look, said, x=place, y=one.mean))
        ends.append((look, method, panel.place(x.high, own[-1][1].mean)[1]))
    beside, texts = keys(panel, ends)
    layers = (
        Layer("area", tuple(area)), Layer("line", tuple(middle)), Layer("line", tuple(lines)),
        Layer("rule", tuple(bars)), Layer("point", tuple(dots)), beside,
    )  # fmt: skip
    title = f"Against the field · {found[0].task}"
    description = (
        f"Mean {words} against compression on a logarithmic axis, with 95 % t intervals. "
        f"{'The band holds the middle half of the' if area else 'The dashed line is the median of the'} other methods' "
        f"means, controls left out{', and the dashed line is their median' if area else ''}: "
        f"{found[0].others} others."
    )
    drawn = Panel(panel.width, panel.height, x, y, layers, texts)
    return Chart(name, title, description, draw([drawn], Margins(right=NARROW), title, description),
                 field_table(found, metric))  # fmt: skip


def _spread(one: Standing) -> tuple[float, float]:
    half = mean_interval(one.values).half_width or 0.0
    return one.mean - half, one.mean + half
