"""A training that is taken up again, or that starts at a rewind point, goes on as if it had never stopped."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import nn

from prunebench.engine.ticket import Phase
from prunebench.tasks.recipes.base import Recipe
from tests.engine.training.plain_training import conv, mlp, pictures, random_masks, same, seen, trainer, vectors


class Noisy(nn.Sequential):
    """Convolutions, BatchNorm, and dropout of its own."""

    def __init__(self, seed=0):
        super().__init__(*conv(seed), nn.Dropout(0.2))
        self.insert(3, nn.Dropout2d(0.3))


RECIPES = {
    "adam": {"optimiser": "adam", "lr": 0.01, "weight_decay": 0.01},
    "adamw": {"optimiser": "adamw", "lr": 0.01, "weight_decay": 0.1, "schedule": "one-cycle", "warmup": 0.3},
    "nesterov": {"lr": 0.05, "nesterov": True, "weight_decay": 0.01, "schedule": "cosine", "warmup": 0.1},
    "sgd": {"lr": 0.05, "momentum": 0.0},
}


def made(**values):
    common = {"batch": 5, "epochs": 3, "crop": 1, "flip": True, "dropout": 0.25, "label_smoothing": 0.1, "rewind": ()}
    return Recipe(**{**common, **values})


def fresh(recipe, seed=0, **more):
    return trainer(Noisy(seed), recipe, pictures(), **more)


@settings(max_examples=20, deadline=None)
@given(st.sampled_from(sorted(RECIPES)), st.integers(0, 15), st.integers(0, 15), st.booleans())
def test_a_restored_training_ends_in_the_same_bits(name, stop, another, masked):
    recipe = made(**RECIPES[name])
    masks = random_masks(Noisy(), 0.5) if masked else None
    whole, first, second = fresh(recipe), fresh(recipe), fresh(recipe, seed=1)
    for one in (whole, first):
        one.hold(masks)
    whole.run()
    first.run(stop)
    state = load(save(first.state()))
    torch.manual_seed(another)
    # A used trainer takes a state as a fresh one does.
    second.run(another)
    second.hold(masks)
    second.restore(state)
    assert (second.step, second.examples) == (first.step, first.examples)
    second.run()
    assert same(whole.weights(), second.weights())
    assert same(whole.state(), second.state())
    first.run()
    assert same(whole.weights(), first.weights()), "a state that was read changes nothing"


@settings(max_examples=10, deadline=None)
@given(st.sampled_from(sorted(RECIPES)), st.lists(st.integers(0, 15), max_size=4))
def test_a_training_in_parts_ends_in_the_same_bits(name, stops):
    recipe = made(**RECIPES[name])
    whole, parts = fresh(recipe), fresh(recipe)
    whole.run()
    for stop in stops:
        parts.run(stop)
        torch.rand(3)
    parts.run()
    assert same(whole.state(), parts.state())


def test_a_state_is_a_copy():
    one = fresh(made(**RECIPES["adam"]))
    one.run(4)
    state = one.state()
    before = {name: value.clone() for name, value in state.items()}
    one.run(9)
    assert same(state, before)
    one.restore(state)
    one.run(9)
    assert same(state, before)


@pytest.mark.parametrize(("position", "step"), [(0.2, 3), (1, 5), (0.4, 6), (2, 10), (0.99, 15)])
def test_a_training_from_a_position_sees_what_the_whole_one_saw_after_it(position, step):
    """Samples, crops, mirrors and dropout, from the middle of an epoch too."""

    def passes(**phase):
        model, seen_by = Noisy(), []
        one = trainer(model, made(lr=1e-12, momentum=0.0), pictures(), **phase)
        for layer in (model[0], model[4]):
            layer.register_forward_pre_hook(lambda _, given: seen_by.append((given[0] == 0).clone()))
        model[0].register_forward_pre_hook(lambda _, given: seen_by.append(given[0].clone()))
        one.run()
        return one, seen_by

    whole, everything = passes()
    part, rest = passes(phase=Phase(begin=position))
    assert (part.begun, part.step, whole.total) == (step, 15, 15)
    assert len(everything) == 45
    assert len(rest) == 3 * (15 - step)
    for found, expected in zip(rest, everything[3 * step :], strict=True):
        assert torch.equal(found, expected)


def test_a_training_from_a_position_is_given_the_same_samples_at_the_same_rates():
    def batches(**more):
        data = seen(vectors())
        rates = []
        one = trainer(mlp(), Recipe(batch=5, epochs=3, schedule="cosine", rewind=()), data, **more)
        while one.step < one.total:
            rates.append(one.rate())
            one.run(one.step + 1)
        return [index.tolist() for index in data.asked], rates

    order, rates = batches()
    for begin, step in ((0.4, 6), (0.5, 8), (2, 10)):
        assert batches(phase=Phase(begin=begin)) == (order[step:], rates[step:])


def test_weights_of_the_whole_run_at_a_position_go_on_as_it_did():
    """Without momentum there is nothing else to know: rewinding to W_k and training is the rest of the run."""
    recipe = made(momentum=0.0, lr=0.05, schedule="cosine")
    whole = fresh(recipe)
    whole.run(6)
    early = whole.weights()
    whole.run()
    part = fresh(recipe, seed=1, phase=Phase(begin=0.4))
    part.model.load_state_dict(early)
    part.run()
    assert same(whole.weights(), part.weights())
