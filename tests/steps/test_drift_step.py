"""The step that follows the squares of weights: what its record has, and what it skips."""

from __future__ import annotations

import json

import pytest

from prunebench.graph import Component
from prunebench.plugins import ready
from prunebench.records.metrics import METRICS
from prunebench.spec import Spec
from prunebench.steps.drift import drift

ready()


def run(method, density, model="mlp(widths=[12], repeat=2)"):
    parts = {"model": model, "dataset": "digits", "recipe": "small-sgd(epochs=1)", "method": method}
    named = {kind: Component(kind, Spec.parse(text)) for kind, text in parts.items()}
    return drift.run(**named, density=density, repetition=0).value["drift"]


def test_a_record_has_the_masks_the_change_and_the_way_there():
    found = run("imp(rate=0.5)", 0.5)
    total = 64 * 12 + 12 * 12 + 12 * 10
    assert found["metrics"]["kept"] == total / 2
    assert found["metrics"].keys() <= METRICS.keys()
    assert found["series"]["layer"] == ["1.weight", "3.weight", "5.weight"]
    assert found["series"]["size_by_layer"] == [64 * 12, 12 * 12, 12 * 10]
    assert found["series"]["drift_training"] == [0, 1, 2, 2]
    assert found["series"]["drift_kept"] == [total, total, total / 2, total / 2]
    assert len(found["series"]["square_total"]) == 3
    assert found["labels"]["data"]
    assert json.loads(json.dumps(found)) == found


def test_notes_of_a_ticket_are_a_label():
    found = run("targeted(events=9, start=0.9, end=0.95)", 0.7)
    assert "events on" in found["labels"]["notes"]


@pytest.mark.parametrize(
    ("method", "density", "reason"),
    [
        ("gmp", 0.0001, "density 0.0001 keeps 0 weights, fewer than the 3 layers"),
        ("small-dense", 0.07, "no thinner network has 72 weights: the thinnest has 75"),
        ("targeted-filters(importance=ebn)", 0.5, "importance=ebn needs BatchNorm with γ and β"),
    ],
)
def test_what_cannot_be_pruned_so_is_skipped_with_a_reason(method, density, reason):
    assert run(method, density)["skipped"].startswith(reason)
