"""What one weight makes of each metric: by counting, and by changing one weight's place."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from prunebench.analysis.comparison.tolerances import size, tolerance
from prunebench.records.metrics import METRICS
from prunebench.records.schema import Record, Row
from tests.analysis.comparison.made import TASK, compared, records, results, states

BARE = (*TASK[:2], None)
WEIGHTS = 60_000.0


def record(arm=None, **metrics):
    return Record(Row("s", 1, "c", "quick", *BARE, "snip", 0.1, arm, 0), "ok", metrics=metrics)


@pytest.mark.parametrize("count", [1, 50, 999, 1000, 30_000])
def test_a_count_of_weights_may_differ_by_one_or_a_thousandth(count):
    assert tolerance("kept", record(kept=count), None) == max(1, count / 1000)


@pytest.mark.parametrize("name", [n for n, m in METRICS.items() if m.unit in {"layers", "classes"}] + ["has_path"])
def test_counts_of_layers_classes_and_paths_may_not_differ(name):
    assert tolerance(name, record(**{name: 3}), WEIGHTS) == 0


@pytest.mark.parametrize("k", [7, 400, 5000])
def test_a_critical_compression_may_differ_by_one_weight_of_the_critical_count(k):
    rho, bound = WEIGHTS / k, WEIGHTS / 3
    own = record(rho_cr_dead_layer=rho, rho_max_dead_layer=bound, log_ratio_dead_layer=math.log(rho) / math.log(bound))
    step = max(1.0, k / 1000)
    assert tolerance("rho_cr_dead_layer", own, WEIGHTS) == pytest.approx(rho * step / k)
    # The change of the logarithm, to first order in the change of the count.
    change = (math.log(WEIGHTS / k) - math.log(WEIGHTS / (k + 1e-6 * step))) / math.log(bound) * 1e6
    assert tolerance("log_ratio_dead_layer", own, WEIGHTS) == pytest.approx(change, rel=1e-3)


def test_without_the_size_of_the_network_a_critical_compression_may_differ_by_a_thousandth():
    assert tolerance("rho_cr_dead_layer", record(rho_cr_dead_layer=500.0), None) == pytest.approx(0.5)
    assert size([None, record(), record(kept=6000, density=0.1)]) == 60_000
    assert size([record(kept=0, density=0.0)]) is None


@pytest.mark.parametrize(("kept", "effective"), [(100, 90), (20_000, 19_000)])
def test_ratios_may_differ_by_what_one_effective_weight_makes_of_them(kept, effective):
    own = record(
        kept=kept, effective_kept=effective, effective_share=effective / kept, effective_density=effective / WEIGHTS,
        density=kept / WEIGHTS, kept_macs=kept * 25, effective_macs=effective * 25,
    )  # fmt: skip
    one = max(1.0, effective / 1000)
    assert tolerance("effective_share", own, None) == pytest.approx(one / kept)
    assert tolerance("effective_density", own, None) == pytest.approx(one / WEIGHTS)
    assert tolerance("effective_macs", own, None) == pytest.approx(25 * one)
    assert tolerance("density", own, None) == pytest.approx(max(1.0, kept / 1000) / WEIGHTS)


@pytest.mark.parametrize(("arm", "least"), [("flow", 1e-9), ("flow(precision=single)", 1e-4)])
def test_a_residual_is_nothing_below_the_precision_of_its_arm(arm, least):
    assert tolerance("unit_residual", record(arm, unit_residual=1e-16), None) == least
    assert tolerance("unit_residual", record(arm, unit_residual=0.5), None) == pytest.approx(5e-4)


def bare(change=lambda r: r):
    found = [
        replace(r, metrics={"kept": r.metrics["kept"], "effective_kept": r.metrics["effective_kept"], "has_path": 1.0})
        for r in records(lambda *_: 0.0, methods=["snip", "magnitude"], seeds=3, task=BARE)
    ]
    return [change(r) for r in found]


def moved(metric, by, *, only=("snip",)):
    def change(r):
        if r.row.method not in only:
            return r
        return replace(r, metrics={**r.metrics, metric: r.metrics[metric] + by(r.row.repetition)})

    return change


def test_one_weight_is_a_change_on_the_same_platform_and_rounding_on_another(tmp_path):
    old = results(tmp_path / "old", bare())
    found = bare(moved("effective_kept", lambda _: 1))
    same, comparison = compared(results(tmp_path / "same", found), old)
    assert states(same) == {("snip", "effective_kept", "changed", True)}
    assert comparison.regressed
    other, _ = compared(results(tmp_path / "other", found, processor="6502"), old)
    assert states(other) == set()


def test_elsewhere_chaos_is_drift_what_all_repetitions_say_is_a_change_and_the_size_of_a_mask_is_exact(tmp_path):
    old = results(tmp_path / "old", bare())

    def elsewhere(name, change):
        return compared(results(tmp_path / name, bare(change), processor="6502"), old)[0]

    chaos = elsewhere("chaos", moved("effective_kept", lambda n: (-20, 9, 15)[n]))
    assert states(chaos) == {("snip", "effective_kept", "drift", False)}
    for n, far in enumerate(((-300, 299, 2), (-200, -100, 200), (5, 0, 0))):
        shown = elsewhere(f"far{n}", moved("effective_kept", lambda n, far=far: far[n]))
        assert states(shown) == {("snip", "effective_kept", "drift", False)}, far
    systematic = elsewhere("systematic", moved("effective_kept", lambda n: -40 - n))
    assert states(systematic) == {("snip", "effective_kept", "changed", True)}
    size_of_mask = elsewhere("size", moved("kept", lambda n: 5 * (n == 0)))
    assert states(size_of_mask) == {("snip", "kept", "changed", True)}


@pytest.mark.parametrize("arm", [None, "flow(precision=single)"])
def test_a_law_that_is_broken_in_one_repetition_is_found_and_rounding_is_not(tmp_path, arm):
    presentation = {
        "primary": {"metric": "unit_residual", "tolerance": 0},
        "column": [{"header": "units", "metric": "unit_residual"}],
        "sections": ["conservation"],
    }

    def measured(value, key):
        return [
            Record(Row("s", 1, "conservation", "quick", *BARE, "synflow", None, arm, n), "ok", key=key, provenance="p",
                   metrics={"unit_residual": value(n)})
            for n in range(3)
        ]  # fmt: skip

    old = results(tmp_path / "old", measured(lambda n: 1e-16 * n, "a"), presentation=presentation)
    rounding = measured(lambda n: 1e-15 * (3 - n), "b")
    suite, _ = compared(results(tmp_path / "rounding", rounding, presentation=presentation), old)
    assert states(suite) == set()
    broken = measured(lambda n: 1e-3 * (n == 1), "b")
    suite, _ = compared(results(tmp_path / "broken", broken, presentation=presentation), old)
    assert states(suite) == {("synflow", "unit_residual", "changed", True)}
