"""Uniform densities and uniform+."""

from __future__ import annotations

import pytest
from torch import nn

import prunebench as pb
from prunebench.engine.selection.ratios import Layer, Layers
from prunebench.errors import PruningError
from prunebench.methods.uniform import uniform

LAYERS = Layers([Layer("a", (10, 10)), Layer("b", (20, 10)), Layer("c", (40, 20)), Layer("d", (5, 40))])


def test_every_layer_has_the_density() -> None:
    found = uniform(LAYERS, 0.37)
    assert dict(found.by_layer) == pytest.approx(dict.fromkeys("abcd", 0.37))
    assert found.notes == ()


def test_uniform_plus_by_hand() -> None:
    # 260 of 1300: 100 in a, 0.2 · 200 in d, so 120 of the 1000 in b and c.
    found = uniform(LAYERS, 0.2, first_dense=True, last_min=0.2)
    assert dict(found.by_layer) == {"a": 1, "b": pytest.approx(0.12), "c": pytest.approx(0.12), "d": 0.2}
    assert found.notes == ()


def test_the_last_layer_has_what_the_others_have_where_that_is_more() -> None:
    # (780 − 100)/1200
    assert uniform(LAYERS, 0.6, first_dense=True, last_min=0.2).by_layer["d"] == pytest.approx(680 / 1200)


def test_a_first_layer_that_the_budget_cannot_hold_is_scaled_down_and_recorded() -> None:
    # 65 weights: one each for b and c and d is left, 62 for a.
    found = uniform(LAYERS, 0.05, first_dense=True)
    assert found.by_layer["a"] == pytest.approx(0.62)
    assert found.by_layer["b"] == found.by_layer["c"] == found.by_layer["d"] == pytest.approx(3 / 1200)
    assert len(found.notes) == 1
    assert "a keeps 0.62" in found.notes[0]


def test_both_grants_are_scaled_by_one_factor() -> None:
    # 100 + 40 are granted, 65 − 2 are there.
    found = uniform(LAYERS, 0.05, first_dense=True, last_min=0.2)
    assert found.by_layer["a"] == pytest.approx(63 / 140)
    assert found.by_layer["d"] == pytest.approx(0.2 * 63 / 140)


def test_the_note_reaches_the_ticket() -> None:
    model = nn.Sequential(nn.Linear(20, 20), nn.ReLU(), nn.Linear(20, 5))
    short, enough = (
        pb.find_ticket(model, "uniform(first_dense=true)", density=d, input_shape=(20,)).notes for d in (0.1, 0.9)
    )
    assert "scaled down" in short[0]
    assert enough == ()


@pytest.mark.parametrize("least", [-0.1, 1.5, float("nan")])
def test_a_least_ratio_outside_the_unit_interval_is_refused(least: float) -> None:
    with pytest.raises(PruningError, match="last_min"):
        uniform(LAYERS, 0.5, last_min=least)
