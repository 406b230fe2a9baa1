"""Taylor importance of weights and filters."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import prunebench as pb
from prunebench.engine.prunable import prunable


def network(dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.Softplus(), nn.ConvTranspose2d(6, 4, 2, groups=2), nn.Softplus(), nn.Flatten(),
        nn.Linear(100, 3),
    ).to(dtype)  # fmt: skip


def batch_of(dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    return torch.randn(12, 2, 6, 6, generator=torch.Generator().manual_seed(1)).to(dtype), torch.arange(12) % 3


def test_the_score_of_a_weight_is_that_of_snip_squared() -> None:
    model = network()
    scores = pb.score(model, "taylor", batch=batch_of())
    snip = pb.score(model, "snip(mode=eval)", batch=batch_of())
    total = sum(float(s.square().sum()) for s in snip.values())
    for name in scores:
        torch.testing.assert_close(scores[name], snip[name].square() / total, rtol=1e-9, atol=1e-18)


def test_the_score_of_a_filter_is_the_squared_slope_of_the_loss_along_a_gate_on_it() -> None:
    model, (x, y) = network(), batch_of()
    scores = pb.score(model, "taylor(structure=filter)", batch=(x, y))
    raw = {}
    for name, weight in prunable(model).items():
        channel = 1 if "2." in name else 0
        raw[name] = torch.zeros_like(weight)
        per_group = weight.shape[1] if channel else weight.shape[0]
        for group in range(2 if channel else 1):
            half = slice(group * 3, group * 3 + 3) if channel else slice(None)
            for unit in range(per_group):
                place = (half, unit) if channel else (unit,)
                losses = []
                for gate in (1 + 1e-5, 1 - 1e-5):
                    probe = copy.deepcopy(model)
                    prunable(probe)[name].data[place] *= gate
                    losses.append(float(cross_entropy(probe(x), y).detach()))
                raw[name][place] = ((losses[0] - losses[1]) / 2e-5) ** 2
    total = sum(float(r.detach().sum()) for r in raw.values())
    for name, score in scores.items():
        torch.testing.assert_close(score, raw[name].detach() / total, rtol=1e-4, atol=1e-9)


def test_a_filter_by_hand() -> None:
    # One output unit a row: gθ = (1.5·2, 1.5·−1), (−0.5, −1) and (−½·1, −½·3), (½·4, 0).
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
    model[0].weight.data = torch.tensor([[2.0, -1.0], [1.0, 2.0]])
    model[2].weight.data = torch.tensor([[1.0, 1.0], [4.0, 0.0]])
    scores = pb.score(model, "taylor(structure=filter)", batch=(torch.ones(1, 2), torch.tensor([0])))
    raw = [[1.5**2] * 2, [1.5**2] * 2, [2.0**2] * 2, [2.0**2] * 2]
    found = torch.cat([scores["0.weight"], scores["2.weight"]])
    torch.testing.assert_close(found * 25, torch.tensor(raw).double(), rtol=1e-6, atol=0)


@pytest.mark.parametrize("structure", ["weight", "filter"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_counts_are_exact_masks_nested_and_at_most_one_filter_is_cut(structure: str, dtype: torch.dtype) -> None:
    model, spec = network(dtype), f"taylor(structure={structure})"
    previous: pb.Masks | None = None
    for count in (3, 60, 301, 455):
        masks = pb.prune(model, spec, density=count / 456, batch=batch_of(dtype))
        assert masks.kept() == count
        if previous is not None:
            assert all(not (previous[name] & ~masks[name]).any() for name in masks)
        if structure == "filter":
            rows = [
                *masks["0.weight"].flatten(1), *masks["5.weight"],
                *masks["2.weight"].view(2, 3, 2, 4).transpose(1, 2).reshape(4, 12),
            ]  # fmt: skip
            assert sum(bool(row.any() and not row.all()) for row in rows) <= 1
        previous = masks


def test_a_network_of_one_layer_is_pruned() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    for structure in ("weight", "filter"):
        batch = torch.randn(6, 4), torch.arange(6) % 3
        assert pb.prune(model, f"taylor(structure={structure})", density=0.5, batch=batch).kept() == 6
