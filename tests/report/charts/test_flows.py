"""Units in against out, layers by size."""

from __future__ import annotations

import math
import re

import pytest

from prunebench.report.charts.flows import flows
from tests.analysis.boards.flow_records import Made, presentation, row
from tests.report.charts.seen import across, down, elements, points, titled

IN, OUT = [1.0, 0.1, 0.01, -0.2], [1.0, 0.05, 0.0, -0.2]
SIZES, TOTALS = [100, 1000, 10], [5.0, 5.0, 5.0]


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path)


def add(made, method="synflow", *, arm="flow", entering=IN, leaving=OUT, sizes=SIZES, totals=TOTALS, slope=-1.0, **at):
    made.add(
        row(method, arm, **at),
        series={"unit_in": entering, "unit_out": leaving, "layer": ["a"] * len(sizes), "layer_size": sizes,
                "layer_total": totals},
        unit_residual=0.25, size_slope=slope,
    )  # fmt: skip


def drawn(made):
    return flows("conservation", presentation(), made.results())


def dots(chart, colour):
    (merged,) = [one for one in elements(chart.svg) if f"s-{colour}" in one.classes and "h0" in one.d]
    return [tuple(map(float, pair)) for pair in re.findall(r"M([-\d.]+),([-\d.]+)h0", merged.d)]


def test_units_stand_where_in_and_out_meet_on_signed_log_axes(made):
    add(made)
    units, _ = drawn(made)

    def level(value):
        return math.copysign(math.log(1 + abs(value) / 0.001), value)

    x, y = across(units.svg, ("0", 0), ("1", level(1))), down(units.svg, ("0", 0), ("1", level(1)))
    expected = [(x(level(a)), y(level(b))) for a, b in zip(IN, OUT, strict=True)]
    for seen, own in zip(dots(units, "m0"), expected, strict=True):
        assert seen == pytest.approx(own, abs=1.0)


def test_units_and_their_numbers_are_those_of_a_method(made):
    add(made)
    add(made, "snip", entering=[1.0], leaving=[1.0])
    units, _ = drawn(made)
    owners = {one.classes[0]: one.method for one in elements(units.svg) if "h0" in one.d}
    assert owners == {"s-m0": "0", "s-m1": "1"}
    assert {line[0].split(" ")[0] for line in units.table.rows} == {"snip", "synflow"}
    assert [line[0].split(" ")[0] for line in units.table.rows] == list(units.table.methods)
    (law,) = [one for one in elements(units.svg) if one.attributes.get("stroke-dasharray") == "4,3"]
    assert law.method is None


def test_totals_are_shares_of_the_largest(made):
    add(made)
    add(made, "snip", entering=[v * 1e6 for v in IN], leaving=[v * 1e6 for v in OUT])
    units, _ = drawn(made)
    a, b = dots(units, "m0"), dots(units, "m1")
    shift = b[0][0] - a[0][0]
    for (ax, ay), (bx, by) in zip(a, b, strict=True):
        assert (bx - ax, by - ay) == pytest.approx((shift, 0), abs=0.2)


def test_the_line_of_equal_flow_goes_through_the_corners(made):
    add(made)
    units, _ = drawn(made)
    (line,) = [one for one in elements(units.svg) if one.attributes.get("stroke-dasharray") == "4,3"]
    numbers = [float(n) for n in re.findall(r"[-\d.]+", line.d)]
    assert abs(numbers[2] - numbers[0]) == pytest.approx(120)
    assert abs(numbers[3] - numbers[1]) == pytest.approx(120)


def test_many_units_are_drawn_at_equal_distances(made):
    add(made, entering=[float(i + 1) for i in range(1000)], leaving=[1.0] * 1000)
    units, _ = drawn(made)
    assert len(dots(units, "m0")) == 150
    assert "of up to 1000 units 150 at equal distances are drawn" in units.description
    assert [units.table.rows[i][1] for i in (0, -1)] == ["1", "1000"]


def test_layers_stand_at_size_and_relative_mean(made):
    add(made)
    _, sizes = drawn(made)
    x = across(sizes.svg, ("10", 10), ("1000", 1000), log=True)
    y = down(sizes.svg, ("0.1", 0.1), ("10", 10), log=True)
    for size in SIZES:
        (seen,) = points(sizes.svg, f"synflow · flow: layer of {size} weights")
        assert (seen.x, seen.y) == pytest.approx((x(size), y(100 / size)), abs=0.8)


def test_equal_totals_lie_on_the_law(made):
    add(made)
    _, sizes = drawn(made)
    (law,), (fit,) = titled(sizes.svg, "slope −1"), titled(sizes.svg, "synflow · flow: slope -1.00")
    a, b, c, d = (float(n) for n in re.findall(r"[-\d.]+", law.d))
    e, f, g, h = (float(n) for n in re.findall(r"[-\d.]+", fit.d))
    assert (d - b) / (c - a) == pytest.approx((h - f) / (g - e), abs=0.01)
    assert f == pytest.approx(b + (d - b) / (c - a) * (e - a), abs=0.5)


def test_the_first_arm_of_a_method_is_drawn(made):
    add(made)
    add(made, arm="flow(count=all)", entering=[5.0], leaving=[5.0])
    units, _ = drawn(made)
    assert {line[0] for line in units.table.rows} == {"synflow · flow"}


def test_what_has_no_score_is_left_out(made):
    add(made, entering=[0.0], leaving=[0.0], totals=[0.0, 0.0, 0.0])
    assert drawn(made) == []
    made.add(row("snip", "flow"), status="skipped", reason="none")
    assert drawn(made) == []


def test_six_tasks_have_charts(made):
    for i in range(9):
        add(made, model=f"mlp-{i}")
    charts = drawn(made)
    assert len({chart.name for chart in charts}) == len(charts) == 12
