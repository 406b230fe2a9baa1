"""What must be caught, and what must not be: changes planted in runs that are otherwise equal."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from prunebench.analysis.comparison.compare import compare
from prunebench.analysis.comparison.finding import with_side
from prunebench.analysis.comparison.sides import of_run
from prunebench.errors import NothingToDoError, StoreError
from tests.analysis.comparison.made import METHODS, TASK, cell, compared, records, results, row, states

BASE = {"dense": 90.0, "random": 60.0, "magnitude": 80.0, "snip": 70.0, "synflow": 75.0, "lottery": 85.0}


def drawn(seed, spread=1.0, shift=None):
    """Accuracies with noise of their own, shifted by method."""
    draws = random.Random(seed)
    moved = shift or {}
    return lambda method, density, n: BASE[method] + draws.gauss(0, spread) + moved.get(method, 0.0)


@pytest.fixture
def base(tmp_path):
    return results(tmp_path / "base", records(drawn(0)))


def again(tmp_path, found, **rest):
    return results(tmp_path / "again", list(found), **rest)


def with_metrics(record, **metrics):
    return replace(record, metrics={**record.metrics, **metrics})


def test_a_run_is_the_same_as_itself(base, tmp_path):
    suite, found = compared(base, base)
    assert not found.regressed
    assert set(found.counts) == {"same"}
    # Five repetitions of a dense network and of five methods at three densities, seven metrics each.
    assert found.compared == 5 * (1 + 5 * 3) * 7
    assert suite.apart == ()


def test_on_the_same_platform_with_the_same_code_one_bit_is_a_regression(base, tmp_path):
    first, *rest = base.records
    lower = with_metrics(first, test_accuracy=first.metrics["test_accuracy"] * (1 - 2**-52))
    suite, found = compared(again(tmp_path, [lower, *rest]), base)
    assert states(suite) == {("dense", "test_accuracy", "worse", True)}
    assert found.regressed
    higher = with_metrics(first, test_accuracy=first.metrics["test_accuracy"] * (1 + 2**-52))
    suite, found = compared(again(tmp_path, [higher, *rest]), base)
    assert states(suite) == {("dense", "test_accuracy", "better", False)}


def test_a_characteristic_that_changes_with_the_same_code_gates_either_way(base, tmp_path):
    first, *rest = base.records
    suite, found = compared(again(tmp_path, [with_metrics(first, effective_kept=989), *rest]), base)
    assert states(suite) == {("dense", "effective_kept", "changed", True)}
    assert found.regressed


@pytest.mark.parametrize("apart", [
    {"processor": "6502"}, {"processor": ""}, {"processor": "x86_64"}, {"instructions": "AVX512"}, {"instructions": ""},
    {"threads": 2}, {"torch": "2.15.1"},
])  # fmt: skip
def test_on_another_platform_the_last_bits_of_an_accuracy_mean_nothing(base, tmp_path, apart):
    found = [with_metrics(r, test_accuracy=r.metrics["test_accuracy"] + 1e-3 * n) for n, r in enumerate(base.records)]
    suite, _ = compared(again(tmp_path, found, **apart), base)
    assert states(suite) == set()
    assert suite.apart


def test_a_platform_that_nobody_knows_is_not_the_same(tmp_path):
    old = results(tmp_path / "old", records(drawn(0)), processor="")
    suite, _ = compared(again(tmp_path, records(drawn(0)), processor=""), old)
    assert "processor unknown and unknown" in suite.apart


def test_refactored_code_with_equal_values_is_the_same(base, tmp_path):
    suite, _ = compared(again(tmp_path, records(drawn(0), key="other")), base)
    assert states(suite) == set()


def test_fresh_noise_of_other_code_is_no_regression(base, tmp_path):
    suite, found = compared(again(tmp_path, records(drawn(1), key="other")), base)
    assert not found.regressed, states(suite)


def test_a_loss_of_accuracy_beyond_noise_and_tolerance_is_found_and_nothing_else(base, tmp_path):
    suite, found = compared(again(tmp_path, records(drawn(1, shift={"snip": -4.0}), key="other")), base)
    assert states(suite, what="test_accuracy") == {("snip", "test_accuracy", "worse", True)}
    (item,) = suite.regressions
    assert item.difference == pytest.approx(-4.0, abs=1.5)
    assert "n 5, 3 densities" in item.detail
    suite, found = compared(again(tmp_path, records(drawn(1, shift={"snip": 4.0}), key="other")), base)
    assert states(suite, what="test_accuracy") == {("snip", "test_accuracy", "better", False)}
    assert not found.regressed


def test_a_significant_difference_within_the_tolerance_is_the_same(tmp_path):
    old = results(tmp_path / "old", records(drawn(0, spread=0.01)))
    suite, _ = compared(again(tmp_path, records(drawn(1, spread=0.01, shift={"snip": -0.9}), key="other")), old)
    assert states(suite, what="test_accuracy") == set()
    (item,) = [i for i in suite.items if (i.method, i.what) == ("snip", "test_accuracy")]
    assert "adjusted p" in item.detail


def test_a_difference_beyond_the_tolerance_that_noise_explains_is_drift_and_says_what_would_settle_it(tmp_path):
    old = results(tmp_path / "old", records(drawn(0, spread=8.0), seeds=2))
    suite, found = compared(again(tmp_path, records(drawn(1, spread=8.0), key="other", seeds=2)), old)
    drift = [item for item in suite.items if item.state.word == "drift" and item.what == "test_accuracy"]
    assert drift
    assert all("repetitions would settle it" in item.detail and not item.gates for item in drift)
    assert not found.regressed


def test_one_repetition_cannot_be_tested_and_says_so(tmp_path):
    old = results(tmp_path / "old", records(drawn(0), seeds=1))
    suite, found = compared(
        again(tmp_path, records(drawn(0, shift={"snip": -5.0}), key="other", seeds=1)), old
    )  # fmt: skip
    assert states(suite, what="test_accuracy") == {("snip", "test_accuracy", "drift", False)}
    assert any("cannot test" in item.detail for item in suite.items)
    assert suite.notes == ("one repetition: accuracies cannot be tested",)
    assert compared(old, old)[0].notes == (), "equality to the bit asks for no test"
    assert not found.regressed


def test_another_loss_is_shown_and_does_not_gate(base, tmp_path):
    found = [with_metrics(r, test_loss=r.metrics["test_loss"] + 0.5) for r in records(drawn(0), key="other")]
    suite, comparison = compared(again(tmp_path, found), base)
    words = {(word, gates) for _, what, word, gates in states(suite) if what == "test_loss"}
    assert words == {("drift", False)}
    assert not comparison.regressed


def test_a_metric_that_is_gone_is_a_regression(base, tmp_path):
    found = [
        replace(r, metrics={k: v for k, v in r.metrics.items() if k != "kept"}) if r.row.method == "snip" else r
        for r in base.records
    ]
    suite, _ = compared(again(tmp_path, found), base)
    assert states(suite) == {("snip", "kept", "missing", True)}
    back, _ = compared(base, again(tmp_path, found))
    assert states(back) == {("snip", "kept", "new", False)}


def test_a_metric_without_a_value_now_is_newly_failing(base, tmp_path):
    found = [with_metrics(r, test_accuracy=None) if r.row.repetition == 2 else r for r in base.records]
    suite, _ = compared(again(tmp_path, found), base)
    assert states(suite) == {(method, "test_accuracy", "newly failing", True) for method in METHODS}
    back, comparison = compared(base, again(tmp_path, found))
    assert states(back) == {(method, "test_accuracy", "fixed", False) for method in METHODS}
    assert not comparison.regressed


@pytest.mark.parametrize("status", ["failed", "timeout", "skipped"])
def test_a_method_that_fails_or_is_skipped_now_is_newly_failing_and_the_reverse_fixed(base, tmp_path, status):
    found = [
        replace(r, status=status, metrics={}, reason="why" * (status == "skipped")) if r.row.method == "snip" else r
        for r in base.records
    ]
    suite, comparison = compared(again(tmp_path, found), base)
    assert states(suite) == {("snip", "status", "newly failing", True)}
    assert comparison.regressed
    back, comparison = compared(base, again(tmp_path, found))
    assert states(back) == {("snip", "status", "fixed", False)}
    assert not comparison.regressed


def test_a_timeout_where_there_was_a_failure_is_no_news_and_can_be_seen(tmp_path):
    old = results(tmp_path / "old", records(lambda method, density, n: None if method == "snip" else BASE[method]))
    found = [replace(r, status="timeout") if r.row.method == "snip" else r for r in old.records]
    suite, _ = compared(again(tmp_path, found), old)
    assert states(suite) == set()
    (item,) = [item for item in suite.items if item.method == "snip"]
    assert (item.what, item.state.word) == ("status", "same")
    assert item.detail.startswith("d=0.5 #0 failed → timeout")


def test_a_method_that_is_gone_is_a_regression_unless_it_was_left_out_on_purpose(base, tmp_path):
    found = [r for r in base.records if r.row.method != "snip"]
    suite, comparison = compared(again(tmp_path, found), base)
    assert states(suite) == {("snip", "cells", "missing", True)}
    assert "15 cells (d=0.5 #0" in suite.regressions[0].detail
    for methods, gates in (
        (["dense", "l*"], False), (["+snip(rounds=2)"], True), (["dense", "snip"], True), (["s*"], True),
        (["dense", "+snip"], True), (["snip(rounds=2)"], False),
    ):  # fmt: skip
        restricted = again(tmp_path, found, selection={"methods": methods, "seeds": None})
        suite, comparison = compared(restricted, base)
        assert states(suite) == {("snip", "cells", "missing", gates)}, methods
        assert comparison.regressed == gates


def test_a_method_that_the_suite_always_has_is_never_left_out_on_purpose(base, tmp_path):
    found = [r for r in base.records if r.row.method != "snip"]
    for densities, gates in (([0.5, 0.25, 0.125], {True}), ([0.5], {True, False}), ([None], {False})):
        always = [["made", ["tradeoff", *TASK], "snip", [None], densities]]
        selection = {"methods": ["dense"], "seeds": None, "set": [], "named": ["dense"], "always": always}
        suite, _ = compared(again(tmp_path, found, selection=selection), base)
        assert {gate for *_, gate in states(suite)} == gates, densities


def test_repetitions_that_are_gone_are_a_regression_unless_the_user_asked_for_fewer(base, tmp_path):
    found = [r for r in base.records if r.row.repetition < 3]
    suite, _ = compared(again(tmp_path, found), base)
    assert states(suite) == {(method, "cells", "missing", True) for method in METHODS}
    suite, comparison = compared(again(tmp_path, found, selection={"methods": [], "seeds": 3}), base)
    assert states(suite) == {(method, "cells", "missing", False) for method in METHODS}
    assert comparison.compared == 3 * 16 * 7


def test_cells_that_are_not_finished_are_missing_and_say_so(base, tmp_path):
    found = [r for r in base.records if r.row.method != "snip"]
    rows = [r.row for r in base.records if r.row.method == "snip"]
    suite, _ = compared(again(tmp_path, found, unfinished=rows, selection={"methods": ["*"], "seeds": None}), base)
    (item,) = suite.regressions
    assert "planned, not finished" in item.detail


def test_a_new_method_is_new_and_no_regression(base, tmp_path):
    more = [cell(row("mine", density, n), 50.0) for n in range(5) for density in (0.5, 0.25)]
    suite, comparison = compared(again(tmp_path, [*base.records, *more]), base)
    assert states(suite) == {("mine", "cells", "new", False)}
    assert not comparison.regressed


@pytest.mark.parametrize(
    ("place", "why"),
    [
        ({"version": 2}, "version of the suite: 1 → 2"),
        ({"scale": "standard"}, "scale of the suite: quick → standard"),
        ({"scale": "quick + densities=[0.5]"}, "quick → quick + densities=[0.5]"),
    ],
)
def test_other_versions_and_scales_are_not_comparable_and_it_is_said(base, tmp_path, place, why):
    suite, comparison = compared(again(tmp_path, records(drawn(0, shift={"snip": -50}), **place)), base)
    assert {word for *_, word, _ in states(suite)} == {"not comparable"}
    assert why in suite.incomparable
    assert not comparison.regressed
    assert comparison.compared == 0


def test_another_version_of_a_metric_is_not_comparable_and_the_others_are(base, tmp_path):
    found = [
        replace(with_metrics(r, test_accuracy=1.0), metric_versions={"test_accuracy": 2}) for r in base.records
    ]  # fmt: skip
    suite, comparison = compared(again(tmp_path, found), base)
    assert states(suite) == {(method, "test_accuracy", "not comparable", False) for method in METHODS}
    assert comparison.compared == 5 * 16 * 6
    assert not comparison.regressed


def test_on_another_kind_of_device_only_what_a_draw_decides_is_not_comparable(tmp_path):
    bare = (*TASK[:2], None)
    plain = [*records(drawn(0)), *records(drawn(0), methods=["snip"], task=bare)]
    old = results(tmp_path / "old", plain)
    found = [with_metrics(r, test_accuracy=0.0) for r in plain]
    suite, _ = compared(again(tmp_path, found, device="cuda"), old)
    assert states(suite) == {(method, "values", "not comparable", False) for method in METHODS}
    same = {(item.task[3], item.what) for item in suite.items if item.state.word == "same"}
    assert same == {(None, w) for w in ("kept", "density", "has_path", "effective_kept", "effective_share")}


def test_two_runs_without_a_common_suite_are_an_error(base, tmp_path):
    with pytest.raises(NothingToDoError, match="no suite in common"):
        compared(again(tmp_path, records(drawn(0), suite="another")), base)


def test_a_suite_that_is_gone_is_not_compared_and_one_that_came_is_new(base, tmp_path):
    both = results(tmp_path / "both", [*base.records, *records(drawn(0), suite="another")])
    comparison = compare(with_side(again(tmp_path, base.records), of_run(both)))
    _, gone = comparison.suites
    assert (gone.suite, gone.compared, gone.incomparable) == ("another", 0, "the suite is not in run again")
    assert states(gone) == {(method, "values", "not comparable", False) for method in METHODS}
    assert [found.suite for found in comparison.unanswered] == ["another"]
    assert not comparison.regressed
    came = compare(with_side(both, of_run(base)))
    assert came.unanswered == []
    assert states(came.suites[1]) == {(method, "values", "new", False) for method in METHODS}
    assert came.compared == came.suites[0].compared


def test_what_fails_or_is_skipped_on_both_sides_is_no_value(base, tmp_path):
    for status, skipped in (("failed", 0), ("timeout", 0), ("skipped", 80)):
        found = [replace(r, status=status, metrics={}, reason="why") for r in base.records]
        suite, comparison = compared(again(tmp_path, found), results(tmp_path / "old", found))
        assert (suite.compared, suite.skipped) == (0, skipped)
        assert comparison.unanswered == [suite]
        assert {item.detail for item in suite.items} == {"5 × " + status, "15 × " + status}


def test_one_that_fails_on_both_sides_takes_no_other_with_it(base, tmp_path):
    found = [replace(r, status="failed", metrics={}) if r.row.method == "snip" else r for r in base.records]
    suite, comparison = compared(again(tmp_path, found), results(tmp_path / "old", found))
    assert suite.compared == 5 * (1 + 4 * 3) * 7
    assert comparison.unanswered == []


def test_opposite_changes_at_two_densities_are_drift_and_name_one(base, tmp_path):
    moves = {0.5: -60.0, 0.125: 60.0}
    found = [
        with_metrics(r, test_accuracy=r.metrics["test_accuracy"] + moves.get(r.row.density, 0.0) + 0.01 * n)
        if r.row.method == "snip" else r
        for n, r in enumerate(records(drawn(0), key="other"))
    ]  # fmt: skip
    suite, comparison = compared(again(tmp_path, found), base)
    assert states(suite) == {("snip", "test_accuracy", "drift", False)}
    (item,) = [item for item in suite.items if item.state.word == "drift"]
    assert "at d=0.125, which the mean over densities hides" in item.detail
    assert not comparison.regressed


def test_numbers_beyond_what_a_float_holds_are_an_error_and_no_traceback(base, tmp_path):
    for value in (1.7e308, 10**308):
        huge = [with_metrics(r, test_accuracy=value) for r in records(drawn(0), key="other")]
        with pytest.raises(StoreError, match="run base and run again hold numbers that are too large"):
            compared(again(tmp_path, huge), base)


def test_a_plan_that_names_a_suite_without_what_it_shows_is_an_error(base, tmp_path):
    broken = again(tmp_path, base.records, presentation={"primary": {"metric": "test_accuracy"}, "column": 3})
    with pytest.raises(StoreError, match=r"^run again, suite 'made': presentation\.[^\n]+$"):
        compared(broken, base)


def test_times_are_shown_and_gate_only_where_a_factor_is_given(base, tmp_path):
    slow = {"find": {"cpu_seconds": 5.0, "peak_bytes": 3 << 20}}
    found = [replace(r, cost=slow) if r.row.method == "snip" else r for r in base.records]
    suite, comparison = compared(again(tmp_path, found), base)
    times = {time.method: (time.old_seconds, time.new_seconds, time.ratio, time.new_peak) for time in suite.times}
    assert times["snip"] == (2.0, 5.0, 2.5, 3 << 20)
    assert not comparison.regressed
    suite, comparison = compared(again(tmp_path, found), base, max_slowdown=2.0)
    assert states(suite) == {("snip", "cpu seconds", "worse", True)}
    _, comparison = compared(again(tmp_path, found), base, max_slowdown=2.5)
    assert not comparison.regressed


def test_a_factor_that_cannot_be_asked_for_is_said(base, tmp_path):
    bare = [replace(r, cost={}) if r.row.method == "snip" else r for r in base.records]
    suite, _ = compared(again(tmp_path, bare), base, max_slowdown=2.0)
    assert suite.notes == ("no times to hold to --max-slowdown of 1 of 6 methods on their tasks",)
    assert compared(again(tmp_path, bare), base)[0].notes == ()
    assert compared(base, base, max_slowdown=2.0)[0].notes == ()


def test_times_of_starting_up_never_gate(tmp_path):
    quick = [replace(r, cost={"find": {"cpu_seconds": 0.01}}) for r in records(drawn(0))]
    slower = [replace(r, cost={"find": {"cpu_seconds": 0.09}}) for r in quick]
    old = results(tmp_path / "old", quick)
    suite, comparison = compared(again(tmp_path, slower), old, max_slowdown=2.0)
    assert suite.times[0].ratio == pytest.approx(9.0)
    assert not comparison.regressed
