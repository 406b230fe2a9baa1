"""What ablations keep and what they change, and the overlap of masks."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from prunebench.engine.masks import Masks, overlap
from prunebench.engine.subject import Subject
from prunebench.engine.ticket import Phase, Ticket
from prunebench.engine.training.ablation import ablate, graft
from prunebench.errors import PruningError

CPU = torch.device("cpu")


def subject(repetition=0):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(30, 20), nn.ReLU(), nn.Linear(20, 10))
    return Subject(model, (30,), repetition, CPU)


def masks(density=0.3, seed=1):
    generator = torch.Generator().manual_seed(seed)
    layers = subject().layers
    return Masks({name: torch.rand(w.shape, generator=generator) < density for name, w in layers.items()})


def ticket(**changes):
    weights = {name: torch.randn_like(value) for name, value in subject().model.state_dict().items()}
    return Ticket(**{"masks": masks(), "weights": weights, "phase": Phase(begin=0.1), "spent": 1.0, **changes})


def survivors(found, name):
    return found.weights[name][found.masks[name]]


@pytest.mark.parametrize("how", ["rearrange", "shuffle", "same-ratios"])
def test_every_ablation_keeps_the_count_of_every_layer_and_depends_on_the_repetition_alone(how):
    first = ablate(subject(), ticket(), how)
    assert first.masks.by_layer() == masks().by_layer()
    torch.manual_seed(99)
    assert ablate(subject(), ticket(), how).masks == first.masks
    given = ticket()
    other = ablate(subject(repetition=1), given, how)
    same = ablate(subject(), given, how)
    if how == "shuffle":
        assert other.masks == same.masks
        assert not torch.equal(other.weights["0.weight"], same.weights["0.weight"])
    else:
        assert other.masks != same.masks


def test_rearranging_moves_the_mask_and_nothing_else():
    given = ticket(held={"0.bias": torch.zeros(20, dtype=torch.bool)})
    found = ablate(subject(), given, "rearrange")
    assert found.masks != given.masks
    assert found.weights is given.weights
    assert (found.phase, found.spent, found.sparse) == (given.phase, given.spent, given.sparse)
    assert not found.held, "a filter's bias goes with its weights, which are somewhere else now"


def test_a_rearranged_mask_is_uniform_over_the_layer():
    """Every position as often as any other: chi-squared over 600 positions, 2 000 draws of 60."""
    kept = torch.zeros(20, 30, dtype=torch.bool)
    kept[0] = kept[1] = True
    layers = subject().layers
    given = ticket(masks=Masks({"0.weight": kept, "2.weight": torch.ones_like(layers["2.weight"], dtype=torch.bool)}))
    counts = sum(ablate(subject(r), given, "rearrange").masks["0.weight"].double() for r in range(2000))
    expected = 2000 * 60 / 600
    statistic = float(((counts - expected) ** 2 / (expected * 0.9)).sum())
    assert abs(statistic - 599) < 5 * math.sqrt(2 * 599)


def test_shuffling_moves_values_among_the_survivors_of_their_layer():
    given = ticket()
    before = {name: value.clone() for name, value in given.weights.items()}
    found = ablate(subject(), given, "shuffle")
    assert found.masks == given.masks
    assert found.phase == given.phase
    for name in masks():
        old, new = survivors(given, name), survivors(found, name)
        assert not torch.equal(old, new)
        assert torch.equal(old.sort().values, new.sort().values)
        pruned = ~given.masks[name]
        assert torch.equal(found.weights[name][pruned], given.weights[name][pruned])
    for name in ("0.bias", "2.bias"):
        assert torch.equal(found.weights[name], given.weights[name])
    assert all(torch.equal(value, given.weights[name]) for name, value in before.items()), "the ticket is as it was"


def test_initial_weights_are_shuffled_as_they_are():
    given = ticket(weights=None)
    found = ablate(subject(), given, "shuffle")
    for name, weight in subject().layers.items():
        kept = given.masks[name]
        assert torch.equal(weight[kept].sort().values, found.weights[name][kept].sort().values)


def test_the_same_ratios_start_from_the_beginning():
    found = ablate(subject(), ticket(sparse=False), "same-ratios")
    assert found.weights is None
    assert found.phase == Phase()
    assert found.sparse
    assert found.spent == 1.0
    assert found.masks != ablate(subject(), ticket(), "rearrange").masks, "draws of their own"


@pytest.mark.parametrize("how", ["rearrange", "shuffle"])
def test_what_has_been_trained_is_past_changing(how):
    with pytest.raises(PruningError, match="training was over when it was found"):
        ablate(subject(), ticket(phase=None), how)
    assert ablate(subject(), ticket(phase=None), "same-ratios").phase == Phase()


def test_a_graft_has_one_ticket_s_masks_and_the_other_s_weights_and_training():
    one, other = ticket(masks=masks(seed=1), phase=Phase()), ticket(masks=masks(seed=2), spent=3.0)
    found = graft(one, other)
    assert found.masks == one.masks != other.masks
    assert found.weights is other.weights
    assert found.phase == other.phase
    assert found.spent == 4.0
    with pytest.raises(PruningError, match="training is over"):
        graft(one, ticket(phase=None))
    alien = Ticket(Masks({"0.weight": torch.ones(2, 2, dtype=torch.bool)}))
    with pytest.raises(PruningError, match="same prunable tensors"):
        graft(alien, one)


def test_tickets_are_the_same_if_their_training_would_be():
    one = ticket()
    assert one.same_as(Ticket(one.masks, dict(one.weights), phase=Phase(begin=0.1), spent=7.0))
    nudged = {**one.weights, "0.bias": one.weights["0.bias"] + 1}
    for other in (
        ticket(masks=masks(seed=2), weights=one.weights), ticket(weights=nudged), ticket(weights=None),
        ticket(weights=one.weights, phase=Phase()), ticket(weights=one.weights, phase=None),
        ticket(weights=one.weights, sparse=False),
        ticket(weights=one.weights, held={"0.bias": torch.zeros(20, dtype=torch.bool)}),
    ):  # fmt: skip
        assert not one.same_as(other)


def test_overlap_of_hand_made_masks():
    first = {"a": torch.tensor([True, True, False, False]), "b": torch.tensor([True, False])}
    second = {"a": torch.tensor([True, False, True, False]), "b": torch.tensor([True, True])}
    found, chance = overlap(first, second)
    assert found == 2 / 5  # both: a0, b0; either: a0 a1 a2 b0 b1
    expected = 2 * 2 / 4 + 1 * 2 / 2
    assert chance == pytest.approx(expected / (4 + 3 - expected - 0))
    assert overlap(first, first)[0] == 1
    with pytest.raises(PruningError, match="same prunable tensors"):
        overlap(first, {"a": first["a"]})


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**31), st.floats(0.05, 0.95), st.floats(0.05, 0.95))
def test_the_expected_intersection_is_that_of_random_masks(seed, one, other):
    """Mean intersection of many draws with fixed counts, against Σ a·b / n."""
    n = 200
    a, b = max(1, round(one * n)), max(1, round(other * n))
    generator = torch.Generator().manual_seed(seed)
    draws = 400
    first = torch.arange(n) < a
    hits = [int((first[torch.randperm(n, generator=generator)] & (torch.arange(n) < b)).sum()) for _ in range(draws)]
    mean = sum(hits) / draws
    _, chance = overlap({"w": first}, {"w": torch.arange(n) < b})
    implied = chance * (a + b) / (1 + chance)
    deviation = math.sqrt(a * b * (n - a) * (n - b) / n**2 / (n - 1) / draws)
    assert abs(mean - implied) <= 5 * deviation + 1e-9
