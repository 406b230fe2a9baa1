"""Instability of a training's events, errors and gaps, by hand."""

from __future__ import annotations

import pytest

from prunebench.steps.settle import gaps, instability

EVENTS = [
    {"instability_abs": 10.0, "instability_rel": 0.2, "loss_instability_abs": 0.5, "loss_instability_rel": 1.0},
    {"instability_abs": -2.0, "instability_rel": -0.04, "loss_instability_abs": 0.1, "loss_instability_rel": 0.25},
]


def test_instability_is_the_mean_over_events_and_the_sum():
    found = instability(EVENTS, untouched=False)
    assert found == pytest.approx(
        {
            "events": 2, "instability_abs": 4, "instability_abs_total": 8, "instability_rel": 0.08,
            "loss_instability_abs": 0.3, "loss_instability_abs_total": 0.6, "loss_instability_rel": 0.625,
        }
    )  # fmt: skip


def test_a_ratio_over_zero_counts_in_no_mean():
    first = {name: value for name, value in EVENTS[0].items() if name != "instability_rel"}
    assert instability([first, EVENTS[1]], untouched=False)["instability_rel"] == -0.04
    assert instability([first], untouched=False)["instability_rel"] is None


def test_a_network_that_nothing_is_taken_from_is_stable_and_unmeasured_events_say_nothing():
    assert set(instability([], untouched=True).values()) == {0.0}
    found = instability([{"step": 3.0, "kept": 20.0}], untouched=False)
    assert found.pop("events") == 1
    assert set(found.values()) == {None}


def test_errors_and_gaps():
    measured = {"train_accuracy": 97.5, "test_accuracy": 60.0, "train_loss": 0.25, "test_loss": 2.0}
    assert gaps(measured) == {"train_error": 2.5, "test_error": 40.0, "gap": 37.5, "loss_gap": 1.75}
