"""Contrasts paired by repetition, against scipy and by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from prunebench.analysis.boards.contrasts import contrasts
from prunebench.analysis.tables import render
from tests.analysis.boards.stability_records import (
    LARGE,
    LARGE_SMALL,
    RANDOM,
    SMALL,
    column,
    presentation,
    record,
    results,
    row,
    runs,
)

HIGH = [70.0, 71.5, 68.9, 70.4, 72.0]
LOW = [62.1, 64.0, 60.2, 61.9, 65.0]
NAME = f"large − small · {LARGE} − {SMALL}"


def board(records, unfinished=(), **shown):
    return contrasts("stability", presentation(**shown), results(records, unfinished))


def test_a_contrast_is_a_paired_t_test():
    (table,) = board([*runs(LARGE, test_accuracy=HIGH), *runs(SMALL, test_accuracy=LOW)])
    d = np.array(HIGH) - np.array(LOW)
    half = stats.t.ppf(0.975, 4) * stats.sem(d)
    assert stats.ttest_rel(HIGH, LOW).pvalue < 0.0005
    assert table.headers == ("contrast", "a", "b", "a−b 95%", "p ≠0", "p <m", "n", "verdict")
    assert table.rows == (
        (NAME, f"{np.mean(HIGH):.2f}", f"{np.mean(LOW):.2f}", f"{d.mean():+.2f} ± {half:.2f}", "<0.001",
         f"{stats.ttest_1samp(d, 2.0, alternative='less').pvalue:.3f}", "5", "depends"),
    )  # fmt: skip
    assert table.caption == (
        "contrasts · mlp · mnist1d · small-sgd · density 0.5 — test accuracy in points, margin ± 2"
    )


def test_pairs_have_one_repetition_each_whatever_the_order():
    shuffled = [*runs(SMALL, test_accuracy=LOW)[::-1], *runs(LARGE, test_accuracy=HIGH)[2:]]
    (table,) = board(shuffled)
    d = np.array(HIGH[2:]) - np.array(LOW[2:])
    assert column(table, "a−b 95%")[NAME].startswith(f"{d.mean():+.2f} ± ")
    assert column(table, "n")[NAME] == "3"


def test_every_setting_of_the_other_parameters_is_a_contrast_and_p_is_adjusted_over_them():
    near = [low + d for low, d in zip(LOW, (1.0, -0.5, 2.0, 0.2, 1.5), strict=True)]
    records = [
        *runs(LARGE, test_accuracy=HIGH), *runs(SMALL, test_accuracy=LOW),
        *runs("targeted(events=8, target=large)", test_accuracy=near), *runs("targeted(events=8)", test_accuracy=LOW),
        *runs("targeted(events=2, target=large)", test_accuracy=near), *runs(RANDOM, test_accuracy=HIGH),
    ]  # fmt: skip
    (table,) = board(records)
    other = "large − small · targeted(events=8, target=large) − targeted(events=8)"
    assert [line[0] for line in table.rows] == [NAME, other], "what has no partner is no contrast"
    raw = stats.ttest_rel(near, LOW).pvalue
    assert column(table, "p ≠0")[other] == f"{raw:.3f}", "the smaller p is doubled, this one is the last"


def test_p_is_adjusted_within_a_question_and_not_over_questions():
    cost = {"name": "cost", "a": "targeted(target=[large, small])", "b": "dense"}
    near = [low + d for low, d in zip(LOW, (1.0, -0.5, 2.0, 0.2, 1.5), strict=True)]
    records = [*runs(LARGE, test_accuracy=near), *runs(SMALL, test_accuracy=LOW), *runs("dense", test_accuracy=HIGH)]
    (table,) = board(records, contrast=[LARGE_SMALL, cost])
    p = column(table, "p ≠0")
    assert p[NAME] == f"{stats.ttest_rel(near, LOW).pvalue:.3f}", "one row of its question"
    raw = sorted(stats.ttest_rel(one, HIGH).pvalue for one in (near, LOW))
    shown = {name: value for name, value in p.items() if name.startswith("cost")}
    assert len(shown) == 2
    assert all(value == "<0.001" or float(value) == pytest.approx(2 * raw[0], abs=1e-3) for value in shown.values())


def test_a_method_whose_density_is_its_own_stands_beside_every_density():
    asked = {"name": "cost", "a": "targeted", "b": "dense"}
    records = [
        *runs(LARGE, test_accuracy=HIGH), *runs(LARGE, 0.1, test_accuracy=LOW), *runs("dense", test_accuracy=HIGH),
        *runs("dense", test_accuracy=[0.0] * 5, recipe="small-adam"),
    ]  # fmt: skip
    first, second = board(records, contrast=[asked])
    assert column(first, "a−b 95%") == {f"cost · {LARGE} − dense": "+0.00 ± 0.00"}
    assert column(first, "verdict") == {f"cost · {LARGE} − dense": "does not depend"}
    assert column(second, "a−b 95%")[f"cost · {LARGE} − dense"].startswith(f"{np.mean(LOW) - np.mean(HIGH):+.2f}")


def test_a_metric_in_other_units_has_no_margin_and_a_family_of_its_own():
    asked = {**LARGE_SMALL, "metrics": ["test_accuracy", "gap", "test_loss"]}
    above = [1.0, 1.1, 1.2, 1.0, 1.3]
    records = [
        *runs(LARGE, test_accuracy=HIGH, gap=LOW, test_loss=[a / 1000 for a in above]),
        *runs(SMALL, test_accuracy=LOW, gap=HIGH, test_loss=[0.0] * 5),
    ]
    accuracy, gap, loss = board(records, contrast=[asked])
    assert "gap in points, margin ± 2" in gap.caption
    assert column(gap, "verdict")[NAME] == "depends"
    assert "test loss in nats, no margin" in loss.caption
    assert loss.headers == ("contrast", "a", "b", "a−b 95%", "p ≠0", "n", "verdict")
    assert column(loss, "verdict")[NAME] == "differs"
    half = stats.t.ppf(0.975, 4) * stats.sem(above) / 1000
    assert column(loss, "a−b 95%")[NAME] == f"{np.mean(above) / 1000:+.5f} ± {half:.5f}"
    assert accuracy.rows[0][-1] == "depends"


def test_an_open_contrast_says_what_it_could_have_seen_and_what_it_needs():
    records = [*runs(LARGE, test_accuracy=[50.0, 52.0, 49.0]), *runs(SMALL, test_accuracy=[49.0, 54.0, 47.5])]
    said = column(board(records)[0], "verdict")[NAME]
    sees = float(said.removeprefix("cannot tell: sees ").split(",")[0])
    spread = np.std([1.0, -2.0, 1.5], ddof=1)
    critical, shift = stats.t.ppf(0.975, 2), sees * np.sqrt(3) / spread
    assert stats.nct.sf(critical, 2, shift) + stats.nct.cdf(-critical, 2, shift) == pytest.approx(0.8, abs=1e-2)
    assert "needs n≈" in said
    loss = {**LARGE_SMALL, "metrics": ["test_loss"]}
    same = [*runs(LARGE, test_loss=[1.0, 2.0, 3.0]), *runs(SMALL, test_loss=[1.1, 1.8, 3.1])]
    assert column(board(same, contrast=[loss])[0], "verdict")[NAME].startswith("cannot tell: sees ")


def test_one_repetition_cannot_tell_and_none_says_why():
    (one,) = board([*runs(LARGE, test_accuracy=[50.0]), *runs(SMALL, test_accuracy=[40.0])])
    assert one.rows[0][1:] == ("50.00", "40.00", "+10.00", "–", "–", "1", "cannot tell: one repetition has no spread")
    small = runs(SMALL, test_accuracy=[40.0])
    (failed,) = board([record(row(LARGE, 0), status="failed"), *small])
    assert failed.rows[0][1:] == ("–", "–", "–", "–", "–", "0/1", "failed")
    (skipped,) = board([record(row(LARGE, 0), status="skipped", reason="no filters"), *small])
    assert skipped.rows[0][-1] == "skipped: no filters"
    (apart,) = board([record(row(LARGE, 0), test_loss=1.0), *small])
    assert apart.rows[0][-1] == "no pair: no repetition has both values"
    assert board(small, [row(LARGE, 0)]) == [], "nothing to show yet"


def test_collapsed_networks_are_counted_and_in_no_mean():
    records = [*runs(LARGE, test_accuracy=HIGH), *runs(SMALL, test_accuracy=LOW)]
    records[0] = record(records[0].row, test_accuracy=10.0, has_path=0.0)
    (table,) = board(records)
    assert column(table, "no path, a and b")[NAME] == "1 and 0"
    assert column(table, "verdict")[NAME] == "depends, where both have a path"
    assert column(table, "n")[NAME] == "4/5"


def test_odd_names_and_methods_of_no_registry_are_harmless():
    asked = {"name": "odd|*_", "a": "my-own(kind=new)", "b": "my-own(kind=old)"}
    records = [
        *runs("my-own(kind=new, size=3)", test_accuracy=HIGH), *runs("my-own(kind=old, size=3)", test_accuracy=LOW),
        *runs("no spec (", test_accuracy=LOW), *runs("a|b_*\n", test_accuracy=LOW),
    ]  # fmt: skip
    (table,) = board(records, contrast=[asked])
    assert [line[0] for line in table.rows] == ["odd|*_ · my-own(kind=new, size=3) − my-own(kind=old, size=3)"]
    assert r"odd\|\*\_ · my-own" in render([table], "md")


def test_a_suite_whose_run_has_none_of_its_contrasts_has_no_table():
    assert board(runs(RANDOM, test_accuracy=HIGH)) == []
