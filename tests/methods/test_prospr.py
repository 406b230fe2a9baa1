"""ProsPr, against training by torch's own optimiser and finite differences."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import prunebench as pb
from prunebench.engine.prunable import prunable
from prunebench.errors import PruningError
from prunebench.methods.prospr import prospr
from tests.walking import registering

if TYPE_CHECKING:
    from prunebench.engine.selection.scoring import Scores, Scoring

STEP = 1e-5


def network() -> tuple[nn.Module, tuple[Tensor, Tensor]]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 2, 2), nn.BatchNorm2d(2), nn.Tanh(), nn.Flatten(), nn.Linear(8, 3)).double()
    nn.init.normal_(model[1].weight, mean=1, std=0.3)
    return model, (torch.randn(13, 1, 3, 3, dtype=torch.float64), torch.arange(13) % 3)


def trained_loss(
    model: nn.Module, batch: tuple[Tensor, Tensor], mode: str, steps: int, lr: float, momentum: float,
    masks: pb.Masks | None = None,
) -> float:  # fmt: skip
    """L_K after SGD on the first K of K + 1 parts of the batch, of the last part."""
    model = copy.deepcopy(model).train(mode == "train")
    optimiser = torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)
    dealt = [batch[1].argsort(stable=True)[p :: steps + 1] for p in range(steps + 1)]
    parts = [(batch[0][part], batch[1][part]) for part in dealt]
    for x, y in parts[:-1]:
        optimiser.zero_grad()
        cross_entropy(model(x), y).backward()
        for name, weight in prunable(model).items():
            if masks is not None and weight.grad is not None:
                weight.grad *= masks[name]
        optimiser.step()
    return float(cross_entropy(model(parts[-1][0]), parts[-1][1]).detach())


def slopes(model: nn.Module, *args: object, masks: pb.Masks | None = None) -> Tensor:
    """|∂L_K/∂c| by central differences in single entries of c."""
    found: list[float] = []
    for weight in prunable(model).values():
        flat = weight.data.view(-1)
        for i in range(len(flat)):
            value = float(flat[i])
            ends = []
            for gate in (1 + STEP, 1 - STEP):
                flat[i] = value * gate
                ends.append(trained_loss(model, *args, masks=masks))  # type: ignore[arg-type]
            flat[i] = value
            found.append(abs(ends[0] - ends[1]) / (2 * STEP))
    return torch.tensor(found, dtype=torch.float64)


def scored(model: nn.Module, spec: str, batch: tuple[Tensor, Tensor]) -> Tensor:
    return torch.cat([s.flatten() for s in pb.score(model, spec, batch=batch).values()])


@pytest.mark.parametrize(
    ("mode", "steps", "lr", "momentum"),
    [("train", 3, 0.1, 0.0), ("train", 3, 0.5, 0.9), ("eval", 3, 0.5, 0.9), ("eval", 1, 0.2, 0.0)],
)
def test_prospr_is_the_slope_of_the_loss_after_the_steps(mode: str, steps: int, lr: float, momentum: float) -> None:
    model, batch = network()
    expected = slopes(model, batch, mode, steps, lr, momentum)
    ours = scored(model, f"prospr(mode={mode},steps={steps},lr={lr},momentum={momentum})", batch)
    torch.testing.assert_close(ours, expected / expected.sum(), rtol=1e-5, atol=1e-8)


def test_prospr_without_steps_is_snip() -> None:
    model, batch = network()
    torch.testing.assert_close(scored(model, "prospr(steps=0)", batch), scored(model, "snip", batch))


def test_first_order_prospr_is_the_weight_times_the_gradient_after_the_steps() -> None:
    model, batch = network()
    probe = copy.deepcopy(model).train()
    optimiser = torch.optim.SGD(probe.parameters(), lr=0.3, momentum=0.5)
    by_class = batch[1].argsort(stable=True)
    x, y = batch[0][by_class], batch[1][by_class]
    for part in range(2):
        optimiser.zero_grad()
        cross_entropy(probe(x[part::3]), y[part::3]).backward()
        optimiser.step()
    gradients = torch.autograd.grad(cross_entropy(probe(x[2::3]), y[2::3]), list(prunable(probe).values()))
    initial = prunable(model).values()
    expected = torch.cat([(w * g).abs().flatten() for w, g in zip(initial, gradients, strict=True)]).detach()
    ours = scored(model, "prospr(steps=2,lr=0.3,momentum=0.5,first_order=true)", batch)
    torch.testing.assert_close(ours, expected / expected.sum())
    assert not torch.allclose(ours, scored(model, "prospr(steps=2,lr=0.3,momentum=0.5)", batch), rtol=0.01)


def test_pruned_weights_take_no_step_in_later_rounds() -> None:
    model, batch = network()
    # Two rounds of the exponential schedule to 13 of 32: ⌈32·√(13/32)⌉ = 21 first.
    ours = pb.prune(model, "prospr(lr=0.5,rounds=2)", density=13 / 32, batch=batch)
    twenty_one = pb.prune(model, "prospr(lr=0.5)", density=21 / 32, batch=batch)
    sparse = copy.deepcopy(model)
    twenty_one.apply(sparse)
    score = slopes(sparse, batch, "train", 3, 0.5, 0.0, masks=twenty_one)
    score[~torch.cat([m.flatten() for m in twenty_one.values()])] = -1
    expected = torch.zeros(32, dtype=torch.bool)
    expected[score.topk(13).indices] = True
    assert torch.equal(torch.cat([m.flatten() for m in ours.values()]), expected)


@pytest.mark.parametrize("spec", ["prospr", "prospr(first_order=true)", "prospr(steps=1,rounds=3)"])
def test_prospr_leaves_the_network_as_it_was(spec: str) -> None:
    model, batch = network()
    before = copy.deepcopy(model.state_dict())
    masks = pb.prune(model, spec, density=0.5, batch=batch)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    assert all(p.grad is None for p in model.parameters())
    assert masks.kept() == 16
    assert pb.prune(model, spec, density=0.5, batch=batch) == masks


def test_the_steps_move_no_statistics_of_the_network_that_is_scored() -> None:
    model, batch = network()
    with registering():

        @pb.scorer("test-twice-prospr", needs={"data", "labels", "gradients"}, mode="train")
        def twice(ctx: Scoring) -> Scores:
            """The scores, if a second time they are the same."""
            before = {name: value.clone() for name, value in ctx.model.state_dict().items()}
            scores = prospr(ctx)
            assert all(torch.equal(value, before[name]) for name, value in ctx.model.state_dict().items())
            assert all(torch.equal(score, scores[name]) for name, score in prospr(ctx).items())
            return scores

        torch.testing.assert_close(scored(model, "test-twice-prospr", batch), scored(model, "prospr", batch))


def test_batches_of_a_part_make_up_its_mean() -> None:
    model, batch = network()
    # In train mode without BatchNorm, batches of 2 change nothing: parts of 5, 4 and 4 samples.
    plain = nn.Sequential(nn.Flatten(), nn.Linear(9, 5), nn.Tanh(), nn.Linear(5, 3)).double()
    torch.testing.assert_close(
        scored(plain, "prospr(steps=2,batch_size=2)", batch), scored(plain, "prospr(steps=2)", batch)
    )
    assert not torch.allclose(
        scored(model, "prospr(steps=2,batch_size=2)", batch), scored(model, "prospr(steps=2)", batch), rtol=0.01
    )


@pytest.mark.parametrize("density", [0.02, 0.1, 0.61])
def test_prospr_keeps_exact_counts(density: float) -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(20, 30), nn.ReLU(), nn.Linear(30, 4))
    masks = pb.prune(model, "prospr", density=density, batch=(torch.randn(40, 20), torch.arange(40) % 4))
    assert masks.kept() == round(density * masks.total())


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("prospr(steps=-1)", "steps=-1"),
        ("prospr(lr=0)", "lr=0,"),
        ("prospr(momentum=-0.1)", "momentum=-0.1"),
        ("prospr(steps=13)", "cannot deal 13 samples out into 14 parts"),
    ],
)
def test_bad_parameters_of_prospr_are_refused(spec: str, message: str) -> None:
    model, batch = network()
    with pytest.raises(PruningError, match=message):
        pb.score(model, spec, batch=batch)


def test_a_layer_without_part_in_the_output_is_named() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Linear(4, 3), nn.Linear(4, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.used(x)

    with pytest.raises(PruningError, match=r"idle\.weight takes no part"):
        pb.score(Idle(), "prospr", batch=(torch.randn(12, 4), torch.arange(12) % 3))
