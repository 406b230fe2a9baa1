"""GraSP, against exact Hessians and finite differences."""

from __future__ import annotations

import copy
import itertools
import math
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.autograd.functional import hessian
from torch.func import functional_call
from torch.nn.functional import cross_entropy

import prunebench as pb
from prunebench.engine.prunable import prunable
from prunebench.errors import PruningError

if TYPE_CHECKING:
    from collections.abc import Callable

T = 200.0


def smooth() -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.Tanh(), nn.Flatten(), nn.Linear(18, 3)).double()
    return model, (torch.randn(12, 1, 4, 4, dtype=torch.float64), torch.arange(12) % 3)


def loss_of_weights(
    model: nn.Module, batch: tuple[Tensor, Tensor], parts: int = 1
) -> tuple[Callable[[Tensor], Tensor], Tensor]:
    """The mean cross-entropy at temperature T as a function of the flat prunable weights, and these."""
    model = copy.deepcopy(model).requires_grad_(False)
    weights = {name: w.detach().clone() for name, w in prunable(model).items()}
    by_class = batch[1].argsort(stable=True)
    x, y = batch[0][by_class], batch[1][by_class]

    def loss(flat: Tensor) -> Tensor:
        pieces = flat.split([w.numel() for w in weights.values()])
        named = {name: p.view(w.shape) for p, (name, w) in zip(pieces, weights.items(), strict=True)}
        buffers = {name: b.clone() for name, b in model.named_buffers()}
        terms = [
            cross_entropy(functional_call(model, (named, buffers), x[p::parts]) / T, y[p::parts]) for p in range(parts)
        ]
        return torch.stack(terms).mean()

    return loss, torch.cat([w.flatten() for w in weights.values()])


def scored(model: nn.Module, spec: str, batch: tuple[Tensor, Tensor]) -> Tensor:
    return torch.cat([s.flatten() for s in pb.score(model, spec, batch=batch).values()])


@pytest.mark.parametrize(("mode", "split"), [("eval", 1), ("train", 1), ("train", 2)])
def test_grasp_is_the_weight_times_the_hessian_gradient_product(mode: str, split: int) -> None:
    model, batch = smooth()
    loss, flat = loss_of_weights(model.train(mode == "train"), batch, split)
    gradient = torch.func.grad(loss)(flat)
    expected = flat * (hessian(loss, flat) @ gradient)
    ours = scored(model, f"grasp(mode={mode},split={split})", batch)
    torch.testing.assert_close(ours, expected / expected.abs().sum(), rtol=1e-9, atol=1e-13)


def test_grasp_is_the_slope_of_the_gradient_norm_along_each_weight() -> None:
    model, batch = smooth()
    loss, flat = loss_of_weights(model.train(), batch)

    def norm(at: Tensor) -> Tensor:
        """½‖g‖²."""
        return 0.5 * torch.func.grad(loss)(at).square().sum()

    step = 1e-5
    slopes = torch.stack([(norm(flat + step * e) - norm(flat - step * e)) / (2 * step) for e in torch.eye(len(flat))])
    expected = flat * slopes
    torch.testing.assert_close(
        scored(model, "grasp", batch), expected / expected.abs().sum(), rtol=1e-4, atol=1e-7
    )  # fmt: skip


def test_what_grasp_prunes_first_raises_the_gradient_norm_most() -> None:
    model, batch = smooth()
    masks = pb.prune(model, "grasp(mode=eval)", density=0.5, batch=batch)
    loss, flat = loss_of_weights(model.eval(), batch)
    first_order = scored(model, "grasp(mode=eval)", batch)
    kept = torch.cat([m.flatten() for m in masks.values()])
    assert float(first_order[kept].min()) >= float(first_order[~kept].max())
    gradient = torch.func.grad(loss)
    worst, best = (flat.clone() for _ in range(2))
    worst[first_order.argmin()], best[first_order.argmax()] = 0, 0
    assert gradient(worst).norm() > gradient(flat).norm() > gradient(best).norm()


def test_halves_change_what_batch_norm_sees_and_nothing_else() -> None:
    model, batch = smooth()
    torch.testing.assert_close(
        scored(model, "grasp(mode=eval,split=2)", batch),
        scored(model, "grasp(mode=eval)", batch),
        rtol=1e-9,
        atol=1e-15,
    )
    assert not torch.allclose(scored(model, "grasp(split=2)", batch), scored(model, "grasp", batch), rtol=0.1)


def test_dropout_leaves_out_the_same_units_in_both_passes() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 12), nn.Tanh(), nn.Dropout(0.5), nn.Linear(12, 3)).double()
    batch = torch.randn(9, 4, dtype=torch.float64), torch.arange(9) // 3
    drawn: list[Tensor] = []
    model[2].register_forward_hook(lambda _module, _inputs, output: drawn.append(output == 0))
    ours = scored(model, "grasp", batch)
    assert len(drawn) == 2
    assert torch.equal(*drawn)
    kept = nn.Sequential(model[0], model[1], _Times(2.0 * ~drawn[0]), model[3])
    loss, flat = loss_of_weights(kept, batch)
    expected = flat * (hessian(loss, flat) @ torch.func.grad(loss)(flat))
    torch.testing.assert_close(ours, expected / expected.abs().sum(), rtol=1e-9, atol=1e-13)


class _Times(nn.Module):
    def __init__(self, factor: Tensor) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        return x * self.factor


def test_grasp_differentiates_attention_twice() -> None:
    torch.manual_seed(0)

    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 2, batch_first=True)
            self.head = nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            out: Tensor = self.head(self.attention(x, x, x, need_weights=False)[0].mean(1))
            return out

    model, batch = Attending().double(), (torch.randn(6, 3, 4, dtype=torch.float64), torch.arange(6) % 3)
    loss, flat = loss_of_weights(model, batch)
    gradient = torch.func.grad(loss)(flat)
    step = 1e-5 * gradient / gradient.norm()
    product = (torch.func.grad(loss)(flat + step) - torch.func.grad(loss)(flat - step)) / 2e-5 * gradient.norm()
    expected = flat * product
    torch.testing.assert_close(scored(model, "grasp", batch), expected / expected.abs().sum(), rtol=1e-5, atol=1e-8)


def test_iterated_grasp_follows_the_gradient_flow_of_kept_weights() -> None:
    model, batch = smooth()
    loss, dense = loss_of_weights(model.eval(), batch)
    mask = torch.ones_like(dense)
    rounds, density = 5, 10**-0.5
    for e in range(1, rounds + 1):

        def norm(at: Tensor, mask: Tensor = mask) -> Tensor:
            return 0.5 * (torch.func.grad(loss)(at) * mask).square().sum()

        score = dense * torch.func.grad(norm)(dense * mask)
        score[mask == 0] = -math.inf
        target = len(dense) * density ** (e / rounds)
        mask = torch.zeros_like(dense)
        mask[score.topk(round(target) if e == rounds else math.ceil(target)).indices] = 1
    ours = pb.prune(model, f"grasp(mode=eval,rounds={rounds})", density=density, batch=batch)
    assert torch.equal(torch.cat([m.flatten() for m in ours.values()]), mask.bool())


@pytest.mark.parametrize("density", [0.05, 10**-0.5, 0.5, 0.9])
def test_iterated_grasp_keeps_exact_counts_where_its_threshold_is_below_zero(density: float) -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 4))
    batch = torch.randn(40, 20), torch.arange(40) % 4
    masks = pb.prune(model, "grasp(rounds=8)", density=density, batch=batch)
    assert masks.kept() == round(density * masks.total())
    assert pb.prune(model, "grasp(rounds=8)", density=density, batch=batch) == masks


def test_grasp_is_not_conserved_by_as_much_as_the_gradient_norms_differ() -> None:
    torch.manual_seed(2)
    layers = [nn.Linear(a, b, bias=False) for a, b in ((4, 6), (6, 5), (5, 3))]
    model = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.LeakyReLU(0.2), layers[2]).double()
    batch = torch.randn(30, 4, dtype=torch.float64), torch.arange(30) % 3
    gradients = torch.autograd.grad(
        cross_entropy(model(batch[0]) / T, batch[1]), [layer.weight for layer in layers], create_graph=True
    )
    norm = sum(0.5 * g.square().sum() for g in gradients)
    total = sum(
        (w * h).abs().sum()
        for w, h in zip(
            prunable(model).values(), torch.autograd.grad(norm, list(prunable(model).values())), strict=True
        )
    ).detach()
    scores = list(pb.score(model, "grasp", batch=batch).values())
    for (before, after), (g_in, g_out) in zip(itertools.pairwise(scores), itertools.pairwise(gradients), strict=True):
        gap = (g_out.square().sum(0) - g_in.square().sum(1)).detach() / total
        torch.testing.assert_close(before.sum(1) - after.sum(0), gap, rtol=1e-8, atol=1e-12)
        assert gap.abs().max() > 1e-3


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("grasp(temperature=0)", "temperature=0 is not positive"),
        ("grasp(temperature=-1)", "temperature=-1 is not positive"),
        ("grasp(split=0)", "into 0 parts"),
        ("grasp(split=13)", "cannot deal 12 samples out into 13 parts"),
    ],
)
def test_bad_parameters_of_grasp_are_refused(spec: str, message: str) -> None:
    model, batch = smooth()
    with pytest.raises(PruningError, match=message):
        pb.score(model, spec, batch=batch)
