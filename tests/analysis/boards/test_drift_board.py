"""The section `drift`: where w² goes while training, and whether that is established."""

from __future__ import annotations

import pytest
from scipy import stats

from prunebench.analysis.boards.drift import drift
from tests.analysis.boards.flow_records import Made, cells, presentation, row

TOWARDS = {"drift": "towards"}


def add(made, method, changes, *, density=0.1, **more):
    """Slopes that begin at 0, a repetition each; spreads and imbalances that do as the slopes do."""
    for n, change in enumerate(changes):
        made.add(
            row(method, None, n, recipe="small-sgd", density=density), square_slope_begin=0.0,
            square_slope=-1 - (1 + change), square_slope_error_change=change, square_spread_begin=10.0,
            square_spread=10 * 10**change, square_spread_change=change, square_imbalance_begin=0.5,
            square_imbalance=0.5 + change / 10, square_imbalance_change=change / 10, **more,
        )  # fmt: skip


def board(made, *expectations):
    return drift("conservation", presentation(*expectations), made.results())


@pytest.mark.parametrize(
    ("changes", "word", "agreement"),
    [
        ((-0.5, -0.6, -0.7), "towards", "as expected"),
        ((0.5, 0.6, 0.7), "away", "not as expected"),
        ((0.5, -0.6, 0.2), "cannot tell", "cannot tell"),
        ((-0.5,), "cannot tell", "cannot tell"),
        ((0.0, 0.0), "cannot tell", "cannot tell"),
    ],
)
def test_movements_are_told_where_they_are_established(tmp_path, changes, word, agreement):
    made = Made(tmp_path)
    add(made, "imp", changes)
    (table,) = board(made, {"units": "violated"}, TOWARDS)
    found = cells(table, "imp · density 0.1")
    assert (found["slope moves"], found["totals move"], found["units move"]) == (word,) * 3
    assert (found["slope by theory"], found["slope agrees"]) == ("towards (2)", agreement)
    assert dict(table.legend)["(2)"] == "reason 2"


def test_begin_and_end_are_means_and_changes_have_their_interval(tmp_path):
    made = Made(tmp_path)
    changes = (-0.5, -0.6, -0.7)
    add(made, "imp", changes)
    found = cells(board(made)[0], "imp · density 0.1")
    low, high = stats.t.interval(0.95, 2, loc=-0.6, scale=stats.sem(changes))
    assert found["slope of w²"] == "0.00 → -1.40"
    assert found["distance from −1"] == f"-0.60 ± {(high - low) / 2:.2f}"
    assert found["max/min total"] == "10 → 2.56"
    assert found["imbalance"] == "0.50 → 0.44"
    assert (found["slope by theory"], found["slope agrees"], found["n"]) == ("–", "–", "3")


def test_what_pruning_adds_is_paired_with_the_dense_network(tmp_path):
    made = Made(tmp_path)
    for name, errors in (("dense", (0.5, 0.7, 0.6)), ("imp", (0.2, 0.3, 0.4))):
        for n, error in enumerate(errors):
            density = None if name == "dense" else 0.1
            made.add(row(name, None, n, recipe="small-sgd", density=density), square_slope_error=error)
    table = board(made)[0]
    low, high = stats.t.interval(0.95, 2, loc=-0.3, scale=stats.sem([-0.3, -0.4, -0.2]))
    assert cells(table, "imp · density 0.1")["beyond dense"] == f"-0.30 ± {(high - low) / 2:.2f}"
    assert cells(table, "dense")["beyond dense"] == "–"


def test_all_methods_of_a_table_share_the_error_rate(tmp_path):
    """p = 0.03 alone is below 5 %, and twice that is not."""
    made = Made(tmp_path)
    changes = (-0.2, -0.3, -0.65, -0.5)
    assert 0.025 < stats.ttest_1samp(changes, 0).pvalue < 0.05
    add(made, "gmp", changes)
    assert cells(board(made)[0], "gmp · density 0.1")["slope moves"] == "towards"
    add(made, "imp", changes)
    assert {line[3] for line in board(made)[0].rows} == {"cannot tell"}


def test_densities_of_a_task_share_a_table_and_tasks_do_not(tmp_path):
    made = Made(tmp_path)
    add(made, "imp", (-0.5, -0.6))
    add(made, "imp", (-0.5, -0.6), density=0.5)
    add(made, "dense", (-0.5, -0.6), density=None)
    made.add(row("imp", None, model="lenet-300-100", recipe="small-sgd", density=0.1), square_slope=-1.0)
    first, second = board(made)
    assert [line[0] for line in first.rows] == ["imp · density 0.1", "imp · density 0.5", "dense"]
    assert first.caption == "drift of w² while training · mlp · digits · small-sgd"
    assert second.caption == "drift of w² while training · lenet-300-100 · digits · small-sgd"


def test_what_has_no_value_has_dashes_and_what_was_not_begun_no_row(tmp_path):
    made = Made(tmp_path)
    made.add(row("gmp", None, 0, recipe="small-sgd", density=0.1), status="failed")
    made.add(row("imp", None, 0, recipe="small-sgd", density=0.1), square_slope_begin=0.0, square_slope=None)
    made.plan(row("lottery", None, 0, recipe="small-sgd", density=0.1))
    (table,) = board(made, TOWARDS)
    assert [line[0] for line in table.rows] == ["gmp · density 0.1", "imp · density 0.1"]
    for line in table.rows:
        assert line[1:4] == ("–", "–", "cannot tell")
        assert line[-1] == "0/1"


def test_cells_that_train_nothing_have_no_table(tmp_path):
    made = Made(tmp_path)
    made.add(row("snip", "flow"), unit_residual=0.5)
    assert board(made) == []
