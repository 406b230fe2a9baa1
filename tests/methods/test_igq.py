"""Ideal gas quotas."""

from __future__ import annotations

import math
from fractions import Fraction

import pytest

from prunebench.engine.selection.ratios import Layer, Layers
from prunebench.methods.igq import igq

SIZES = [432, 2304, 9216, 36864, 640, 7]
LAYERS = Layers(Layer(f"l{n}", (n, 1)) for n in SIZES)


def test_two_layers_by_hand() -> None:
    # F = 1/100: 100/(1 + 1) + 300/(3 + 1) = 125 of 400.
    found = igq(Layers([Layer("a", (10, 10)), Layer("b", (30, 10))]), 125 / 400)
    assert found == {"a": pytest.approx(1 / 2, rel=1e-12), "b": pytest.approx(1 / 4, rel=1e-12)}


@pytest.mark.parametrize("count", [6, 10, 100, 1_000, 20_000, 40_000, 49_462])
def test_all_layers_have_one_pressure_that_meets_the_budget_to_float_precision(count: int) -> None:
    found = igq(LAYERS, count / LAYERS.total)
    pressures = [(1 / found[f"l{n}"] - 1) / n for n in SIZES]
    largest = pressures[SIZES.index(36864)]
    # 1/r − 1 of a nearly dense layer has the rounding error of r.
    assert pressures == pytest.approx([largest] * len(SIZES), rel=1e-9, abs=1e-13)
    exact = sum(Fraction(found[f"l{n}"]) * n for n in SIZES)
    assert abs(exact - count) < 1e-9 * count


def test_a_network_of_very_unequal_layers_is_solved() -> None:
    layers = Layers([Layer("tiny", (1, 1)), Layer("huge", (20_000, 10_000))])
    for density in (1e-8, 1e-4, 0.5, 1 - 1e-9):
        found = igq(layers, density)
        assert math.fsum([found["tiny"], found["huge"] * 2e8]) == pytest.approx(density * layers.total, rel=1e-9)


def test_large_layers_are_compressed_most() -> None:
    found = igq(LAYERS, 0.05)
    by_size = [found[f"l{n}"] for n in sorted(SIZES)]
    assert by_size == sorted(by_size, reverse=True)
    assert len(set(by_size)) == len(by_size)
