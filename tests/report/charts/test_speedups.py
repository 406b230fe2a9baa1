"""Accuracy over theoretical speedup: what weights cost where they are applied, which compression does not tell."""

from __future__ import annotations

import pytest

from prunebench.report.charts.tradeoffs import curves
from tests.analysis.recorded import grid, presentation, record, results, row
from tests.report.charts.seen import across, down, elements, points, titled

DENSE = grid("dense", {None: [70.0, 72.0]}, metrics={"macs": 1000, "kept_macs": 1000})


def method(name, kept, accuracies):
    """By density: kept of 1000 multiply-accumulates, and an accuracy a repetition."""
    return [
        one for density, macs in kept.items()
        for one in grid(name, {density: accuracies[density]}, metrics={"macs": 1000, "kept_macs": macs})
    ]  # fmt: skip


SNIP = method("snip", {0.5: 800, 0.25: 400}, {0.5: [69.0, 71.0], 0.25: [60.0, 64.0]})
RANDOM = method("random", {0.5: 500, 0.25: 250}, {0.5: [60.0, 62.0], 0.25: [50.0, 52.0]})
"""At half the weights as dear as snip is cheap, so that neither is ahead of the other."""


def drawn(records):
    charts = curves("tradeoff", presentation(1, 8, density=0.25), results(records))
    return [chart for chart in charts if "speedup" in chart.name]


def test_points_stand_at_what_is_saved_not_at_what_is_pruned():
    (chart,) = drawn([*DENSE, *SNIP, *RANDOM])
    x = across(chart.svg, ("2×", 2), ("4×", 4), log=True)
    y = down(chart.svg, ("50", 50), ("70", 70))
    for name, macs, density, mean in (
        ("snip", 800, "50 %", 70.0), ("snip", 400, "25 %", 62.0), ("random", 500, "50 %", 61.0),
        ("random", 250, "25 %", 51.0),
    ):  # fmt: skip
        (seen,) = [one for one in points(chart.svg, f"{name} at ") if f"at density {density}: " in one.title]
        assert (seen.x, seen.y) == pytest.approx((x(1000 / macs), y(mean)), abs=0.8)


def test_a_line_leads_through_the_densities_of_a_method():
    (chart,) = drawn([*DENSE, *SNIP])
    own = [one for one in elements(chart.svg) if one.title == "snip" and "s-m0" in one.classes]
    (line,) = [one for one in own if one.tag == "path"]
    assert line.d.count("L") == 1


def test_rings_stand_where_none_is_more_accurate_and_cheaper():
    """random at 1/2 costs 500 for 61 %, snip at 1/4 400 for 62 %: of the four that one is dominated."""
    (chart,) = drawn([*DENSE, *SNIP, *RANDOM])
    rings = {one.title for one in titled(chart.svg, "") if "on the front" in one.title}
    assert rings == {
        "snip: on the front at 1.25× fewer MACs at density 50 %",
        "snip: on the front at 2.5× fewer MACs at density 25 %",
        "random: on the front at 4× fewer MACs at density 25 %",
    }
    assert {line[:4] + line[-1:] for line in chart.table.rows} == {
        ("snip", "50 %", "800", "1.25×", "yes"), ("snip", "25 %", "400", "2.5×", "yes"),
        ("random", "50 %", "500", "2×", "–"), ("random", "25 %", "250", "4×", "yes"),
    }  # fmt: skip
    assert chart.table.methods == tuple(line[0] for line in chart.table.rows)


def test_what_has_a_hole_is_on_no_front():
    better = method("magnitude", {0.25: 200}, {0.25: [90.0, 91.0]})
    broken = record(row("magnitude", 0.25, 2), None, status="failed")
    (chart,) = drawn([*DENSE, *SNIP, *better, broken])
    assert {line[0]: line[-1] for line in chart.table.rows if line[0] == "magnitude"} == {"magnitude": "–"}
    assert {line[-1] for line in chart.table.rows if line[0] == "snip"} == {"yes"}


@pytest.mark.parametrize(("kept", "charts"), [(260.0, 0), (300.0, 1), (200.0, 1)])
def test_where_every_weight_is_applied_once_there_is_no_chart(kept, charts):
    """At a quarter of the weights 250 of 1000 would be the compression's own."""
    same = method("snip", {0.25: kept}, {0.25: [60.0, 61.0]})
    assert len(drawn([*DENSE, *same])) == charts


def test_a_network_without_a_path_has_no_point():
    dead = grid("magnitude", {0.25: [10.0, 10.0]}, metrics={"macs": 1000, "kept_macs": 0, "has_path": 0.0})
    (chart,) = drawn([*DENSE, *SNIP, *dead])
    assert not titled(chart.svg, "magnitude")
