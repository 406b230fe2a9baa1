"""FORCE, against a loop of its own."""

from __future__ import annotations

import copy
import itertools
import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import prunebench as pb
from prunebench.engine.method import build
from prunebench.engine.prunable import prunable
from prunebench.errors import SpecError
from prunebench.spec import Spec
from prunebench.tasks.datasets.base import Split
from tests.walking import open_session, walk


def network() -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    torch.manual_seed(4)
    model = nn.Sequential(
        nn.Conv2d(2, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 25, 12), nn.ReLU(),
        nn.Linear(12, 4),
    )  # fmt: skip
    return model.double(), (torch.randn(40, 2, 5, 5, dtype=torch.float64), torch.arange(40) % 4)


def forced(model: nn.Module, batch: tuple[Tensor, Tensor], density: float, rounds: int) -> list[Tensor]:
    """Flat masks after every round: keep the d^(e/n)·N best of |θ ⊙ g(θ ⊙ m)|, all weights competing again."""
    dense = torch.cat([w.detach().flatten() for w in prunable(model).values()])
    mask, masks = torch.ones_like(dense), []
    for e in range(1, rounds + 1):
        sparse = copy.deepcopy(model).train()
        weights = list(prunable(sparse).values())
        for weight, part in zip(weights, (dense * mask).split([w.numel() for w in weights]), strict=True):
            weight.data.copy_(part.view_as(weight))
        slopes = torch.autograd.grad(cross_entropy(sparse(batch[0]), batch[1]), weights)
        score = (dense * torch.cat([g.flatten() for g in slopes])).abs()
        target = len(dense) * density ** (e / rounds)
        mask = torch.zeros_like(dense)
        mask[score.topk(round(target) if e == rounds else math.ceil(target)).indices] = 1
        masks.append(mask)
    return masks


@pytest.mark.parametrize("rounds", [1, 2, 7])
def test_force_prunes_by_the_gradient_of_the_sparse_network_at_the_dense_weights(rounds: int) -> None:
    model, batch = network()
    ours = pb.prune(model, f"force(rounds={rounds})", density=0.1, batch=batch)
    expected = forced(model, batch, 0.1, rounds)[-1].bool()
    assert torch.equal(torch.cat([m.flatten() for m in ours.values()]), expected)


def test_weights_that_force_pruned_come_back_and_those_of_iterated_snip_do_not() -> None:
    model, batch = network()

    def returned(spec: str) -> int:
        method = build(Spec.parse(spec))
        session = open_session(
            method, model, (2, 5, 5), data=Split(*batch), repetition=0, device=torch.device("cpu")
        )  # fmt: skip
        alive = [set(step.index[step.kept].tolist()) for step in walk(method, session, 0.05)]
        return sum(len(after - before) for before, after in itertools.pairwise(alive))

    assert returned("force(rounds=10)") > 0
    assert returned("snip(rounds=10)") == 0


def test_one_round_of_force_is_snip() -> None:
    model, batch = network()
    assert pb.prune(model, "force(rounds=1)", density=0.3, batch=batch) == pb.prune(
        model, "snip", density=0.3, batch=batch
    )


@pytest.mark.parametrize("density", [0.01, 0.0313, 0.2, 0.77])
def test_force_keeps_exact_counts_and_is_the_same_every_time(density: float) -> None:
    model, batch = network()
    masks = pb.prune(model, "force", density=density, batch=batch)
    assert masks.kept() == round(density * masks.total())
    assert pb.prune(model, "force", density=density, batch=batch) == masks


def test_force_cannot_bound_what_a_round_prunes() -> None:
    with pytest.raises(SpecError, match="rounds=adaptive"):
        build(Spec.parse("force(rounds=adaptive)"))


def test_the_score_is_the_slope_of_the_loss_in_every_mask_entry_pruned_ones_included() -> None:
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    batch = torch.randn(12, 4, dtype=torch.float64), torch.arange(12) % 3
    method = build(Spec.parse("force(rounds=2, samples_per_class=4)"))
    session = open_session(method, model, (4,), data=Split(*batch), repetition=0, device=torch.device("cpu"))
    first, second = walk(method, session, 0.3)
    dense = torch.cat([w.detach().flatten() for w in prunable(model).values()])
    mask = torch.from_numpy(first.kept).double()
    assert 0 < mask.sum() < len(mask)

    def loss(mask: Tensor) -> float:
        sparse = copy.deepcopy(model)
        weights = prunable(sparse)
        for weight, part in zip(
            weights.values(), (dense * mask).split([w.numel() for w in weights.values()]), strict=True
        ):
            weight.data.copy_(part.view_as(weight))
        return float(cross_entropy(sparse(batch[0]), batch[1]).detach())

    step = 1e-5
    slopes = [
        (loss(mask + step * unit) - loss(mask - step * unit)) / (2 * step) for unit in torch.eye(len(mask)).double()
    ]
    torch.testing.assert_close(
        torch.from_numpy(second.scores), torch.tensor(slopes).abs().double(), rtol=1e-5, atol=1e-9
    )
