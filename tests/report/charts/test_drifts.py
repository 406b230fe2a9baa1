"""The slope of w² over epochs."""

from __future__ import annotations

import re

import pytest
from scipy import stats

from prunebench.report.charts.drifts import drifts
from tests.analysis.boards.flow_records import Made, presentation, row
from tests.report.charts.seen import across, down, titled


@pytest.fixture
def made(tmp_path):
    return Made(tmp_path)


def add(made, method, runs, *, epochs=(0.0, 1.0, 2.0), trainings=(0, 1, 1), density=0.1, **at):
    for n, slopes in enumerate(runs):
        series = {"drift_epoch": list(epochs), "drift_training": list(trainings), "drift_slope": list(slopes)}
        made.add(row(method, None, n, recipe="small-sgd", density=density, **at), series=series)


def drawn(made):
    return drifts("conservation", presentation(), made.results())


def corners(path):
    return [tuple(map(float, pair)) for pair in re.findall(r"([-\d.]+),([-\d.]+)", path.d)]


def test_a_line_goes_through_the_means_over_repetitions(made):
    add(made, "imp", [(0.0, -0.4, -0.8), (0.0, -0.6, -0.6)])
    (chart,) = drawn(made)
    x, y = across(chart.svg, ("0.0", 0), ("2.0", 2)), down(chart.svg, ("−1.0", -1), ("0.0", 0))
    (line,) = [one for one in titled(chart.svg, "imp · density 0.1") if one.d.count("L") == 1]
    for seen, expected in zip(corners(line), [(1, -0.5), (2, -0.7)], strict=True):
        assert seen == pytest.approx((x(expected[0]), y(expected[1])), abs=0.8)


def test_trainings_are_lines_of_their_own(made):
    add(made, "imp", [(0.0, -0.5, -0.7, -0.1, -0.6)], epochs=(0, 1, 2, 2, 3), trainings=(1, 1, 1, 2, 2))
    (chart,) = drawn(made)
    lines = [one for one in titled(chart.svg, "imp") if "L" in one.d and one.tag == "path"]
    assert sorted(one.d.count("L") for one in lines) == [1, 2]


def test_the_law_is_a_line_at_minus_one(made):
    add(made, "imp", [(0.0, -0.5, -0.7)])
    (chart,) = drawn(made)
    (law,) = titled(chart.svg, "inverse-size law")
    level = down(chart.svg, ("−1.0", -1), ("0.0", 0))(-1)
    assert [y for _, y in corners(law)] == pytest.approx([level, level], abs=0.8)


def test_the_table_has_means_with_intervals(made):
    runs = [(0.0, -0.4, -0.8), (0.0, -0.6, -0.6), (0.0, -0.5, -0.5)]
    add(made, "imp", runs)
    (chart,) = drawn(made)
    half = stats.t.ppf(0.975, 2) * stats.sem([-0.8, -0.6, -0.5])
    assert chart.table.rows[-1] == ("imp · density 0.1", "1", "2", f"-0.633 ± {half:.3f}")


def test_long_trainings_keep_their_ends(made):
    epochs = [float(i) for i in range(1000)]
    add(made, "imp", [[-i / 1000 for i in range(1000)]], epochs=epochs, trainings=[1] * 1000)
    (chart,) = drawn(made)
    assert len(chart.table.rows) <= 90
    assert chart.table.rows[-1][2:] == ("999", "-0.999 ± 0.000")


def test_without_series_there_is_none(made):
    made.add(row("imp", None, recipe="small-sgd", density=0.1), square_slope=-1.0)
    made.add(row("synflow", "flow"), unit_residual=0.0)
    assert drawn(made) == []
