"""LAMP by hand, against the definition and in large layers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import prunebench as pb


def linear(rows: list[list[float]], dtype: torch.dtype = torch.float64) -> nn.Linear:
    values = torch.tensor(rows, dtype=dtype)
    model = nn.Linear(values.shape[1], values.shape[0], bias=False).to(dtype)
    model.weight.data = values
    return model


def test_scores_by_hand() -> None:
    # 9/9, 4/13, 4/17 if they were ordered; equals count each other, so both are 4/(9 + 8); 1/18.
    scores = pb.score(linear([[3, -2], [2, 1]]), "lamp", input_shape=(2,))["weight"]
    raw = torch.tensor([[1, 4 / 17], [4 / 17, 1 / 18]], dtype=torch.float64)
    torch.testing.assert_close(scores, raw / raw.sum(), rtol=1e-14, atol=0)


@given(st.lists(st.sampled_from([0.0, 0.5, -0.5, 1.0, -2.0, 3.0, 1e-3]), min_size=1, max_size=30).filter(any))
@settings(deadline=None)
def test_scores_are_the_definition_ties_and_zeros_included(values: list[float]) -> None:
    scores = pb.score(linear([values]), "lamp", input_shape=(len(values),))["weight"][0].tolist()
    raw = [u * u / sum(v * v for v in values if abs(v) >= abs(u)) for u in values]
    assert scores == pytest.approx([r / sum(raw) for r in raw], rel=1e-12)


def test_scores_of_a_layer_do_not_depend_on_its_scale() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 5), nn.Linear(5, 4)).double()
    before = pb.score(model, "lamp", input_shape=(6,))
    model[0].weight.data *= 1e-180  # whose squares float64 does not hold
    after = pb.score(model, "lamp", input_shape=(6,))
    for name in before:
        torch.testing.assert_close(after[name], before[name], rtol=1e-12, atol=0)


def test_inside_a_layer_the_order_is_that_of_magnitudes_down_to_neighbouring_floats() -> None:
    torch.manual_seed(1)
    model = nn.Linear(1000, 1000, bias=False)
    scores = pb.score(model, "lamp", input_shape=(1000,))["weight"].flatten()
    order = model.weight.detach().abs().flatten().double().argsort()
    sizes = model.weight.detach().abs().flatten()[order]
    grows = sizes[1:] > sizes[:-1]
    assert torch.equal(scores[order][1:] > scores[order][:-1], grows)
    # float32 sums would stop growing long before the last of a million weights.
    exact = np.square(np.sort(sizes.numpy().astype(np.longdouble)))[::-1]
    raw = (exact / np.cumsum(exact)[np.searchsorted(-exact, -exact, side="right") - 1]).astype(np.float64)
    assert np.allclose(np.sort(scores.numpy())[::-1], raw / raw.sum(), rtol=1e-9)


def test_a_layer_of_zeros_scores_zero() -> None:
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    nn.init.zeros_(model[0].weight)
    scores = pb.score(model, "lamp", input_shape=(3,))
    assert not scores["0.weight"].any()
    assert scores["1.weight"].all()


def test_iterating_changes_nothing_and_masks_are_nested_and_exact() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Conv2d(2, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 10))
    found = []
    for count in (2, 50, 700):
        masks, often = (
            pb.prune(model, spec, density=count / 1068, input_shape=(2, 6, 6)) for spec in ("lamp", "lamp(rounds=7)")
        )
        assert masks == often
        assert masks.kept() == count
        found.append(masks)
    assert all(not (a[name] & ~b[name]).any() for a, b in itertools.pairwise(found) for name in a)


def test_no_layer_is_emptied_before_the_last_weight_of_another() -> None:
    torch.manual_seed(4)
    model = nn.Sequential(nn.Linear(50, 50), nn.Linear(50, 40), nn.Linear(40, 2))
    assert pb.prune(model, "lamp", density=3 / 4580, input_shape=(50,)).dead_layers() == []
