"""PHEW: exact counts of weights that lie on paths."""

from __future__ import annotations

import itertools
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

import prunebench as pb
from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable
from prunebench.engine.structure.effective import Connectivity
from prunebench.errors import PruningError, UnsupportedOperatorError
from prunebench.plugins import ready
from prunebench.spec import Spec
from prunebench.tasks.build import build_model

if TYPE_CHECKING:
    from torch import Tensor

ready()
ZOO = {
    "mlp(widths=[20],repeat=3)": (1, 8, 8),
    "lenet-300-100(width=0.1)": (1, 8, 8),
    "lenet-5(width=0.3)": (1, 28, 28),
    "cnn-1d": (1, 40),
    "conv-4(width=0.1)": (1, 8, 8),
    "resnet-20(width=0.25)": (3, 16, 16),
    "resnet-20(width=0.25,shortcut=option-a)": (3, 16, 16),
    "vgg-16(width=0.06)": (3, 32, 32),
    "wrn-16(k=1)": (3, 16, 16),
}
DENSITIES = (0.02, 0.1, 0.5, 0.9, 0.999, 1.0)


@cache
def network(spec: str) -> nn.Module:
    return build_model(Spec.parse(spec), ZOO[spec], 10, 0)


def whole_kernels(masks: Masks) -> Masks:
    """Every kernel of which an entry is kept."""
    return Masks({n: m.flatten(2).any(2).view(*m.shape[:2], *[1] * (m.dim() - 2)).expand_as(m) if m.dim() > 2 else m
                  for n, m in masks.items()})  # fmt: skip


@pytest.mark.parametrize("spec", ZOO)
def test_every_kept_kernel_is_on_a_path_at_every_exact_count(spec: str) -> None:
    model, shape = network(spec), ZOO[spec]
    connectivity = Connectivity(model, shape)
    seen = whole_kernels(connectivity.effective(connectivity.full())[0])
    for density in DENSITIES:
        ticket = pb.find_ticket(model, "phew", density=density, input_shape=shape)
        assert ticket.masks.kept() == round(density * ticket.masks.total())
        assert ticket.notes == ()
        kernels = whole_kernels(ticket.masks)
        assert whole_kernels(connectivity.effective(kernels)[0]) == kernels
        assert all(not (kernels[name] & ~seen[name]).any() for name in seen)


@pytest.mark.parametrize("spec", [spec for spec in ZOO if "mlp" in spec or "lenet" in spec or "resnet" in spec])
def test_every_kept_weight_is_effective_by_position_where_maps_are_not_small(spec: str) -> None:
    model, shape = network(spec), ZOO[spec]
    if spec.startswith("resnet"):
        shape = (3, 32, 32)
    for density in (0.02, 0.1, 0.6):
        masks = pb.prune(model, "phew", density=density, input_shape=shape)
        assert pb.effective_density(model, masks, input_shape=shape) == masks.density()


@pytest.mark.parametrize("spec", ["mlp(widths=[20],repeat=3)", "resnet-20(width=0.25)"])
def test_the_fewest_weights_are_a_path_and_what_joins_it(spec: str) -> None:
    model, shape = network(spec), (3, 32, 32) if "resnet" in spec else ZOO[spec]
    weights = prunable(model)
    total, layers = sum(w.numel() for w in weights.values()), len(weights)
    for count in range(layers, layers + 25, 4):
        masks = pb.prune(model, "phew", density=count / total, input_shape=shape)
        assert masks.kept() == count
        assert pb.effective_density(model, masks, input_shape=shape) == masks.density()
    if spec.startswith("mlp"):
        lean = pb.prune(model, "phew", density=layers / total, input_shape=shape)
        assert set(lean.by_layer().values()) == {1}


def test_the_seed_decides_and_nothing_else() -> None:
    spec = "resnet-20(width=0.25)"

    def masks(seed: int) -> Masks:
        return pb.prune(network(spec), "phew", density=0.1, input_shape=ZOO[spec], seed=seed)

    torch.manual_seed(1)
    np.random.seed(1)
    first = masks(0)
    torch.manual_seed(2)
    np.random.seed(2)
    assert masks(0) == first
    assert masks(1) != first


@pytest.mark.parametrize("spec", ["lenet-300-100(width=0.1)", "resnet-20(width=0.25)"])
def test_masks_of_one_seed_are_nested_but_for_less_than_a_walk(spec: str) -> None:
    model = network(spec)
    found = [pb.prune(model, "phew", density=d, input_shape=ZOO[spec]) for d in (0.01, 0.03, 0.1, 0.3, 0.6, 0.95)]
    for smaller, larger in itertools.pairwise(found):
        assert sum(int((smaller[n] & ~larger[n]).sum()) for n in smaller) < len(smaller)


def test_large_weights_are_kept_more_often_unless_the_walks_are_unbiased() -> None:
    spec = "lenet-300-100(width=0.1)"
    sizes = torch.cat([(w.abs() / w.abs().mean()).detach().flatten() for w in prunable(network(spec)).values()])

    def kept_size(method: str) -> float:
        masks = pb.prune(network(spec), method, density=0.1, input_shape=ZOO[spec])
        return float(sizes[torch.cat([m.flatten() for m in masks.values()])].mean())

    # E|w|²/(E|w|)² of a normal weight drawn by its size is π/2.
    assert 1.3 < kept_size("phew") < 1.6
    assert kept_size("phew(biased=false)") == pytest.approx(1, abs=0.05)


def test_single_weights_fill_up_a_network_that_walks_have_exhausted() -> None:
    # A layer that random walks would take ages to empty: one of its weights is nearly all of its size.
    model = nn.Sequential(nn.Linear(30, 40, bias=False), nn.ReLU(), nn.Linear(40, 5, bias=False))
    torch.nn.init.constant_(model[0].weight, 1e-8)
    torch.nn.init.constant_(model[2].weight, 1e-8)
    model[0].weight.data[0], model[2].weight.data[:, 0] = 1, 1
    for density in (0.03, 0.3, 0.97):
        masks = pb.prune(model, "phew", density=density, input_shape=(30,))
        assert masks.kept() == round(density * 1400)
        assert pb.effective_density(model, masks, input_shape=(30,)) == masks.density()


def test_single_weights_are_drawn_by_their_size() -> None:
    model = nn.Sequential(nn.Linear(30, 40, bias=False), nn.ReLU(), nn.Linear(40, 5, bias=False))
    torch.nn.init.constant_(model[0].weight, 1e-8)
    torch.nn.init.constant_(model[2].weight, 1e-8)
    model[0].weight.data[1:, :15] = 1e-6
    model[0].weight.data[0], model[2].weight.data[:, 0] = 1, 1

    def share(method: str) -> float:
        kept = pb.prune(model, method, density=0.3, input_shape=(30,))["0.weight"][1:]
        return float(kept[:, :15].sum() / kept.sum())

    assert share("phew") > 0.95
    assert 0.4 < share("phew(biased=false)") < 0.6


def test_weights_on_no_path_come_last_and_are_told() -> None:
    # A 1 × 1 map: of nine entries of a kernel one sees it.
    model = nn.Sequential(nn.Conv2d(2, 4, 3, padding=1), nn.Flatten(), nn.Linear(4, 3))
    whole = pb.find_ticket(model, "phew", density=20 / 84, input_shape=(2, 1, 1))
    assert (whole.masks.kept(), whole.notes) == (20, ())
    more = pb.find_ticket(model, "phew", density=30 / 84, input_shape=(2, 1, 1))
    assert (more.masks.kept(), more.notes) == (30, ("10 kept weights lie on no path",))
    assert all(not (whole.masks[n] & ~more.masks[n]).any() for n in whole.masks)


def test_zero_weights_are_kept_when_all_are() -> None:
    model = nn.Sequential(nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 4))
    model[2].weight.data.zero_()
    model[0].weight.data[:, 0] = 0
    for density in (0.2, 0.7, 1.0):
        assert pb.prune(model, "phew", density=density, input_shape=(6,)).kept() == round(50 * density)


def test_phew_leaves_the_network_as_it_was() -> None:
    model = network("resnet-20(width=0.25)")
    before = {name: value.clone() for name, value in model.state_dict().items()}
    pb.prune(model, "phew", density=0.2, input_shape=(3, 16, 16))
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())


class Product(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).cumsum(1)


class Border(nn.Module):
    """All that its layer sees is padding."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Conv2d(1, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(nn.functional.pad(x, (1, 1, 1, 1))[..., :1])


def test_what_cannot_be_walked_is_refused() -> None:
    with pytest.raises(UnsupportedOperatorError, match="'cumsum'"):
        pb.prune(Product(), "phew", density=0.5, input_shape=(4,))
    with pytest.raises(PruningError, match="no path of weights leads"):
        pb.prune(Border(), "phew", density=1, input_shape=(1, 2, 2))
    broken = nn.Linear(3, 2)
    broken.weight.data[0, 0] = torch.nan
    with pytest.raises(PruningError, match="layer weight has weights that are not finite"):
        pb.prune(broken, "phew", density=1, input_shape=(3,))
    with pytest.raises(PruningError, match="makes masks without scores"):
        pb.score(nn.Linear(3, 2), "phew", input_shape=(3,))
