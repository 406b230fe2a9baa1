"""Configurations in the order of their stability, controls below."""

from __future__ import annotations

import numpy as np
from scipy import stats

from prunebench.analysis.boards.configurations import configurations
from prunebench.analysis.tables import render
from tests.analysis.boards.stability_records import (
    LARGE,
    NOISE,
    SMALL,
    column,
    presentation,
    record,
    results,
    row,
    runs,
)

SHAKEN = [30.0, 34.0, 29.0]


def board(records, unfinished=(), **shown):
    return configurations("stability", presentation(**shown), results(records, unfinished))


def some():
    above = [70.0, 71.5, 69.0]
    return [
        *runs(LARGE, instability_abs=SHAKEN, test_accuracy=above, test_loss=[0.8, 0.9, 1.0], events=[4] * 3),
        *runs(NOISE, instability_abs=[1.0, 1.0, 1.0], test_accuracy=[68.0, 66.0, 67.0], test_loss=[1.0] * 3),
        *runs(SMALL, instability_abs=[0.5, 1.5, 1.0], test_accuracy=[66.0, 66.0, 66.0], test_loss=[1.5] * 3),
        *runs("dense", instability_abs=[0.0, 0.0, 0.0], test_accuracy=[60.0, 61.0, 62.0], test_loss=[2.0] * 3),
    ]  # fmt: skip


def test_configurations_are_ordered_by_instability_and_controls_stand_below():
    (table,) = board(some())
    assert [line[0] for line in table.rows] == [SMALL, LARGE, "dense (control)", f"{NOISE} (control)"]
    assert table.headers == ("configuration", "events", "instability abs", "test accuracy", "test loss", "n")
    assert table.caption == "configurations · mlp · mnist1d · small-sgd · density 0.5"
    half = stats.t.ppf(0.975, 2) * stats.sem(SHAKEN)
    assert column(table, "instability abs")[LARGE] == f"{np.mean(SHAKEN):.2f} ± {half:.2f}"
    assert column(table, "events") == {SMALL: "–", LARGE: "4", "dense (control)": "–", f"{NOISE} (control)": "–"}
    assert set(column(table, "n").values()) == {"3"}
    assert all(header == "n" or header in dict(table.legend) for header in table.headers)


def test_the_order_of_records_and_of_repetitions_is_of_no_matter():
    assert board(some()[::-1]) == board(some())


def test_the_dense_network_stands_beside_every_density_and_alone_where_there_is_none():
    tables = board([*some(), *runs(SMALL, 0.1, instability_abs=[9.0], test_accuracy=[50.0])])
    assert [table.caption.rpartition(" · ")[2] for table in tables] == ["density 0.5", "density 0.1"]
    assert column(tables[1], "instability abs") == {SMALL: "9.00", "dense (control)": "0.00 ± 0.00"}
    (alone,) = board(runs("dense", test_accuracy=[60.0]))
    assert [line[0] for line in alone.rows] == ["dense (control)"]


def test_cells_without_result_are_counted_and_change_nothing_else():
    bad = [
        record(row(LARGE, 3), status="failed"),
        record(row(LARGE, 4), status="skipped", reason="no filters"),
        record(row(LARGE, 5), instability_abs=99.0, test_accuracy=10.0, has_path=0.0),
    ]
    (table,) = board([*some(), *bad], [row(LARGE, 6), row("targeted-filters", 0)])
    assert column(table, "n")[LARGE] == "3/7, 1 collapsed"
    assert column(table, "instability abs") == column(board(some())[0], "instability abs")
    assert table.caption.endswith("density 0.5 (1 method without a record yet)")


def test_values_that_are_missing_leave_a_gap_and_columns_without_any_go():
    records = [
        *runs(LARGE, instability_abs=[3.0], test_accuracy=[70.0]),
        *runs(SMALL, instability_abs=[None], test_accuracy=[71.0]),
    ]
    (table,) = board(records)
    assert table.headers == ("configuration", "instability abs", "test accuracy", "n")
    assert [line[:2] for line in table.rows] == [(LARGE, "3.00"), (SMALL, "–")], "those without a value stand last"


def test_digits_follow_the_size_of_what_is_measured():
    records = runs(LARGE, hessian_trace=[12345.0, 12345.0], test_loss=[0.0004, 0.0004])
    records += runs(SMALL, hessian_trace=[9.0, 9.0], test_loss=[0.00031, 0.00031])
    (table,) = board(records, y=("hessian_trace", "test_loss"))
    assert column(table, "hessian trace") == {LARGE: "12345 ± 0", SMALL: "9 ± 0"}
    assert column(table, "test loss") == {LARGE: "0.000400 ± 0.000000", SMALL: "0.000310 ± 0.000000"}


def test_odd_names_are_harmless():
    records = runs("my:own|method_\n", instability_abs=[1.0, 2.0], test_accuracy=[5.0, 6.0])
    records += runs("no spec at all (", instability_abs=[1.0, 2.0], test_accuracy=[5.0, 6.0])
    tables = board(records)
    text = render(tables, "md")
    assert r"my:own\|method\_" in text
    assert "no spec at all (" in text
    assert len(tables[0].rows) == 2
