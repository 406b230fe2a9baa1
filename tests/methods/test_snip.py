"""Signed SNIP, and SNIP of a fresh initialisation."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import prunebench as pb
from prunebench.engine.prunable import prunable
from prunebench.errors import PruningError


def test_signed_snip_by_hand() -> None:
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
    model[0].weight.data = torch.tensor([[2.0, -1.0], [1.0, 2.0]])
    model[2].weight.data = torch.tensor([[1.0, 1.0], [4.0, 0.0]])
    # h = (1, 3), p = (½, ½), label 0: ∂L/∂logits = (−½, ½), ∂L/∂h = (1.5, −0.5).
    scores = pb.score(model, "snip(signed=true)", batch=(torch.ones(1, 2), torch.tensor([0])))
    torch.testing.assert_close(scores["0.weight"] * 10, torch.tensor([[3.0, -1.5], [-0.5, -1.0]]), rtol=1e-6, atol=0)
    torch.testing.assert_close(scores["2.weight"] * 10, torch.tensor([[-0.5, -1.5], [2.0, 0.0]]), rtol=1e-6, atol=0)


@pytest.mark.parametrize("mode", ["train", "eval"])
def test_signed_snip_is_the_slope_of_the_loss_along_each_mask(mode: str) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Softplus(), nn.Flatten(), nn.Linear(8, 3)
    ).double().eval()  # fmt: skip
    x, y = torch.randn(9, 1, 4, 4, dtype=torch.float64), torch.arange(9) % 3
    scores = pb.score(model, f"snip(signed=true, mode={mode})", batch=(x, y))
    probe = copy.deepcopy(model).train(mode == "train")
    slopes = {}
    for name, weight in prunable(probe).items():
        slope = torch.zeros_like(weight)
        for i in itertools.product(*map(range, weight.shape)):
            value, losses = float(weight[i].detach()), []
            for mask in (1 + 1e-5, 1 - 1e-5):
                weight.data[i] = value * mask
                losses.append(float(cross_entropy(probe(x), y).detach()))
            weight.data[i] = value
            slope[i] = (losses[0] - losses[1]) / 2e-5
        slopes[name] = slope.detach()
    total = sum(float(s.abs().sum()) for s in slopes.values())
    for name, score in scores.items():
        torch.testing.assert_close(score, slopes[name] / total, rtol=1e-5, atol=1e-8)


def test_the_signed_score_is_conserved_through_every_hidden_unit_of_a_chain_without_biases() -> None:
    torch.manual_seed(2)
    layers = [nn.Linear(a, b, bias=False) for a, b in ((4, 6), (6, 5), (5, 3))]
    model = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.LeakyReLU(0.2), layers[2]).double()
    batch = torch.randn(300, 4, dtype=torch.float64), torch.arange(300) % 3
    kept = list(pb.score(model, "snip(signed=true)", batch=batch).values())
    for before, after in itertools.pairwise(kept):
        torch.testing.assert_close(before.sum(1), after.sum(0), rtol=1e-9, atol=1e-15)
    plain = pb.score(model, "snip", batch=batch)
    assert all(torch.equal(a.abs(), b) for a, b in zip(kept, plain.values(), strict=True))


def batch_of(shape: tuple[int, ...]) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(20, *shape, generator=generator), torch.arange(20) % 10


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 10))


def test_scores_of_a_fresh_initialisation_know_nothing_of_the_weights_given() -> None:
    torch.manual_seed(0)
    first, second = small(), small()
    second[0].bias.data, second[3].bias.data = first[0].bias.data.clone(), first[3].bias.data.clone()
    before = copy.deepcopy(first.state_dict())
    batch = batch_of((3, 6, 6))
    one, other, elsewhere = (
        pb.score(model, "snip(reinit=true)", batch=batch, seed=seed)
        for model, seed in ((first, 0), (second, 0), (first, 1))
    )
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert not any(torch.equal(one[name], elsewhere[name]) for name in one)
    assert all(torch.equal(before[name], value) for name, value in first.state_dict().items())


def test_the_fresh_initialisation_is_xavier_normal() -> None:
    # On inputs near zero all logits are alike, so that g does not depend on the weights that were drawn.
    torch.manual_seed(0)
    model = nn.Linear(400, 300, bias=False)
    x = torch.full((10, 400), 1e-6)
    scores = pb.score(model, "snip(reinit=true, signed=true)", batch=(x, torch.arange(10)))["weight"]
    # p = 1/300 in all: g is (1/300 − 1/10)·x in the rows of the ten labels and x/300 in all others.
    gradient = torch.full((300, 1), 1 / 300)
    gradient[:10] -= 0.1
    drawn = scores / gradient
    spread = (2 / 700) ** 0.5
    drawn = drawn * spread / drawn.std()
    assert float(drawn.mean()) == pytest.approx(0, abs=5 * spread / drawn.numel() ** 0.5)
    # Normal: 68.27 % within one deviation, 95.45 % within two.
    for width, share in ((1, 0.6827), (2, 0.9545)):
        assert float((drawn.abs() < width * spread).double().mean()) == pytest.approx(share, abs=0.006)


def test_layers_of_a_fresh_initialisation_have_the_spread_of_their_fans() -> None:
    class Parallel(nn.Module):
        """Two layers that see equal inputs and have equal gradients."""

        def __init__(self) -> None:
            super().__init__()
            self.wide, self.narrow = nn.Linear(200, 100, bias=False), nn.Linear(20, 100, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.wide(x.expand(-1, 200)) + self.narrow(x.expand(-1, 20))

    batch = torch.full((5, 1), 1e-6), torch.zeros(5).long()
    scores = pb.score(Parallel(), "snip(reinit=true, signed=true)", batch=batch)
    # All rows but the label's have one gradient.
    wide, narrow = (scores[f"{name}.weight"][1:] for name in ("wide", "narrow"))
    assert float(wide.std() / narrow.std()) == pytest.approx(((20 + 100) / (200 + 100)) ** 0.5, rel=0.06)


def test_pruned_weights_stay_out_although_every_round_draws_anew() -> None:
    torch.manual_seed(0)
    model = small()
    batch = batch_of((3, 6, 6))
    masks = pb.prune(model, "snip(reinit=true, rounds=5)", density=0.1, batch=batch)
    assert masks.kept() == round(0.1 * (108 + 640))
    assert masks != pb.prune(model, "snip(reinit=true)", density=0.1, batch=batch)


def test_a_weight_without_fans_cannot_be_drawn() -> None:
    class Scale(nn.Module):
        prunable_weights = ("factor",)

        def __init__(self) -> None:
            super().__init__()
            self.factor = nn.Parameter(torch.ones(3))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * self.factor

    with pytest.raises(PruningError, match=r"fan-in and fan-out, layer factor has shape \[3\]"):
        pb.score(Scale(), "snip(reinit=true)", batch=(torch.randn(6, 3), torch.arange(6) % 3))


@pytest.mark.parametrize("spec", ["snip(signed=true)", "snip(reinit=true)", "snip(signed=true, reinit=true)"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_variants_keep_exact_nested_counts(spec: str, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    model = small().to(dtype)
    x, y = batch_of((3, 6, 6))
    few, some, many = (pb.prune(model, spec, density=count / 748, batch=(x.to(dtype), y)) for count in (2, 99, 700))
    assert (few.kept(), some.kept(), many.kept()) == (2, 99, 700)
    assert all(not (few[n] & ~some[n]).any() and not (some[n] & ~many[n]).any() for n in few)
