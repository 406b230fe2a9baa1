"""The 2 × 2 of masks and weights, by hand."""

from __future__ import annotations

import numpy as np
from scipy import stats

from prunebench.analysis.boards.factors import factors
from tests.analysis.boards.sanity_records import Made, presentation, row

ARM = "random-labels"
CLEAN, MASK, WEIGHTS, BOTH = [60.0, 62.0, 61.0], [50.0, 53.0, 50.0], [58.0, 59.0, 60.0], [49.0, 50.5, 52.0]


def square(made, method="lr-rewinding", arm=ARM):
    made.pair(method, arm, CLEAN, BOTH)
    made.pair(method, f"{arm}(part=mask)", [], MASK)
    made.pair(method, f"{arm}(part=weights)", [], WEIGHTS)


def board(made):
    return factors("sanity", presentation(), made.results())


def shown(values):
    return f"{np.mean(values):.2f} ± {stats.t.ppf(0.975, len(values) - 1) * stats.sem(values):.2f}"


def test_main_effects_and_interaction_are_those_of_the_two_by_two(tmp_path):
    made = Made(tmp_path)
    square(made)
    (table,) = board(made)
    # By repetition: mask costs 10, 9, 11 with clean weights and 9, 8.5, 8 with altered ones.
    # Weights cost 2, 3, 1 with a clean mask and 1, 2.5, -2 with an altered one.
    assert table.rows == (
        ("lr-rewinding · random-labels", "61.00", "51.00", "59.00", "50.50", shown([9.5, 8.75, 9.5]),
         shown([1.5, 2.75, -0.5]), shown([1.0, 0.5, 3.0]), "3"),
    )  # fmt: skip


def test_an_additive_table_has_no_interaction(tmp_path):
    made = Made(tmp_path)
    made.pair("hybrid", ARM, [60.0, 60.0], [45.0, 45.0])
    made.pair("hybrid", f"{ARM}(part=mask)", [], [50.0, 50.0])
    made.pair("hybrid", f"{ARM}(part=weights)", [], [55.0, 55.0])
    (table,) = board(made)
    assert table.rows[0][5:8] == ("10.00 ± 0.00", "5.00 ± 0.00", "0.00 ± 0.00")


def test_only_repetitions_with_all_four_living_networks_count(tmp_path):
    made = Made(tmp_path)
    square(made)
    made.add(row("lr-rewinding", None, 3), 90.0)
    made.add(row("lr-rewinding", ARM, 3), 90.0)
    made.add(row("lr-rewinding", f"{ARM}(part=mask)", 3), 10.0, has_path=0.0)
    made.add(row("lr-rewinding", f"{ARM}(part=weights)", 3), 90.0)
    (table,) = board(made)
    assert table.rows[0][0] == "lr-rewinding · random-labels (no path in 1)"
    assert (table.rows[0][1], table.rows[0][-1]) == ("61.00", "3/4")


def test_parts_are_compared_with_the_longer_finding_that_theirs_is(tmp_path):
    made = Made(tmp_path)
    made.pair("lottery", "clean(length=3.0)", [10.0], [60.0])
    longer = {"reference": "clean(length=3.0)"}
    for arm, value in (
        ("random-labels(length=3.0)", 40.0), ("random-labels(length=3.0, part=mask)", 45.0),
        ("random-labels(length=3.0, part=weights)", 50.0),
    ):  # fmt: skip
        made.pair("lottery", arm, [], [value], labels=longer)
    (table,) = board(made)
    assert table.rows == (
        ("lottery · random-labels(length=3.0)", "60.00", "45.00", "50.00", "40.00", "12.50", "7.50", "5.00", "1"),
    )


def test_arms_without_both_parts_have_no_row_and_no_table(tmp_path):
    made = Made(tmp_path)
    made.pair("lottery", ARM, CLEAN, BOTH)
    made.pair("lottery", f"{ARM}(part=mask)", [], MASK)
    made.pair("lottery", "odd arm (", [], MASK)
    assert board(made) == []


def test_a_method_that_sees_no_data_has_identical_tickets(tmp_path):
    made = Made(tmp_path)
    for arm in (ARM, f"{ARM}(part=mask)", f"{ARM}(part=weights)"):
        made.pair("synflow", arm, CLEAN, CLEAN, labels={"ticket": "identical"})
    (table,) = board(made)
    assert table.rows[0][5:8] == ("identical",) * 3


def test_what_failed_has_dashes_and_what_was_not_begun_no_row(tmp_path):
    made = Made(tmp_path)
    for arm in (None, ARM, f"{ARM}(part=mask)", f"{ARM}(part=weights)"):
        made.add(row("hybrid", arm, 0), status="failed")
        made.plan(row("lottery", arm, 0))
    (table,) = board(made)
    assert table.rows == (("hybrid · random-labels", *["–"] * 7, "0/1"),)
