"""Associations over configurations, against scipy."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from prunebench.analysis.boards.associations import associations
from prunebench.analysis.tables import render
from tests.analysis.boards.stability_records import (
    LARGE,
    NOISE,
    column,
    presentation,
    record,
    results,
    row,
    runs,
)

METHODS = [f"targeted(target={t}, events={e})" for t in ("small", "random", "large") for e in (1, 2, 4)]
X = [1.0, 2.0, 1.4, 5.0, 6.0, 3.3, 20.0, 31.0, 25.0]
ACCURACY = [60.0, 61.0, 63.0, 62.0, 64.0, 61.5, 66.0, 65.0, 63.5]
LOSS = [1.9, 1.8, 1.7, 1.2, 1.3, 1.5, 1.0, 1.1, 0.9]
BOTH = ("instability abs ~ test accuracy", "instability abs ~ test loss")
CONTROLS = [
    *runs(NOISE, instability_abs=[500.0, 501.0], test_accuracy=[1.0, 2.0], test_loss=[9.0, 8.0]),
    *runs("dense", instability_abs=[0.0, 0.0], test_accuracy=[99.0, 99.0], test_loss=[0.1, 0.1]),
]


def made(methods=METHODS):
    found = []
    for method, x, accuracy, loss in zip(methods, X, ACCURACY, LOSS, strict=False):
        off = 7 * (x % 1.7)  # the first run alone would tell another order
        found += runs(method, instability_abs=[x - off, x + off], test_accuracy=[accuracy + 1, accuracy - 1],
                      test_loss=[loss, loss])  # fmt: skip
    return found


def board(records, unfinished=(), **shown):
    return associations("stability", presentation(**shown), results(records, unfinished))


def test_the_first_row_is_the_question_and_holm_is_over_the_others():
    gaps = dict(zip(METHODS, ACCURACY[1:] + ACCURACY[:1], strict=True))
    records = [replace(r, metrics={**r.metrics, "gap": gaps[r.row.method]}) for r in made()]
    (table,) = board([*records, *CONTROLS], y=("test_accuracy", "test_loss", "gap"))
    raw, holm = column(table, "p"), column(table, "p, Holm")
    first, *others = raw
    assert holm[first] == raw[first]
    smallest = min(others, key=lambda name: float(raw[name]))
    assert len(others) == 2
    assert float(holm[smallest]) == pytest.approx(2 * float(raw[smallest]), abs=2e-3)


def test_fewer_than_eight_configurations_are_said_so_once():
    (table,) = board(made(METHODS[:7]))
    assert table.rows == ()
    assert table.caption.endswith("density 0.5 — 7 configurations: fewer than 8 decide nothing")


def test_networks_that_are_equal_run_by_run_count_once():
    records = made()
    method = records[0].row.method
    again = [replace(r, row=replace(r.row, method="targeted-filters")) for r in records if r.row.method == method]
    (table,) = board([*records, *again])
    assert set(column(table, "configs").values()) == {"9"}
    assert "9 configurations" in table.caption


def test_tau_p_and_the_others_are_scipys_over_means_without_controls():
    (table,) = board([*made(), *CONTROLS])
    assert [line[0] for line in table.rows] == list(BOTH)
    pairs = dict(zip(BOTH, (ACCURACY, LOSS), strict=True))
    raw = {name: stats.kendalltau(X, y).pvalue for name, y in pairs.items()}
    for name, y in pairs.items():
        assert column(table, "τ 95%")[name].startswith(f"{stats.kendalltau(X, y).statistic:.2f} [")
        assert column(table, "p")[name] == (f"{raw[name]:.3f}" if raw[name] >= 0.0005 else "<0.001")
        assert column(table, "p, Holm")[name] == column(table, "p")[name], "the question by itself, and one other"
        assert column(table, "Spearman 95%")[name].startswith(f"{stats.spearmanr(X, y).statistic:.2f} [")
        assert column(table, "Pearson, linear")[name].startswith(f"{np.corrcoef(X, y)[0, 1]:.2f} [")
    assert set(column(table, "configs").values()) == {"9"}
    assert "note" not in table.headers, "where there is nothing to say"
    assert table.caption == "associations · mlp · mnist1d · small-sgd · density 0.5 — 9 configurations"


def test_controls_would_have_changed_the_outcome():
    (table,), (other,) = board([*made(), *CONTROLS]), board([*made(), *CONTROLS], exclude=["dense"])
    assert set(column(other, "configs").values()) == {"10"}
    assert column(other, "τ 95%") != column(table, "τ 95%")


def test_below_eight_configurations_there_is_a_reason_and_no_number():
    (table,) = board(made(METHODS[:7]))
    for line in table.rows:
        assert line[1:] == ("–", "–", "–", "–", "–", "7", "7 configurations: fewer than 8 decide nothing")


def test_a_configuration_without_both_values_is_left_out_and_counted():
    records = made()
    records[0] = record(records[0].row, status="failed")
    records[1] = record(records[1].row, test_accuracy=60.0, instability_abs=1.0)
    (table,) = board(records, [row(LARGE, 0)])
    assert column(table, "configs") == dict(zip(BOTH, ("9", "8/9"), strict=True))
    expected = stats.kendalltau(X[1:], LOSS[1:])
    assert column(table, "τ 95%")[BOTH[1]].startswith(f"{expected.statistic:.2f} [")


def test_a_metric_that_is_the_same_everywhere_says_so_by_its_name():
    records = [record(found.row, **{**found.metrics, "test_loss": 1.0}) for found in made()]
    (table,) = board(records)
    assert column(table, "note")[BOTH[1]] == "test loss is the same in all configurations"
    assert column(table, "τ 95%")[BOTH[1]] == "–"


def test_metrics_that_nobody_measured_have_no_row():
    records = [record(found.row, test_accuracy=60.0) for found in made()]
    (table,) = board(records)
    assert table.rows == ()
    assert table.caption.endswith("9 configurations, none with both values of any pair")
    render([table], "md")


def test_every_task_and_density_is_asked_by_itself():
    other = [found for method in METHODS for found in runs(method, 0.1, instability_abs=[1.0], test_accuracy=[1.0])]
    tables = board([*made(), *other, *CONTROLS])
    assert [table.caption.split(" — ")[0].rpartition(" ")[2] for table in tables] == ["0.5", "0.1"]
    assert board(CONTROLS) == []


def test_where_all_agree_there_is_no_interval():
    pairs = zip(METHODS, X, strict=True)
    records = [one for method, x in pairs for one in runs(method, instability_abs=[x], test_accuracy=[2 * x])]
    (table,) = board(records)
    assert table.rows[0][1] == "1.00"
    assert table.rows[0][2] == "<0.001"


@pytest.mark.parametrize("format", ["table", "md", "csv", "json"])
def test_odd_names_are_harmless(format):
    records = [*made(), *runs("odd|*name_\n", instability_abs=[3.0], test_accuracy=[1.0], test_loss=[2.0])]
    (table,) = board(records)
    assert table.rows[0][6] == "10"
    assert render([table], format, 100)


def test_points_on_a_line_have_no_interval_whatever_is_rounded():
    """Accuracy is 60.1 + 0.3 x, to the last bit or not."""
    records = [
        record
        for method, x in zip(METHODS, X, strict=True)
        for record in runs(method, instability_abs=[x, x + 0.1], test_accuracy=[60.1 + 0.3 * x, 60.1 + 0.3 * (x + 0.1)])
    ]
    (table,) = board(records)
    for name in ("τ 95%", "Spearman 95%", "Pearson, linear"):
        assert column(table, name)[BOTH[0]] == "1.00"


def test_each_pair_is_over_the_runs_and_configurations_that_have_both():
    """One run without accuracy, one configuration without loss: means and ranks of what is left, by hand."""
    records = made()
    records[0] = replace(records[0], metrics={k: v for k, v in records[0].metrics.items() if k != "test_accuracy"})
    last = METHODS[-1]
    records = [
        replace(r, metrics={k: v for k, v in r.metrics.items() if (r.row.method, k) != (last, "test_loss")})
        for r in records
    ]
    (table,) = board(records)
    assert column(table, "configs") == {BOTH[0]: "9", BOTH[1]: "8/9"}
    x, accuracy = [X[0] + 7 * (X[0] % 1.7), *X[1:]], [ACCURACY[0] - 1, *ACCURACY[1:]]
    assert column(table, "τ 95%")[BOTH[0]].startswith(f"{stats.kendalltau(x, accuracy).statistic:.2f} [")
    assert column(table, "Pearson, linear")[BOTH[0]].startswith(f"{stats.pearsonr(x, accuracy).statistic:.2f} [")
    assert column(table, "Pearson, linear")[BOTH[1]].startswith(f"{stats.pearsonr(X[:8], LOSS[:8]).statistic:.2f} [")
