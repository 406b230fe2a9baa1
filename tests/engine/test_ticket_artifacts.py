"""Tickets and trained networks through the artifact store: JSON beside safetensors, and back to the bit."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable
from prunebench.engine.ticket import Phase, Ticket, Trained
from prunebench.environment import Environment
from prunebench.graph import Outcome
from prunebench.harness.artifacts import ArtifactStore
from tests.engine.training.plain_training import conv, random_masks, same


@pytest.fixture(scope="module")
def through(tmp_path_factory):
    """Stored by one store, read by another."""
    folder = tmp_path_factory.mktemp("store")

    def passed(thing, layers):
        value, tensors = thing.stored()
        ArtifactStore(folder, Environment()).put("ab", Outcome(value, tensors), step="s", role="find", cost={})
        found = ArtifactStore(folder, Environment()).get("ab")
        return type(thing).read(found.value, found.tensors, layers)

    return passed


def assert_equal(found, expected):
    for part in dataclasses.fields(expected):
        one, other = getattr(found, part.name), getattr(expected, part.name)
        if part.name in {"weights", "held"}:
            assert same(one or {}, other or {}), part.name
            assert {n: t.dtype for n, t in (one or {}).items()} == {n: t.dtype for n, t in (other or {}).items()}
        elif part.name == "moments":
            assert list(one) == list(other)
            assert all(same(one[place], other[place]) for place in other)
        else:
            assert one == other, part.name


NUMBERS = st.floats(0, 1e6) | st.sampled_from([0.1, 1 / 3, 1e-300])
NOTES = st.lists(st.text(max_size=9), max_size=3).map(tuple)
HELD = {"1.bias": torch.tensor([True, False, True]), "7.bias": torch.tensor([False, False, False])}
LENGTHS = st.floats(1, 1e6)
PHASES = st.builds(
    Phase, NUMBERS, st.sampled_from(["recipe", "final"]), LENGTHS, LENGTHS, st.none() | NUMBERS
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(
    st.floats(0, 1), st.integers(0, 9), st.booleans(), NOTES, st.none() | PHASES, st.booleans(), st.booleans(), NUMBERS
)
def test_a_ticket_comes_back_from_the_store(through, density, seed, weights, notes, phase, sparse, held, spent):
    model = conv(seed)
    ticket = Ticket(
        random_masks(model, density, seed), dict(model.state_dict()) if weights else None, notes, phase, sparse,
        HELD if held else {}, spent,
    )  # fmt: skip
    assert_equal(through(ticket, prunable(model)), ticket)


@settings(max_examples=30, deadline=None)
@given(
    st.none() | st.floats(0, 1), st.integers(0, 9), st.lists(NUMBERS, max_size=12, unique=True), NOTES, st.booleans(),
    NUMBERS, st.integers(0, 2**40), st.dictionaries(st.sampled_from(["train", "test"]), st.just({"loss": 0.1})),
)  # fmt: skip
def test_a_trained_network_comes_back_from_the_store(
    through, density, seed, places, notes, held, spent, steps, measures
):
    """Up to twelve moments: the names of the tenth begin as those of the first."""
    model = conv(seed)
    moments = {place: {n: t + i for n, t in model.state_dict().items()} for i, place in enumerate(places)}
    network = Trained(
        dict(model.state_dict()), None if density is None else random_masks(model, density, seed),
        HELD if held else {}, moments, notes, spent, steps, 7 * steps, measures,
    )  # fmt: skip
    assert_equal(through(network, prunable(model)), network)


def test_what_is_not_contiguous_or_of_another_type_comes_back(through):
    model = nn.Linear(3, 4).double()
    weights = {"weight": torch.arange(12.0, dtype=torch.float64).view(3, 4).T, "bias": model.bias.detach()}
    mask = torch.tensor([[True, False, True, True], [False, True, True, False], [True, True, False, False]]).T
    ticket = Ticket(Masks({"weight": mask}), weights)
    found = through(ticket, prunable(model))
    assert torch.equal(found.masks["weight"], mask)
    assert same(found.weights, weights)
    assert found.weights["weight"].dtype is torch.float64


def test_tied_weights_come_back_under_both_names(through):
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    model[1].weight = model[0].weight
    weights = model.state_dict()
    masks = random_masks(model, 0.5)
    assert list(masks) == ["0.weight"]
    ticket = Ticket(masks, weights)
    assert_equal(through(ticket, prunable(model)), ticket)
    network = Trained(weights, masks, moments={0.1: weights})
    assert_equal(through(network, prunable(model)), network)
