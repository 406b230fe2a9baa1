"""Masks hold at every step of every optimiser; what is pruned is forgotten, and what comes back starts from nothing."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable
from prunebench.errors import PruningError
from prunebench.tasks.recipes.base import Recipe
from tests.engine.training.plain_training import CLASSES, FEATURES, conv, mlp, pictures, random_masks, trainer, vectors


@st.composite
def recipes(draw):
    optimiser = draw(st.sampled_from(["sgd", "adam", "adamw"]))
    momentum = draw(st.sampled_from([0.0, 0.5, 0.9]))
    schedule = draw(st.sampled_from(["constant", "step", "cosine", "one-cycle", "flat-then-linear"]))
    return Recipe(
        lr=draw(st.sampled_from([0.01, 0.2])), optimiser=optimiser, momentum=momentum, batch=5, epochs=3,
        nesterov=optimiser == "sgd" and momentum > 0 and draw(st.booleans()), schedule=schedule,
        weight_decay=draw(st.sampled_from([0.0, 5e-4, 0.3])), warmup=0.3 if schedule == "one-cycle" else 0.1,
        label_smoothing=draw(st.sampled_from([0.0, 0.1])), dropout=draw(st.sampled_from([0.0, 0.5])), rewind=(),
    )  # fmt: skip


@contextmanager
def watched(model, masks_now):
    """Look at every optimiser step from outside; gives how many there were.

    `masks_now()` are the masks that should hold; `model` is the network.
    """
    count = []

    def pruned():
        for name, mask in masks_now().items():
            yield model.get_parameter(name), ~mask

    def before(optimiser, *_):
        for parameter, gone in pruned():
            assert not parameter.grad[gone].any(), "a gradient of a pruned weight reaches the optimiser"
            assert not optimiser.state.get(parameter, {}) or not moments(optimiser, parameter)[:, gone].any()

    def after(optimiser, *_):
        count.append(1)
        for parameter, gone in pruned():
            assert not parameter[gone].any(), "a pruned weight moves"
            kept = moments(optimiser, parameter)
            assert not kept[:, gone].any(), "a pruned weight has a moment"

    handles = register_optimizer_step_pre_hook(before), register_optimizer_step_post_hook(after)
    try:
        yield count
    finally:
        for handle in handles:
            handle.remove()


def moments(optimiser, parameter):
    """All that an optimiser keeps of each weight, `[k, *shape]`."""
    kept = [v for v in optimiser.state[parameter].values() if torch.is_tensor(v) and v.shape == parameter.shape]
    return torch.stack(kept) if kept else torch.zeros(0, *parameter.shape)


@settings(max_examples=40, deadline=None)
@given(
    recipes(), st.sampled_from([(mlp, vectors), (conv, pictures)]), st.integers(0, 9), st.floats(0.02, 0.98),
    st.integers(0, 14), st.floats(0.02, 0.98),
)  # fmt: skip
def test_what_is_pruned_is_zero_with_its_gradient_and_moments_at_every_step(recipe, task, seed, first, change, second):
    make, data = task
    model = make(seed)
    masks = [random_masks(model, first, seed), random_masks(model, second, seed + 1)]
    one = trainer(model, recipe, data())
    one.hold(masks[0])
    with watched(one.model, lambda: one.masks) as count:
        one.run(change)
        one.hold(masks[1])
        assert one.masks == masks[1]
        one.run()
    assert len(count) == one.total == 15
    for name, mask in masks[1].items():
        assert not one.weights()[name][~mask].any()


@pytest.mark.parametrize("make", [(mlp, vectors), (conv, pictures)], ids=["mlp", "conv"])
def test_density_after_training_is_that_before(make):
    model, data = make[0](), make[1]()
    masks = random_masks(model, 0.3)
    one = trainer(model, Recipe(batch=5, epochs=4, lr=0.05, rewind=()), data)
    one.hold(masks)
    one.run()
    alive = sum(int((w != 0).sum()) for w in prunable(model).values())
    assert alive == masks.kept()
    assert one.masks == masks


BACK = {
    "sgd": {"momentum": 0.9}, "nesterov": {"momentum": 0.9, "nesterov": True}, "decay": {"weight_decay": 0.1},
    "adam": {"optimiser": "adam", "lr": 0.01}, "adamw": {"optimiser": "adamw", "lr": 0.01},
}  # fmt: skip


@pytest.mark.parametrize("values", BACK.values(), ids=BACK)
@pytest.mark.parametrize("larger", [True, False], ids=["larger masks", "no masks"])
def test_weights_that_come_back_start_from_zero_without_momentum(values, larger):
    """Their first step is that of a fresh optimiser at zero, up to Adam's count of steps, which all weights share."""
    model = mlp(dtype=torch.float64)
    recipe = Recipe(**{"lr": 0.1, "batch": 22, "steps": 9, "schedule": "constant", "rewind": (), **values})
    data = vectors(dtype=torch.float64)
    small, everything = random_masks(model, 0.5), Masks.full(prunable(model))
    one = trainer(model, recipe, data)
    one.run(2)
    one.hold(small)
    one.run(5)
    one.hold(everything if larger else None)
    before = one.weights()
    kept = {name: value for name, value in one.state().items() if name.startswith("optimiser/")}
    loss = nn.functional.cross_entropy(model(data.x), data.y)
    names = dict(model.named_parameters())
    gradients = dict(zip(names, torch.autograd.grad(loss, list(names.values())), strict=True))
    one.run(6)
    for name, mask in small.items():
        back = ~mask
        assert back.any()
        assert not before[name][back].any()
        for key, value in kept.items():
            if key.endswith(f"/{name}") and value.shape == mask.shape:
                assert not value[back].any(), key
                assert value[mask].any(), key
        gradient = gradients[name][back]
        if recipe.optimiser == "sgd":
            expected = -recipe.lr * gradient * (1 + recipe.momentum if recipe.nesterov else 1)
        else:
            # m = (1 - b1) g over 1 - b1^6, v likewise: six steps have been counted.
            m = 0.1 * gradient / (1 - 0.9**6)
            expected = -recipe.lr * m / ((0.001 * gradient**2 / (1 - 0.999**6)).sqrt() + 1e-8)
        torch.testing.assert_close(one.weights()[name][back], expected, rtol=1e-9, atol=1e-12)


def test_other_parameters_are_held_at_zero_too():
    model = conv()
    held = {"1.weight": torch.tensor([True, False, True]), "1.bias": torch.tensor([True, False, True]),
            "7.bias": torch.tensor([False, True, True])}  # fmt: skip
    masks = random_masks(model, 0.5)
    one = trainer(model, Recipe(batch=5, epochs=3, lr=0.1, weight_decay=0.01, rewind=()), pictures())
    one.hold(masks, held)
    assert one.held == held
    with watched(one.model, lambda: {**masks, **held}) as count:
        one.run()
    assert len(count) == 15
    for name, mask in held.items():
        assert torch.equal(one.weights()[name] != 0, mask)
    one.hold(None)
    assert (one.held, one.masks) == ({}, Masks.full(prunable(model)))


def test_masks_of_another_network_are_refused_and_change_nothing():
    model = mlp()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    one = trainer(model, Recipe(batch=5, epochs=1, rewind=()), vectors())
    with pytest.raises(PruningError, match="same prunable tensors"):
        one.hold(random_masks(conv(), 0.5))
    with pytest.raises(PruningError, match=r"9\.bias is to be held at zero, and the network has no such parameter"):
        one.hold(random_masks(model, 0.5), {"9.bias": torch.zeros(3, dtype=torch.bool)})
    with pytest.raises(PruningError, match=r"mask of 0.bias is \[3\], the parameter \[8\]"):
        one.hold(random_masks(model, 0.5), {"0.bias": torch.zeros(3, dtype=torch.bool)})
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert one.masks.density() == 1


def test_a_tied_weight_is_held_under_each_of_its_names():
    """An embedding that a linear layer shares comes first among the parameters, and is no prunable layer."""

    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.embedding = nn.Embedding(CLASSES, FEATURES)
            self.head = nn.Linear(FEATURES, CLASSES)
            self.head.weight = self.embedding.weight

        def forward(self, x):
            return self.head(x)

    model = Tied()
    masks = random_masks(model, 0.5)
    assert list(masks) == ["head.weight"]
    one = trainer(model, Recipe(batch=5, epochs=1, rewind=()), vectors())
    one.hold(masks)
    one.run()
    assert torch.equal(one.weights()["embedding.weight"] != 0, masks["head.weight"])
    state = one.state()
    two = trainer(Tied(), Recipe(batch=5, epochs=1, rewind=()), vectors())
    two.restore(state)
    assert torch.equal(two.weights()["head.weight"], one.weights()["head.weight"])
