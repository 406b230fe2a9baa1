"""Fisher scores against per-sample gradients of torch.func."""

from __future__ import annotations

import copy
import itertools

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn.functional import cross_entropy

import prunebench as pb
from prunebench.engine.prunable import prunable

# torch.func itself imports what it deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:FutureWarning", "ignore:`torch.jit:DeprecationWarning")


def network(dtype: torch.dtype = torch.float64) -> nn.Module:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(2, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(64, 3)
    ).to(dtype)  # fmt: skip
    model[1].running_mean.fill_(0.3)
    model[1].running_var.fill_(2.0)
    return model


def batch_of(dtype: torch.dtype = torch.float64, count: int = 11) -> tuple[Tensor, Tensor]:
    x = torch.randn(count, 2, 6, 6, generator=torch.Generator().manual_seed(1))
    return x.to(dtype), torch.arange(count) % 3


def normalised(raw: dict[str, Tensor]) -> dict[str, Tensor]:
    total = sum(float(r.detach().sum()) for r in raw.values())
    return {name: r.detach() / total for name, r in raw.items()}


def test_scores_are_squared_weights_times_the_mean_of_squared_gradients_of_torch_func() -> None:
    model, (x, y) = network().eval(), batch_of()
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    weights = {name: w.detach() for name, w in prunable(model).items()}

    def loss(given: dict[str, Tensor], image: Tensor, label: Tensor) -> Tensor:
        return cross_entropy(functional_call(model, {**state, **given}, (image[None],)), label[None])

    gradients = vmap(grad(loss), (None, 0, 0))(weights, x, y)
    expected = normalised({name: w.square() * gradients[name].square().mean(0) for name, w in weights.items()})
    scores = pb.score(model, "fisher", batch=(x, y))
    for name, score in scores.items():
        torch.testing.assert_close(score, expected[name], rtol=1e-9, atol=1e-18)
    # The square of the mean gradient is another thing.
    taylor = pb.score(model, "taylor", batch=(x, y))
    assert not any(torch.allclose(scores[name], taylor[name], rtol=0.1) for name in scores)


def test_in_train_mode_a_samples_gradient_goes_through_the_statistics_of_its_batch() -> None:
    model, (x, y) = network(), batch_of()
    scores = pb.score(model, "fisher(mode=train)", batch=(x, y))
    # Forward-mode derivative of all samples' losses at once, one weight after another.
    raw = {}
    for name in scores:
        probe = copy.deepcopy(model).train()
        probe[1].track_running_stats = False
        state = {n: p.detach() for n, p in probe.named_parameters()}

        def losses(
            weight: Tensor, name: str = name, probe: nn.Module = probe, state: dict[str, Tensor] = state
        ) -> Tensor:
            return cross_entropy(functional_call(probe, {**state, name: weight}, (x,)), y, reduction="none")

        jacobian = torch.func.jacfwd(losses)(state[name])
        raw[name] = state[name].square() * jacobian.square().mean(0)
    for name, expected in normalised(raw).items():
        torch.testing.assert_close(scores[name], expected, rtol=1e-8, atol=1e-16)


def test_batches_of_the_engine_change_nothing_in_eval_mode() -> None:
    torch.manual_seed(0)
    model = nn.Linear(4, 3).double()
    x, y = torch.randn(300, 4, dtype=torch.float64), torch.arange(300) % 3
    scores = pb.score(model, "fisher", batch=(x, y))["weight"]
    p = model(x).softmax(1).detach() - nn.functional.one_hot(y, 3)
    raw = model.weight.detach().square() * (p.square().T @ x.square()) / 300
    torch.testing.assert_close(scores, raw / raw.sum(), rtol=1e-10, atol=0)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_counts_are_exact_and_masks_nested(dtype: torch.dtype) -> None:
    model = network(dtype)
    found = [pb.prune(model, "fisher", density=count / 264, batch=batch_of(dtype)) for count in (2, 31, 200, 263)]
    assert [masks.kept() for masks in found] == [2, 31, 200, 263]
    for few, many in itertools.pairwise(found):
        assert all(not (few[name] & ~many[name]).any() for name in few)
    often = pb.prune(model, "fisher(rounds=4)", density=31 / 264, batch=batch_of(dtype))
    assert often.kept() == 31
    assert often != found[1]
