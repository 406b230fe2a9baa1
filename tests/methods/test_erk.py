"""Erdős–Rényi densities against a loop written as RigL's, and by hand."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunebench.engine.selection.ratios import Layer, Layers
from prunebench.methods.erk import er, erk

VGG = [(64, 3, 3, 3), (64, 64, 3, 3), (128, 64, 3, 3), (256, 128, 3, 3), (512, 256, 3, 3), (10, 512)]


def layers_of(shapes: list[tuple[int, ...]]) -> Layers:
    return Layers(Layer(f"l{i}", shape) for i, shape in enumerate(shapes))


def rigl(shapes: list[tuple[int, ...]], sparsity: float, powers: float = 1.0) -> list[float]:
    """Densities as the published loop finds them: one layer a turn, the most probable one, becomes dense."""
    dense: set[int] = set()
    while True:
        divisor = rhs = 0.0
        raw = {}
        for i, shape in enumerate(shapes):
            size = math.prod(shape)
            if i in dense:
                rhs -= size * sparsity
            else:
                rhs += size * (1 - sparsity)
                raw[i] = (sum(shape) / math.prod(shape)) ** powers
                divisor += raw[i] * size
        if not raw:
            return [1.0] * len(shapes)
        epsilon = rhs / divisor
        largest = max(raw.values())
        if largest * epsilon <= 1:
            return [1.0 if i in dense else epsilon * raw[i] for i in range(len(shapes))]
        dense |= {i for i, value in raw.items() if value == largest}


@pytest.mark.parametrize("density", [0.001, 0.01, 0.1, 0.3, 0.5, 0.9])
def test_densities_are_those_of_the_published_loop(density: float) -> None:
    assert list(erk(layers_of(VGG), density).values()) == pytest.approx(rigl(VGG, 1 - density), rel=1e-9)


@given(
    st.lists(st.one_of(st.tuples(st.integers(1, 99), st.integers(1, 99)), st.tuples(*[st.integers(1, 9)] * 4)),
             min_size=1, max_size=9),
    st.floats(0.01, 0.99),
)  # fmt: skip
@settings(deadline=None)
def test_densities_of_any_shapes_are_those_of_the_published_loop(shapes: list[tuple[int, ...]], density: float) -> None:
    assert list(erk(layers_of(shapes), density).values()) == pytest.approx(rigl(shapes, 1 - density), rel=1e-6)


def test_two_layers_by_hand() -> None:
    # 20/100 · 100 + 30/200 · 200 = 50 for ε = 1; 30 weights are ε = 0.6.
    found = erk(layers_of([(10, 10), (20, 10)]), 0.1)
    assert list(found.values()) == pytest.approx([0.12, 0.09])


def test_a_layer_past_one_becomes_dense_and_the_factor_is_solved_again() -> None:
    # Parts 1 (2·2) and 0.02 (100·100): 1004 of 10004 at ε = 5.0 would keep the first five times over.
    found = erk(layers_of([(2, 2), (100, 100)]), 1004 / 10004)
    assert list(found.values()) == pytest.approx([1.0, 0.1])


def test_er_leaves_the_kernel_out_and_erk_counts_it() -> None:
    shapes = [(10, 10, 5, 5), (20, 10)]
    # ER: 0.2 · 2500 + 0.15 · 200 = 530; ERK: 30/2500 · 2500 + 0.15 · 200 = 60. Budget 54.
    assert list(er(layers_of(shapes), 0.02).values()) == pytest.approx([0.2 * 54 / 530, 0.15 * 54 / 530])
    assert list(erk(layers_of(shapes), 0.02).values()) == pytest.approx([0.012 * 54 / 60, 0.15 * 54 / 60])


def test_a_depthwise_convolution_counts_by_its_weight_tensor() -> None:
    shapes = [(32, 1, 3, 3), (64, 32, 1, 1)]
    # 39/288 · 288 + 98/2048 · 2048 = 137.
    found = erk(layers_of(shapes), 100 / 2336)
    assert list(found.values()) == pytest.approx([39 / 288 * 100 / 137, 98 / 2048 * 100 / 137])
