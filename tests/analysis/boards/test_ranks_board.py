"""Ranks across tasks, against scipy's and against ranks by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import friedmanchisquare

from prunebench.analysis.boards.ranks import ranks
from prunebench.analysis.tables import render
from tests.analysis.recorded import grid, presentation, record, results, row


def task(number, **levels):
    """Records of methods whose accuracy is the same at all densities, so that it is their area."""
    found = grid("dense", {None: [90, 90]}, dataset=f"data-{number}")
    for method, level in levels.items():
        found += grid(method, {0.5: [level, level], 0.1: [level, level]}, dataset=f"data-{number}")
    return found


def board(records, unfinished=()):
    (table,) = ranks("tradeoff", presentation(low=2, high=10), results(records, unfinished))
    return table


def column(table, header):
    place = table.headers.index(header)
    return {line[0]: line[place] for line in table.rows}


def clear(n=6):
    return [found for i in range(n) for found in task(i, random=40 + i, snip=60 + i, synflow=80 - i)]


def test_below_five_tasks_there_is_one_line_that_says_so():
    table = board(clear(4))
    assert table.rows == (("none across fewer than 5 tasks; tasks with an area: 4",),)
    assert "none across fewer than 5 tasks" in render([table], "csv")
    assert len(board(clear(5)).rows) == 3


def test_mean_ranks_friedman_and_the_critical_difference():
    table = board(clear())
    assert column(table, "mean rank") == {"synflow": "1.00", "snip": "2.00", "random": "3.00"}
    assert [line[0] for line in table.rows] == ["synflow", "snip", "random"]
    areas = np.array([[40 + i, 60 + i, 80 - i] for i in range(6)])
    p = friedmanchisquare(*areas.T).pvalue
    # Demšar 2006, table 5: q is 2.343 for three methods.
    difference = 2.343 * (3 * 4 / (6 * 6)) ** 0.5
    assert f"ranks by area across 6 tasks — Friedman p {p:.2g} by χ²" in table.caption
    assert table.caption.endswith(f"Nemenyi's critical difference {difference:.2f}")
    # 1.35: neighbours are not told apart, the first and the last are.
    assert column(table, "groups") == {"synflow": "a", "snip": "ab", "random": "b"}
    assert set(column(table, "ranked last in").values()) == {"–"}


def test_methods_that_do_not_differ_are_not_told_apart():
    records = [found for i in range(6) for found in task(i, random=60 + (-1) ** i, snip=60 - (-1) ** i)]
    table = board(records)
    assert table.caption.endswith("; methods are not told apart")
    assert "groups" not in table.headers
    assert column(table, "mean rank") == {"random": "1.50", "snip": "1.50"}


def test_methods_that_are_missing_in_a_task_rank_last_in_it_and_the_table_says_why():
    records = [
        *task(0, random=40, snip=60, synflow=80),
        *task(1, random=40, snip=60, synflow=80),
        *task(2, random=40, snip=60, synflow=80),
        *task(3, random=40, snip=60, synflow=80),
        *[r for r in task(4, random=40, snip=60, synflow=80) if r.row.method != "synflow"],
        *task(5, random=40, snip=60),
    ]
    records += grid("synflow", {0.5: [90, 90]}, dataset="data-5")
    failed = [record(row("synflow", 0.1, n, dataset="data-4"), None, status="failed") for n in range(2)]
    table = board(records + failed + grid("synflow", {0.5: [99, 99]}, dataset="data-4"))
    assert column(table, "mean rank") == {"synflow": "1.67", "snip": "1.67", "random": "2.67"}
    assert column(table, "ranked last in") == {
        "snip": "–",
        "random": "–",
        "synflow": "1: cells missing or failed, 1: no area",
    }


def test_methods_that_some_tasks_do_not_plan_have_no_rank_and_make_no_difference():
    even = [{"random": 60 + (-1) ** i, "snip": 60 - (-1) ** i} for i in range(6)]
    others = {f"synflow(rounds={n})": 50 - n for n in range(1, 7)}
    table = board([r for i, both in enumerate(even) for r in task(i, **both, **(others if i == 0 else {}))])
    assert column(table, "mean rank") == {"random": "1.50", "snip": "1.50"}
    assert "methods are not told apart" in table.caption
    assert table.caption.endswith(f"not planned on every task, so without a rank: {', '.join(sorted(others))}")


def test_networks_that_are_dense_are_not_ranked():
    records = clear() + [
        r for i in range(6) for r in grid("dsd", {0.5: [99], 0.1: [99]}, arm="dense in the end", dataset=f"data-{i}")
    ]
    assert set(column(board(records), "mean rank")) == {"random", "snip", "synflow"}


def test_tasks_without_an_area_do_not_count_and_neither_do_methods_that_have_none():
    nothing = grid("snip", {0.5: [50, 50]}, dataset="data-9")
    table = board(clear(5) + nothing + grid("synflow(rounds=1)", {0.5: [90, 90]}, dataset="data-0"))
    assert "across 5 tasks" in table.caption
    assert set(column(table, "mean rank")) == {"random", "snip", "synflow"}
    alone = [found for i in range(5) for found in task(i, random=40)]
    assert board(alone).rows == (("none of fewer than two methods; methods with an area, planned on every task: 1",),)


@pytest.mark.parametrize("format", ["table", "md", "csv", "json"])
def test_ranks_are_shown_in_every_format(format):
    assert "synflow" in render([board(clear())], format, 80)
