"""Masks that hold in a training loop of the user's own."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.utils import prune
from torch.optim import SGD, Adam, AdamW, Optimizer, RMSprop

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable
from prunebench.errors import PruningError

if TYPE_CHECKING:
    from collections.abc import Callable

OPTIMISERS: dict[str, Callable[..., Optimizer]] = {
    "sgd": lambda p: SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-2),
    "adam": lambda p: Adam(p, lr=0.01, weight_decay=1e-2, amsgrad=True),
    "adamw": lambda p: AdamW(p, lr=0.01, weight_decay=1e-1),
    "rmsprop": lambda p: RMSprop(p, lr=0.01, momentum=0.9, centered=True, weight_decay=1e-2),
    "lbfgs": lambda p: torch.optim.LBFGS(p, lr=0.5, history_size=5, max_iter=3),
    "wolfe": lambda p: torch.optim.LBFGS(p, history_size=5, max_iter=3, line_search_fn="strong_wolfe"),
}
X = torch.randn(24, 6, generator=torch.Generator().manual_seed(1))
Y = torch.arange(24) % 3


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3))


def drawn(model: nn.Module) -> Masks:
    generator = torch.Generator().manual_seed(2)
    return Masks({n: torch.rand(w.shape, generator=generator) < 0.4 for n, w in prunable(model).items()})


def steps(model: nn.Module, optimiser: Optimizer, count: int = 5) -> None:
    def closure() -> Tensor:
        optimiser.zero_grad()
        loss = cross_entropy(model(X.to(next(model.parameters()).dtype)), Y)
        loss.backward()
        return loss

    for _ in range(count):
        optimiser.step(closure)


def revived(model: nn.Module, masks: Masks) -> int:
    return sum(int((prunable(model)[name][~mask] != 0).sum()) for name, mask in masks.items())


@pytest.mark.parametrize("name", OPTIMISERS)
def test_held_weights_train_as_those_that_torch_multiplies_by_a_mask(name) -> None:
    model, other = network(), network()
    masks = drawn(model)
    for layer in ("0", "2"):
        prune.custom_from_mask(other.get_submodule(layer), "weight", masks[f"{layer}.weight"])
    masks.hold(model)
    for _ in range(6):
        steps(model, optimiser := OPTIMISERS[name](model.parameters()), 2)
        steps(other, OPTIMISERS[name](other.parameters()), 2)
        assert revived(model, masks) == 0
    for layer in ("0", "2"):
        expected = other.get_submodule(layer).weight_orig * masks[f"{layer}.weight"]
        torch.testing.assert_close(model.get_submodule(layer).weight, expected, rtol=2e-3, atol=2e-5)
        assert not torch.equal(model.get_submodule(layer).weight, network().get_submodule(layer).weight)
    assert optimiser.state


@pytest.mark.parametrize("name", [*OPTIMISERS, "muon"])
def test_an_optimiser_that_has_trained_forgets_what_it_knows_of_pruned_weights(name) -> None:
    model = network()
    if name == "muon":
        optimiser: Optimizer = torch.optim.Muon([model[0].weight, model[2].weight], lr=0.05)
    else:
        optimiser = OPTIMISERS[name](model.parameters())
    steps(model, optimiser)
    before = model[0].weight.clone()
    masks = drawn(model)
    masks.hold(model, optimiser)
    for _ in range(4):
        steps(model, optimiser, 1)
        assert revived(model, masks) == 0
    assert (model[0].weight != before)[masks["0.weight"]].any()


@pytest.mark.parametrize("name", ["sgd", "adam", "rmsprop"])
def test_without_the_optimiser_its_momentum_brings_weights_back_as_the_docs_say(name) -> None:
    model = network()
    optimiser = OPTIMISERS[name](model.parameters())
    steps(model, optimiser)
    masks = drawn(model)
    masks.hold(model)
    assert revived(model, masks) == 0
    steps(model, optimiser, 1)
    assert revived(model, masks) > 0


def test_moments_of_kept_weights_and_of_other_parameters_stay() -> None:
    model = network()
    optimiser = SGD(model.parameters(), lr=0.1, momentum=0.9)
    steps(model, optimiser)
    before = {p: state["momentum_buffer"].clone() for p, state in optimiser.state.items()}
    masks = drawn(model)
    masks.hold(model, optimiser)
    for name, parameter in model.named_parameters():
        kept = masks[name] if name in masks else torch.ones_like(parameter, dtype=torch.bool)
        assert torch.equal(optimiser.state[parameter]["momentum_buffer"], before[parameter] * kept), name


@pytest.mark.parametrize("name", ["lbfgs", "wolfe"])
def test_an_optimiser_that_knows_the_network_as_a_whole_starts_anew(name) -> None:
    model, other = network(), network()
    optimiser = OPTIMISERS[name](model.parameters())
    steps(model, optimiser)
    other.load_state_dict(model.state_dict())
    masks = drawn(model)
    masks.hold(model, optimiser)
    masks.hold(other)
    steps(model, optimiser)
    steps(other, OPTIMISERS[name](other.parameters()))
    for one, two in zip(model.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one, two)


def test_what_is_removed_lets_weights_grow_again() -> None:
    model = network()
    masks = drawn(model)
    optimiser = SGD(model.parameters(), lr=0.1, momentum=0.9)
    with masks.hold(model, optimiser):
        steps(model, optimiser)
        assert revived(model, masks) == 0
    assert revived(model, masks) == 0
    steps(model, optimiser, 1)
    assert revived(model, masks) > 0
    held = masks.hold(model, optimiser)
    held.remove()
    held.remove()
    steps(model, optimiser, 1)
    assert revived(model, masks) > 0


def test_gradients_that_are_there_and_those_that_are_not_finite_are_zero_where_weights_are_pruned() -> None:
    model = nn.Linear(2, 1, bias=False)
    model(torch.ones(1, 2)).sum().backward()
    Masks({"weight": torch.tensor([[True, False]])}).hold(model)
    assert model.weight.grad.tolist() == [[1.0, 0.0]]
    model(torch.tensor([[1.0, float("inf")]])).sum().backward()
    assert model.weight.grad.tolist() == [[2.0, 0.0]]


def test_frozen_weights_are_held_when_they_thaw_and_stay_frozen_until_then() -> None:
    model = network()
    model[0].weight.requires_grad_(False)
    masks = drawn(model)
    masks.hold(model)
    assert not model[0].weight.requires_grad
    model[0].weight.requires_grad_(True)
    steps(model, SGD(model.parameters(), lr=0.1))
    assert revived(model, masks) == 0


def test_a_model_that_changes_its_type_is_still_held_and_a_copy_of_it_is_not() -> None:
    model = network()
    masks = drawn(model)
    masks.hold(model)
    other = copy.deepcopy(model)
    model.double()
    steps(model, SGD(model.parameters(), lr=0.1, momentum=0.9))
    assert revived(model, masks) == 0
    steps(other, SGD(other.parameters(), lr=0.1))
    assert revived(other, masks) > 0


def test_a_weight_that_is_tied_to_an_embedding_is_held_under_its_prunable_name() -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding(5, 4)
            self.decoder = nn.Linear(4, 5, bias=False)
            self.decoder.weight = self.embedding.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.decoder(self.embedding(x))

    model = Tied()
    masks = drawn(model)
    assert list(masks) == ["decoder.weight"]
    masks.hold(model)
    optimiser = SGD(model.parameters(), lr=0.1, momentum=0.9)
    before = model.decoder.weight.clone()
    for _ in range(3):
        optimiser.zero_grad()
        cross_entropy(model(torch.arange(5)), torch.arange(5)).backward()
        optimiser.step()
    assert revived(model, masks) == 0
    assert (model.decoder.weight != before).any()


def test_masks_of_another_model_are_not_held() -> None:
    with pytest.raises(PruningError, match="same prunable tensors"):
        drawn(network()).hold(nn.Linear(3, 3))


def test_masks_that_keep_everything_hold_nothing_and_keep_the_optimisers_state() -> None:
    model = network()
    optimiser = OPTIMISERS["lbfgs"](model.parameters())
    steps(model, optimiser)
    Masks.full(prunable(model)).hold(model, optimiser)
    assert optimiser.state
