"""Thinner networks inside a network: shares against brute force, the dense part by plain slicing."""

from __future__ import annotations

import functools
import itertools
import math
from fractions import Fraction

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable
from prunebench.engine.structure.channels import Channels
from prunebench.engine.structure.effective import Connectivity
from prunebench.engine.structure.thinner import Thinner, thinner
from prunebench.errors import PruningError
from prunebench.plugins import ready
from prunebench.spec import Spec
from prunebench.tasks.build import build_model

ready()
IMAGE = (3, 8, 8)
WIDTHS = (8, 12, 5)


def perceptron() -> nn.Module:
    widths = (6, *WIDTHS, 3)
    return nn.Sequential(*(nn.Linear(a, b) for a, b in itertools.pairwise(widths)))


def weights(*hidden: int) -> int:
    widths = (6, *hidden, 3)
    return sum(a * b for a, b in itertools.pairwise(widths))


@functools.cache
def of(spec: str) -> Channels:
    model = perceptron() if spec == "perceptron" else build_model(Spec.parse(spec), IMAGE, 10, 0)
    return Channels.of(model, (6,) if spec == "perceptron" else IMAGE)


def stay(found: Thinner) -> dict[str, int]:
    return {name: int((~flags).sum()) for name, flags in found.removed.items()}


@settings(max_examples=60, deadline=None)
@given(st.integers(weights(1, 1, 1), weights(*WIDTHS)))
def test_the_largest_share_that_fits_and_then_channels_in_forward_order(count: int) -> None:
    found = thinner(of("perceptron"), count)
    shares = sorted({Fraction(kept, n) for n in WIDTHS for kept in range(1, n + 1)})
    sizes = {share: [math.ceil(share * n) for n in WIDTHS] for share in shares}
    largest = max(share for share in shares if weights(*sizes[share]) <= count)
    hidden = list(sizes[largest])
    larger = sizes[min((share for share in shares if share > largest), default=Fraction(1))]
    grows = [layer for layer in range(3) if larger[layer] > hidden[layer]]
    grown = [hidden, *([*larger[: layer + 1], *hidden[layer + 1 :]] for layer in grows)]
    fits = max(grown, key=lambda widths: (weights(*widths) <= count, weights(*widths)))
    assert list(stay(found).values()) == fits
    assert found.masks.kept() == count
    dense = of("perceptron").masks(found.removed)
    edges = (6, *fits, 3)
    for index, mask in enumerate(dense.values()):
        expected = torch.zeros_like(mask)
        expected[: edges[index + 1], : edges[index]] = True
        assert torch.equal(mask, expected)
    partial = {name: mask & ~dense[name] for name, mask in found.masks.items()}
    assert all((dense[name] <= mask).all() for name, mask in found.masks.items())
    if any(mask.any() for mask in partial.values()):
        following = grown[grown.index(fits) + 1]
        layer = next(i for i in range(3) if following[i] > fits[i])
        own = partial[f"{layer}.weight"][fits[layer], : edges[layer]]
        out = partial[f"{layer + 1}.weight"][: edges[layer + 2], fits[layer]]
        assert int(own.sum() + out.sum()) == count - weights(*fits)
        row = torch.cat([own, out])  # its own weights first, in order
        assert torch.equal(row, torch.arange(len(row)) < row.sum())


@pytest.mark.parametrize(
    "spec", ["resnet-20(width=0.5)", "resnet-20(width=0.5,shortcut=option-a)", "conv-4(width=0.1)"]
)
@pytest.mark.parametrize("density", [0.9, 0.3, 0.05])
def test_real_networks_are_thinned_evenly_and_keep_every_path(spec: str, density: float) -> None:
    channels = of(spec)
    model = build_model(Spec.parse(spec), IMAGE, 10, 0)
    total = Masks.full(prunable(model)).total()
    found = thinner(channels, round(density * total))
    assert found.masks.kept() == round(density * total)
    dense = channels.masks(found.removed)
    effective, outputs = Connectivity(model, IMAGE).effective(dense)
    assert outputs.all()
    assert effective == dense
    shares = {}
    for group in channels.groups.values():
        for layer, numbers in group.channels.items():
            flags = ~found.removed[group.name][numbers]
            shares[layer] = (int(flags.sum()), len(flags))
            if group.kinds.max() == 0:
                assert flags.tolist() == sorted(flags.tolist(), reverse=True)
    # A layer of k kinds has a share rounded up k times.
    lowest = max(Fraction(kept - 3, wide) for kept, wide in shares.values())
    assert all(lowest <= Fraction(kept, wide) for kept, wide in shares.values())


def test_stages_with_padded_shortcuts_are_thinned_by_the_same_share() -> None:
    channels = of("resnet-20(width=0.5,shortcut=option-a)")
    # Kinds of 8, 8 and 16 channels; inner layers of 8, 16 and 32.
    half = {g.name: g.size // 2 for g in channels.groups.values()}
    removed = {}
    for group in channels.groups.values():
        removed[group.name] = torch.zeros(group.size, dtype=torch.bool)
        for kind in range(int(group.kinds.max()) + 1):
            own = (group.kinds == kind).nonzero().flatten()
            removed[group.name][own[len(own) // 2 :]] = True
    found = thinner(channels, channels.kept(removed))
    assert stay(found) == half
    assert all(torch.equal(found.removed[name], flags) for name, flags in removed.items())
    assert found.masks == channels.masks(removed)


def test_counts_at_the_ends() -> None:
    channels = of("perceptron")
    assert thinner(channels, weights(*WIDTHS)).masks == channels.masks({})
    assert stay(thinner(channels, weights(1, 1, 1))) == {"0.weight": 1, "1.weight": 1, "2.weight": 1}
    with pytest.raises(PruningError, match=f"the thinnest has {weights(1, 1, 1)}"):
        thinner(channels, weights(1, 1, 1) - 1)
    with pytest.raises(PruningError, match=f"the whole one has {weights(*WIDTHS)}"):
        thinner(channels, weights(*WIDTHS) + 1)
    alone = Channels.of(nn.Linear(3, 2), (3,))
    assert thinner(alone, 6).masks.kept() == 6
    with pytest.raises(PruningError, match="the thinnest has 6"):
        thinner(alone, 5)


def test_masks_of_more_weights_contain_those_of_fewer() -> None:
    before = thinner(of("perceptron"), weights(1, 1, 1)).masks
    for count in range(weights(1, 1, 1) + 1, weights(*WIDTHS) + 1, 7):
        masks = thinner(of("perceptron"), count).masks
        assert all((before[name] <= masks[name]).all() for name in masks)
        before = masks
