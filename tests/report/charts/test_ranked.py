"""The critical-difference diagram."""

from __future__ import annotations

import math

import pytest
from scipy.stats import studentized_range

from prunebench.analysis.boards.ranks import ranks as board
from prunebench.report.charts.ranked import ranks
from tests.analysis.boards.sanity_records import column
from tests.analysis.recorded import grid, presentation, results
from tests.report.charts.seen import across, points, titled


def made(accuracies, tasks=6):
    found = []
    for task in range(tasks):
        for method, accuracy in accuracies.items():
            found += grid(method, {1.0: [90.0], 0.1: [accuracy + task / 10]}, model=f"mlp-{task}")
    return results(found)


FOUR = {"a": 80.0, "b": 70.0, "c": 60.0, "d": 50.0}


def test_methods_stand_at_their_mean_rank_best_on_top():
    (chart,) = ranks("tradeoff", presentation(), made(FOUR))
    x = across(chart.svg, ("1", 1), ("4", 4))
    seen = [points(chart.svg, f"{name}: mean rank {rank}.00")[0] for rank, name in enumerate("abcd", 1)]
    assert [one.x for one in seen] == pytest.approx([x(rank) for rank in (1, 2, 3, 4)], abs=0.7)
    assert [one.y for one in seen] == sorted(one.y for one in seen)


def test_the_ruler_is_nemenyis_critical_difference():
    (chart,) = ranks("tradeoff", presentation(), made(FOUR))
    difference = studentized_range.ppf(0.95, 4, math.inf) / math.sqrt(2) * math.sqrt(4 * 5 / (6 * 6))
    (ruler,) = [one for one in titled(chart.svg, "critical difference") if one.tag == "path"]
    start, end = (float(part.split(",")[0]) for part in ruler.d.lstrip("M").split("L"))
    x = across(chart.svg, ("1", 1), ("4", 4))
    assert (start, end) == pytest.approx((x(1), x(1 + difference)), abs=0.7)
    assert ruler.title == f"critical difference {difference:.2f}"


def test_bars_join_what_is_not_told_apart():
    """With six tasks and four methods in one order, 1.91 ranks: a from b no, a from c yes."""
    (chart,) = ranks("tradeoff", presentation(), made(FOUR))
    bars = titled(chart.svg, "not told apart: ")
    assert [one.title.removeprefix("not told apart: ") for one in bars] == ["a, b", "b, c", "c, d"]
    top, bottom = (float(part.split(",")[1]) for part in bars[0].d.lstrip("M").split("L"))
    a, b = (points(chart.svg, f"{name}: ")[0].y for name in "ab")
    assert top < a < b < bottom


def test_the_table_has_the_ranks_of_the_board():
    results_ = made(FOUR)
    (chart,) = ranks("tradeoff", presentation(), results_)
    (table,) = board("tradeoff", presentation(), results_)
    assert column(chart.table, "mean rank") == column(table, "mean rank")


def test_equal_methods_have_no_bars():
    (chart,) = ranks("tradeoff", presentation(), made(dict.fromkeys("abc", 60.0)))
    assert "tells no methods apart" in chart.description
    assert not titled(chart.svg, "not told apart")


def test_below_five_tasks_there_is_none():
    assert ranks("tradeoff", presentation(), made(FOUR, tasks=4)) == []
