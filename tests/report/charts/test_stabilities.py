"""Instability against outcome, contrasts over the fraction pruned."""

from __future__ import annotations

import re

import numpy as np
import pytest
from scipy import stats

from prunebench.analysis.boards.associations import associations as associations_board
from prunebench.analysis.boards.turning import turning as turning_board
from prunebench.report.charts.stabilities import associations, turning
from tests.analysis.boards.stability_records import LARGE, SMALL, column, presentation, results, runs
from tests.report.charts.seen import across, down, elements, points, titled

RNG = np.random.default_rng(0)
X = {f"targeted(events={i})": 5.0 * i + RNG.normal(size=4) for i in range(1, 11)}
Y = {name: 60 + 0.2 * values + RNG.normal(size=4) for name, values in X.items()}


def configurations(count=10):
    names = list(X)[:count]
    return [one for name in names for one in runs(name, instability_abs=X[name], test_accuracy=Y[name])]


def scatter(records, **shown):
    return associations("stability", presentation(**shown), results(records))


def ends(path):
    return [tuple(map(float, pair)) for pair in re.findall(r"([-\d.]+),([-\d.]+)", path.d)]


def test_points_stand_at_the_means_with_intervals_in_both_directions():
    (chart,) = scatter(configurations())
    x, y = across(chart.svg, ("20", 20), ("40", 40)), down(chart.svg, ("60", 60), ("70", 70))
    for name, values in X.items():
        (seen,) = points(chart.svg, f"{name}: ")
        assert (seen.x, seen.y) == pytest.approx((x(values.mean()), y(Y[name].mean())), abs=0.8)
    name = "targeted(events=5)"
    (seen,) = points(chart.svg, f"{name}: ")
    (own,) = [one for one in elements(chart.svg) if one.method == seen.method and one.tag == "path" and
              "transform" not in one.attributes]  # fmt: skip
    numbers = ends(own)
    bars = list(zip(numbers[::2], numbers[1::2], strict=True))
    half = stats.t.ppf(0.975, 3) * stats.sem(X[name])
    (level,) = [bar for bar in bars if bar[0][1] == bar[1][1]]
    assert [at for at, _ in level] == pytest.approx([x(X[name].mean() - half), x(X[name].mean() + half)], abs=0.8)


def test_tau_is_that_of_the_board_and_of_scipy():
    (chart,) = scatter(configurations())
    (table,) = associations_board("stability", presentation(), results(configurations()))
    tau = column(table, "τ 95%")["instability abs ~ test accuracy"]
    assert f"Kendall's τ {tau}" in chart.description
    own = stats.kendalltau([v.mean() for v in X.values()], [v.mean() for v in Y.values()])
    assert f"τ {own.statistic:.2f} [" in chart.description


def test_controls_are_left_out_and_fewer_than_eight_decide_nothing():
    dense = runs("dense", instability_abs=[0.0] * 4, test_accuracy=[70.0] * 4)
    (chart,) = scatter([*configurations(), *dense])
    assert not titled(chart.svg, "dense")
    assert scatter(configurations(7)) == []


def test_two_outcomes_are_drawn():
    found = [
        one
        for name in X
        for one in runs(name, instability_abs=X[name], test_accuracy=Y[name], test_loss=Y[name] / 10, gap=-Y[name])
    ]
    charts = scatter(found, y=("test_accuracy", "test_loss", "gap"))
    assert [chart.name for chart in charts] == [
        "stability-association-1-test-accuracy",
        "stability-association-1-test-loss",
    ]


BASE = [60.0, 60.3, 59.8, 60.1, 60.2]
SPREAD = np.array([-0.4, -0.1, 0.0, 0.2, 0.3])


def contrast(means):
    found = []
    for fraction, mean in means.items():
        density = round(1 - fraction, 10)
        found += runs(LARGE, density, test_accuracy=np.add(BASE, mean + SPREAD))
        found += runs(SMALL, density, test_accuracy=BASE)
    return found


def lines(records):
    return turning("stability", presentation(), results(records))


def test_differences_stand_at_their_fraction_and_mean():
    (chart,) = lines(contrast({0.1: 2.0, 0.3: 1.0, 0.5: -3.0}))
    x, y = across(chart.svg, ("10 %", 10), ("50 %", 50)), down(chart.svg, ("−2", -2), ("2", 2))
    for percent, mean in ((10, 2.0), (30, 1.0), (50, -3.0)):
        (seen,) = points(chart.svg, f"large − small · {LARGE} − {SMALL} at {percent} %: ")
        assert (seen.x, seen.y) == pytest.approx((x(percent), y(mean)), abs=0.8)


def test_the_margin_is_shaded():
    (chart,) = lines(contrast({0.1: 2.0, 0.5: -3.0}))
    y = down(chart.svg, ("−2", -2), ("2", 2))
    (band,) = [one for one in elements(chart.svg) if "f-area" in one.classes]
    height = float(re.search(r"v([-\d.]+)", band.d)[1])
    assert sorted((band.y, band.y + height)) == pytest.approx([y(2), y(-2)], abs=0.8)


def test_the_table_has_the_numbers_of_the_board():
    records = contrast({0.1: 2.0, 0.3: 1.0, 0.5: -3.0, 0.7: -4.0})
    (chart,) = lines(records)
    (table,) = turning_board("stability", presentation(), results(records))
    for header in ("10 %", "30 %", "50 %", "70 %", "turns at", "n"):
        assert column(chart.table, header) == column(table, header)
    assert chart.table.methods == table.methods == (LARGE,)


def test_one_fraction_is_no_line():
    assert lines(contrast({0.1: 2.0})) == []


def test_marks_belong_to_the_first_method():
    (chart,) = lines(contrast({0.1: 2.0, 0.5: -3.0}))
    assert {one.method for one in titled(chart.svg, "large − small")} == {"1"}, "targeted, targeted(target=large)"
