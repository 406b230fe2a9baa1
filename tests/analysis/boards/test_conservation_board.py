"""The section `conservation`: words for residuals, theory beside them, what differs from it."""

from __future__ import annotations

import pytest

from prunebench.analysis.boards.conservation import conservation
from tests.analysis.boards.flow_records import Made, cells, presentation, row

DOUBLE, SINGLE = "flow", "flow(precision=single)"


def measured(unit, cut=None, slope=None):
    found = {"unit_residual": unit, "unit_residual_median": unit and unit / 2, "size_slope": slope}
    return {**found, "cut_residual": cut, "cut_residual_median": cut and cut / 4}


def board(made, *expectations):
    return conservation("conservation", presentation(*expectations), made.results())


@pytest.mark.parametrize(
    ("arm", "residual", "word"),
    [
        (DOUBLE, 0.0, "conserved"), (DOUBLE, 1e-9, "conserved"), (DOUBLE, 1.1e-9, "nearly conserved"),
        (DOUBLE, 9.9e-3, "nearly conserved"), (DOUBLE, 1e-2, "violated"), (SINGLE, 1e-4, "conserved"),
        (SINGLE, 1.1e-4, "nearly conserved"), (SINGLE, 1e-2, "violated"), (DOUBLE, None, "–"),
    ],
)  # fmt: skip
def test_what_a_law_is_goes_by_the_largest_residual_and_the_precision_of_the_arm(tmp_path, arm, residual, word):
    made = Made(tmp_path)
    made.add(row("synflow", arm), **measured(residual, residual))
    found = cells(board(made)[1], f"synflow · {arm}")
    assert found["units are"] == found["cuts are"] == word


def test_the_worst_repetition_counts_for_residuals_and_the_mean_for_slopes(tmp_path):
    made = Made(tmp_path)
    made.add(row("snip", DOUBLE, 0), **measured(0.25, 2e-3, -0.5))
    made.add(row("snip", DOUBLE, 1), **measured(3e-12, 4e-4, -0.25))
    found = cells(board(made)[1], "snip · flow")
    assert (found["units max"], found["units median"], found["units are"]) == ("0.25", "0.12", "violated")
    assert (found["cuts max"], found["cuts median"], found["cuts are"]) == ("2.0e-03", "5.0e-04", "nearly conserved")
    assert (found["slope"], found["n"]) == ("-0.38", "2")


@pytest.mark.parametrize(
    ("theory", "residual", "agrees"),
    [
        ("conserved", 1e-12, True), ("conserved", 1e-5, False), ("conserved", 0.5, False),
        ("violated", 1e-12, False), ("violated", 1e-5, False), ("violated", 0.5, True),
    ],
)  # fmt: skip
def test_agreement_is_said_in_words(tmp_path, theory, residual, agrees):
    made = Made(tmp_path)
    made.add(row("snip", DOUBLE), **measured(residual, 1e-12))
    mismatches, table = board(made, {"methods": ["synflow"], "cuts": "violated"}, {"units": theory})
    found = cells(table, "snip · flow")
    assert found["units by theory"] == f"{theory} (2)"
    assert found["cuts by theory"] == "–"
    assert found["agreement"] == ("as expected" if agrees else "not as expected: units")
    assert dict(table.legend)["(2)"] == "reason 2"
    assert "(1)" not in dict(table.legend)
    assert table.caption.endswith(f"{int(agrees)} of 1 measurements as expected")
    assert len(mismatches.rows) == (not agrees)


@pytest.mark.parametrize(("residual", "agrees"), [(1e-4, True), (5e-4, False), (1e-2, False)])
def test_in_single_precision_conserved_has_a_bound_of_its_own_and_no_more(tmp_path, residual, agrees):
    made = Made(tmp_path)
    made.add(row("snip", SINGLE), **measured(residual))
    found = cells(board(made, {"units": "conserved"})[1], f"snip · {SINGLE}")
    assert found["agreement"] == ("as expected" if agrees else "not as expected: units")


def test_what_differs_from_theory_stands_on_top(tmp_path):
    made = Made(tmp_path)
    made.add(row("synflow", DOUBLE), **measured(1e-12, 1e-12, -1.0))
    made.add(row("grasp", DOUBLE), **measured(0.3, 1e-12, -0.7))
    made.add(row("grasp", DOUBLE, model="lenet-300-100"), **measured(0.3, 0.4, -0.7))
    top = board(
        made, {"methods": ["grasp"], "models": ["mlp"], "units": "conserved", "cuts": "violated", "slope": -1},
        {"methods": ["synflow"], "units": "conserved", "slope": -1},
    )[0]  # fmt: skip
    assert top.caption == "conservation: 3 of 5 measurements are not as theory says"
    assert top.rows == (
        ("mlp · digits", "grasp · flow", "units", "0.3 violated", "conserved", "reason 1"),
        ("mlp · digits", "grasp · flow", "cuts", "1.0e-12 conserved", "violated", "reason 1"),
        ("mlp · digits", "grasp · flow", "slope", "-0.70", "-1", "reason 1"),
    )


def test_a_slope_agrees_where_that_of_every_repetition_does(tmp_path):
    made = Made(tmp_path)
    for method, values in (("synflow", (-1.009, -0.991)), ("snip", (-1.02, -0.98))):
        for n, value in enumerate(values):
            made.add(row(method, DOUBLE, n), **measured(None, None, value))
    table = board(made, {"slope": -1})[1]
    assert cells(table, "synflow · flow")["agreement"] == "as expected"
    found = cells(table, "snip · flow")
    assert (found["slope"], found["by theory"], found["agreement"]) == ("-1.00", "-1 (1)", "not as expected: slope")


@pytest.mark.parametrize(
    ("incoming", "word", "agreement"),
    [
        ([1e-12, -1e-12], "zero", "as expected"), ([1e-5, 0.0], "nearly zero", "as expected"),
        ([0.1, 1.0], "not zero", "not as expected: units"),
    ],
)  # fmt: skip
def test_zero_is_of_what_enters_beside_the_largest_total(tmp_path, incoming, word, agreement):
    made = Made(tmp_path)
    series = {"unit_in": incoming, "unit_out": [2.0, -0.5]}
    made.add(row("snip", DOUBLE), series=series, **measured(1.0))
    found = cells(board(made, {"units": "zero"})[1], "snip · flow")
    assert (found["units are"], found["agreement"]) == (word, agreement)
    assert found["units max"] == {"zero": "5.0e-13", "nearly zero": "5.0e-06", "not zero": "0.5"}[word]


def test_zero_of_cuts_is_of_all_but_the_outputs_own(tmp_path):
    made = Made(tmp_path)
    made.add(row("snip", DOUBLE), series={"cut_total": [1e-13, -2e-12, 4.0]}, **measured(1.0, 1.0))
    made.add(row("synflow", DOUBLE), series={"cut_total": [4.0]}, **measured(1.0, None))
    table = board(made, {"cuts": "zero"})[1]
    assert cells(table, "snip · flow")["cuts are"] == "zero"
    assert cells(table, "synflow · flow")["cuts are"] == "–"


def test_cells_without_a_result_say_why_and_what_was_not_begun_has_no_row(tmp_path):
    made = Made(tmp_path)
    made.add(row("phew", DOUBLE), status="skipped", reason="phew has no scores")
    made.add(row("snip", DOUBLE, 0), **measured(0.5))
    made.add(row("snip", DOUBLE, 1), status="failed")
    made.plan(row("grasp", DOUBLE))
    top, table = board(made, {"units": "violated"})
    assert [line[0] for line in table.rows] == ["phew · flow", "snip · flow"]
    assert cells(table, "phew · flow")["agreement"] == "phew has no scores"
    assert cells(table, "snip · flow")["n"] == "1/2"
    assert top.caption == "conservation: 0 of 1 measurements are not as theory says"


def test_methods_of_which_theory_says_nothing_are_judged_by_none(tmp_path):
    made = Made(tmp_path)
    made.add(row("mine", DOUBLE), **measured(0.5, 0.5, 0.0))
    top, table = board(made, {"methods": ["snip"], "units": "violated"})
    found = cells(table, "mine · flow")
    assert found["agreement"] == found["units by theory"] == found["by theory"] == "–"
    assert top.rows == ()


def test_trained_cells_and_other_suites_have_no_table(tmp_path):
    made = Made(tmp_path)
    made.add(row("imp", None, recipe="small-sgd", density=0.1), square_slope=-1.0)
    assert board(made) == []
    made.add(row("snip", DOUBLE), **measured(0.5))
    assert conservation("sanity", presentation(), made.results()) == []


def test_cells_of_a_changed_scale_compare_with_no_others(tmp_path):
    made = Made(tmp_path)
    made.add(row("snip", DOUBLE, scale="quick + models=[mlp]"), **measured(0.5))
    assert "compares with no others" in board(made)[1].caption
