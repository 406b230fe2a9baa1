"""Curves and cost: marks stand where the numbers are, and the numbers are those of the boards."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest
from scipy import stats

from prunebench.analysis.boards.curves import curves as board
from prunebench.report.charts.tradeoffs import curves
from prunebench.report.looks import looks
from tests.analysis.recorded import grid, presentation, record, results, row
from tests.report.charts.seen import across, down, elements, points, titled

DENSE = grid("dense", {None: [70.0, 72.0, 71.0]})
SNIP = grid("snip", {0.5: [69.0, 70.0, 71.0], 0.25: [60.0, 66.0, 63.0], 0.125: [40.0, 44.0, 42.0]})
RANDOM = grid("random", {0.5: [60.0, 61.0, 62.0], 0.25: [50.0, 51.0, 52.0], 0.125: [20.0, 30.0, 25.0]})


def drawn(records, density=0.25, **more):
    return curves("tradeoff", presentation(1, 8, density=density), results(records, **more))


def test_points_stand_at_their_compression_and_mean():
    curve, _ = drawn([*DENSE, *SNIP, *RANDOM])
    x = across(curve.svg, ("2×", 2), ("8×", 8), log=True)
    y = down(curve.svg, ("20", 20), ("60", 60))
    for compression, mean in ((2, 70.0), (4, 63.0), (8, 42.0)):
        (seen,) = points(curve.svg, f"snip at {compression}×: ")
        assert (seen.x, seen.y) == pytest.approx((x(compression), y(mean)), abs=0.7)


def test_a_mark_says_mean_interval_and_how_many():
    curve, _ = drawn([*DENSE, *SNIP, *RANDOM])
    half = stats.t.ppf(0.975, 2) * stats.sem([60.0, 66.0, 63.0])
    (seen,) = points(curve.svg, "snip at 4×")
    assert seen.title == f"snip at 4×: 63.00 ± {half:.2f} %, n = 3"


def test_bands_reach_from_end_to_end_of_the_interval():
    curve, _ = drawn([*DENSE, *SNIP, *RANDOM])
    y = down(curve.svg, ("20", 20), ("60", 60))
    half = stats.t.ppf(0.975, 2) * stats.sem([69.0, 70.0, 71.0])
    (band,) = [one for one in titled(curve.svg, "snip") if "fill-opacity" in one.attributes]
    first = [float(number.split(",")[1].rstrip("Z")) for number in band.d.lstrip("M").split("L")]
    assert first[0] == pytest.approx(y(70 + half), abs=0.7) or first[0] == pytest.approx(y(70 - half), abs=0.7)
    assert first[-1] == pytest.approx(y(70 - half), abs=0.7) or first[-1] == pytest.approx(y(70 + half), abs=0.7)


def test_the_table_has_the_numbers_of_the_board():
    found = [*DENSE, *SNIP, *RANDOM]
    curve, cost = drawn(found)
    shown = presentation(1, 8, density=0.25)
    accuracy, controls = board("tradeoff", shown, results(found))[:2]
    by_method = {line[0]: dict(zip(accuracy.headers, line, strict=True)) for line in accuracy.rows}
    drawn_by = {line[0]: dict(zip(curve.table.headers, line, strict=True)) for line in curve.table.rows}
    for method in ("snip", "random"):
        for header, compression in (("50 %", "2×"), ("25 %", "4×"), ("12.5 %", "8×")):
            assert drawn_by[method][compression] == f"{by_method[method][header]} %, n = 3"
        assert drawn_by[method]["front at"] == by_method[method]["front"]
    spent = {line[0]: line[controls.headers.index("in all, T")] for line in controls.rows}
    assert {line[0]: line[1] for line in cost.table.rows} == spent


def test_the_dense_network_is_a_line_across():
    curve, _ = drawn([*DENSE, *SNIP])
    (line,) = [one for one in titled(curve.svg, "dense: 71.00 ± ") if "s-ink" in one.classes]
    start, end = (part.split(",") for part in line.d.lstrip("M").split("L"))
    assert start[1] == end[1]
    assert float(start[1]) == pytest.approx(down(curve.svg, ("40", 40), ("70", 70))(71.0), abs=0.7)
    assert (float(start[0]), float(end[0])) == (52, 492)


def test_networks_without_a_path_are_crosses_at_chance():
    dead = [
        record(row("magnitude", 0.125, n), 10.0, has_path=0.0) for n in range(2)
    ] + [record(row("magnitude", 0.125, 2), 40.0)]  # fmt: skip
    alive = grid("magnitude", {0.5: [60.0, 61.0, 62.0]})
    curve, _ = drawn([*DENSE, *SNIP, *alive, *dead])
    crosses = [one for one in points(curve.svg, "magnitude at 8×") if "f-m0" not in one.classes]
    (cross,) = [one for one in crosses if "s-paper" not in one.classes]
    y = down(curve.svg, ("20", 20), ("60", 60))
    assert cross.y == pytest.approx(y(10.0), abs=0.7)
    assert cross.title.endswith("40.00 %, n = 1, 2 of 3 collapsed")
    assert "Crosses at chance, 10 %" in curve.description
    assert "Crosses" not in drawn([*DENSE, *SNIP])[0].description


def test_a_line_goes_down_to_chance_where_all_networks_are_dead():
    dead = [record(row("magnitude", 0.125, n), 9.0, has_path=0.0) for n in range(3)]
    curve, _ = drawn([*DENSE, *grid("magnitude", {0.5: [60.0, 61.0, 62.0]}), *dead])
    (line,) = [
        one for one in titled(curve.svg, "magnitude") if one.d.count("L") == 1 and "fill-opacity" not in one.attributes
    ]
    end = float(line.d.rsplit(",", 1)[1])
    assert end == pytest.approx(down(curve.svg, ("20", 20), ("60", 60))(10.0), abs=0.7)


def test_the_front_has_rings():
    curve, _ = drawn([*DENSE, *SNIP, *RANDOM])
    assert {one.title for one in elements(curve.svg) if "on the front" in one.title} == {
        f"snip: on the front at {compression}×" for compression in (2, 4, 8)
    }


def test_ten_methods_are_drawn_in_full_and_the_others_faintly():
    many = [
        found for i in range(13) for found in grid(f"m{i:02}", {0.5: [70.0 - i] * 2, 0.125: [50.0 - i] * 2})
    ]  # fmt: skip
    curve, _ = drawn([*DENSE, *many], density=0.5)
    lines = [one for one in elements(curve.svg) if one.tag == "path" and one.title.startswith("m") and "stroke-width" in
             one.attributes and "transform" not in one.attributes]  # fmt: skip
    faint = {one.title for one in lines if "opacity" in one.attributes}
    assert faint == {"m10", "m11", "m12"}
    assert "10 methods with the largest area" in curve.description
    labels = [one for one in elements(curve.svg) if one.tag == "text" and one.method]
    heights = sorted(one.y for one in labels)
    assert len(labels) == 14
    assert min(b - a for a, b in pairwise(heights)) >= 12.9


def test_all_marks_of_a_method_have_its_number():
    found = [*DENSE, *SNIP, *RANDOM]
    number = looks(results(found))["snip"].index
    for chart in drawn(found):
        own = titled(chart.svg, "snip")
        assert own
        assert {one.method for one in own} == {str(number)}


def test_cost_stands_at_its_trainings_and_equal_costs_side_by_side():
    slow = grid("lottery", {0.25: [65.0, 66.0, 67.0]}, metrics={"trainings": 10.0})
    _, cost = drawn([*DENSE, *SNIP, *RANDOM, *slow])
    x, y = across(cost.svg, ("1 T", 1), ("10 T", 10), log=True), down(cost.svg, ("50", 50), ("70", 70))
    (seen,) = points(cost.svg, "lottery: ")
    assert (seen.x, seen.y) == pytest.approx((x(10), y(66.0)), abs=0.7)
    cheap = [points(cost.svg, f"{method}: ")[0] for method in ("dense", "snip", "random")]
    assert sum(one.x for one in cheap) / 3 == pytest.approx(x(1), abs=0.7)
    assert sorted(round(one.x - x(1)) for one in cheap) == [-8, 0, 8]


HOSTILE = [
    "<script>alert(1)</script>", 'a"b\'c&d', "x" * 200, "two\nlines", "שיטה ערבי عربي", "nul\x00\u202e", "]]>", "␟5␟",
]  # fmt: skip


def test_hostile_names_are_text():
    found = [one for name in HOSTILE for one in grid(name, {0.5: [60.0, 61.0], 0.125: [40.0, 41.0]})]
    for chart in drawn([*DENSE, *found], density=0.5):
        ET.fromstring(chart.svg)
        assert "<script" not in chart.svg
        labels = [one for one in elements(chart.svg) if one.tag == "text" and one.method]
        assert len(labels) == len(HOSTILE) + 1
        assert all(len(one.text) <= 46 for one in labels)
        assert any(one.title.startswith("<script>alert(1)</script>") for one in elements(chart.svg))
        assert any(one.title.startswith("x" * 200) for one in elements(chart.svg))


def test_one_method_with_one_point_has_a_chart():
    curve, cost = drawn([record(row("snip", 0.25), 60.0)])
    assert points(curve.svg, "snip at 4×: 60.00 %, n = 1")
    assert points(cost.svg, "snip: 60.00 %")


@pytest.mark.parametrize(
    "records",
    [
        [],
        [record(row("snip", 0.25), None, status="failed")],
        [record(row("snip", 0.25), None)],
        grid("dense", {None: [70.0]}),
    ],
    ids=["nothing", "failed", "skipped", "dense alone"],
)
def test_nothing_to_draw_is_no_curve(records):
    assert not [chart for chart in drawn(records, unfinished=[row("snip", 0.5)]) if "curve" in chart.name]


def test_twelve_tasks_have_charts_and_names_are_unique():
    found = [one for i in range(14) for one in grid("snip", {0.5: [60.0], 0.25: [50.0]}, model=f"mlp-{i}")]
    charts = drawn(found)
    assert len(charts) == 24
    assert len({chart.name for chart in charts}) == 24
    assert all(len(chart.svg) < 120_000 for chart in charts)
    assert all(chart.description.endswith("Only the first 12 of 14 tasks have charts.") for chart in charts)
