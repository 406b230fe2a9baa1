"""The table of verdicts, against scipy's tests and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from prunebench.analysis.boards.verdicts import verdicts
from prunebench.analysis.tables import render
from tests.analysis.boards.sanity_records import Made, column, presentation, row

BEFORE = [60.0, 61.5, 58.9, 60.4, 62.0]
AFTER = [52.1, 54.0, 50.2, 51.9, 55.0]


def board(made, **rest):
    (table,) = verdicts("sanity", presentation(**rest), made.results())
    return table


def test_one_comparison_has_scipys_p_values_and_interval(tmp_path):
    made = Made(tmp_path)
    made.pair("snip", "reinit", BEFORE, AFTER)
    table = board(made)
    d = np.array(BEFORE) - np.array(AFTER)
    half = stats.t.ppf(0.95, 4) * stats.sem(d)
    two_sided = stats.ttest_rel(BEFORE, AFTER).pvalue
    equal = max(
        stats.ttest_1samp(d, 2.0, alternative="less").pvalue, stats.ttest_1samp(d, -2.0, alternative="greater").pvalue
    )
    assert table.rows == (
        ("snip · reinit", f"{np.mean(BEFORE):.2f}", f"{np.mean(AFTER):.2f}", f"{d.mean():.2f} ± {half:.2f}",
         "<0.001", f"{equal:.3f}", "5", "depends"),
    )  # fmt: skip
    assert two_sided < 0.0005 < equal
    assert table.caption.endswith("test accuracy in points, margin ± 2, 1 of 1 comparisons tested as one family")


def test_p_values_are_adjusted_over_the_arms_and_methods_of_the_table(tmp_path):
    made = Made(tmp_path)
    made.pair("snip", "reinit", BEFORE, AFTER)
    other = [59.0, 60.0, 61.0, 58.0, 61.0]
    made.pair("grasp", "rearrange", BEFORE, other)
    made.pair("grasp", "shuffle", BEFORE, other)
    raw = stats.ttest_rel(BEFORE, other).pvalue
    assert column(board(made), "p ≠0")["grasp · shuffle"] == f"{min(1.0, 2 * raw):.3f}", (
        "two are left after the smallest"
    )


def test_rows_of_a_method_stand_together_in_the_order_of_the_plan(tmp_path):
    made = Made(tmp_path)
    for method, arm in (("snip", "reinit"), ("random", "rearrange"), ("snip", "shuffle")):
        made.pair(method, arm, [50.0, 51.0], [49.0, 51.0])
    assert list(column(board(made), "n")) == ["snip · reinit", "snip · shuffle", "random · rearrange"]


def test_identical_tickets_are_not_tested_and_leave_the_family(tmp_path):
    made = Made(tmp_path)
    made.pair("synflow", "corrupted", BEFORE, BEFORE, labels={"mask": "identical", "ticket": "identical"})
    made.pair("snip", "reinit", BEFORE, AFTER)
    table = board(made)
    assert column(table, "verdict")["synflow · corrupted"] == "does not depend (identical mask)"
    assert column(table, "p ≠0")["synflow · corrupted"] == "–"
    assert "1 of 2 comparisons tested" in table.caption


def test_an_open_verdict_says_what_it_could_have_seen_and_what_would_settle_it(tmp_path):
    made = Made(tmp_path)
    made.pair("snip", "reinit", [50.0, 52.0, 49.0], [49.0, 54.0, 47.5])
    d = np.array([1.0, -2.0, 1.5])
    said = column(board(made), "verdict")["snip · reinit"]
    assert said.startswith("cannot tell: sees ")
    sees = float(said.split("sees ")[1].split(",")[0])
    shift = sees * np.sqrt(3) / d.std(ddof=1)
    critical = stats.t.ppf(0.975, 2)
    power = stats.nct.sf(critical, 2, shift) + stats.nct.cdf(-critical, 2, shift)
    assert power == pytest.approx(0.8, abs=1e-3)
    needed = int(said.split("n≈")[1])
    draws = np.random.default_rng(0).normal(d.mean(), d.std(ddof=1), (20_000, needed))
    error = draws.std(axis=1, ddof=1) / np.sqrt(needed)
    inside = np.abs(draws.mean(axis=1)) + stats.t.ppf(0.95, needed - 1) * error < 2.0
    assert inside.mean() == pytest.approx(0.8, abs=0.05)


def test_a_verdict_says_when_it_is_the_arm_that_is_better(tmp_path):
    made = Made(tmp_path)
    made.pair("snip", "reinit", AFTER, BEFORE)
    assert column(board(made), "verdict") == {"snip · reinit": "depends (the arm is better)"}


def test_one_repetition_cannot_tell(tmp_path):
    made = Made(tmp_path)
    made.pair("snip", "reinit", [50.0], [40.0])
    table = board(made)
    assert table.rows[0][1:] == ("50.00", "40.00", "10.00", "–", "–", "1", "cannot tell: one repetition has no spread")


def test_collapse_is_counted_in_a_column_of_its_own_and_in_no_mean(tmp_path):
    made = Made(tmp_path)
    made.pair("snip", "corrupted", BEFORE, [b - 0.1 - 0.01 * i for i, b in enumerate(BEFORE)])
    assert "no path" not in board(made).headers
    made.add(row("snip", None, 5), 60.0)
    made.add(row("snip", "corrupted", 5), 10.0, has_path=0.0)
    made.add(row("grasp", None, 0), 60.0)
    made.add(row("grasp", "corrupted", 0), 10.0, has_path=0.0)
    table = board(made)
    assert column(table, "no path") == {"snip · corrupted": "0 and 1", "grasp · corrupted": "0 and 1"}
    assert column(table, "n") == {"snip · corrupted": "5/6", "grasp · corrupted": "0/1"}
    assert column(table, "verdict") == {
        "snip · corrupted": "immaterial, where it has a path", "grasp · corrupted": "no pair: networks collapsed",
    }  # fmt: skip
    assert float(column(table, "arm")["snip · corrupted"]) > 59


def test_nothing_measured_and_all_failed_still_make_a_table(tmp_path):
    made = Made(tmp_path)
    made.plan(*(row("snip", arm, n) for n in range(2) for arm in (None, "reinit")))
    for n in range(2):
        made.add(row("grasp", None, n), status="failed")
        made.add(row("grasp", "reinit", n), 50.0)
        made.add(row("grasp", "shuffle", n), status="skipped", reason="no values to shuffle")
        made.add(row("grasp", "random-labels(length=3.0)", n), 50.0, labels={"reference": "clean(length=3.0)"})
    table = board(made)
    assert table.caption.endswith("0 of 3 comparisons tested as one family (1 without a record yet)")
    assert column(table, "verdict") == {
        "grasp · reinit": "no pair: the untouched has no result",
        "grasp · shuffle": "skipped: no values to shuffle",
        "grasp · random-labels(length=3.0) vs clean(length=3.0)": "no pair: clean(length=3.0) has no result",
    }  # fmt: skip


def test_odd_names_stay_one_line_and_the_order_of_records_is_of_no_matter(tmp_path):
    made = Made(tmp_path)
    made.pair("my:own|method_\n", "odd*arm", BEFORE, AFTER)
    made.pair("snip", "reinit", BEFORE, AFTER)
    text = render([board(made)], "md")
    made.records.reverse()
    assert render([board(made)], "md") == text
    assert r"my:own\|method\_ · odd\*arm" in text


def test_the_table_fits_into_a_hundred_columns_with_long_names(tmp_path):
    made = Made(tmp_path)
    made.pair("lottery(rewind=0.1)", "random-labels(part=weights)", BEFORE, [b - 1 for b in AFTER])
    made.pair("lottery(rewind=0.1)", "reinit(long=true)", [], [b + 6 + i % 2 for i, b in enumerate(AFTER)])
    text = render([board(made)], "table", 100)
    assert max(map(len, text.splitlines())) <= 100
    assert text.count("comparison\n") + text.count("comparison  ") == 1, "one block"
