"""Stages of tickets on networks in memory: what is measured is what the masks keep, and averages fit their data."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from prunebench.engine.prunable import prunable
from prunebench.engine.subject import Subject
from prunebench.engine.ticket import Phase, Ticket
from prunebench.engine.training.rewinding import average, train
from prunebench.errors import PruningError
from prunebench.seeding import seed_of
from prunebench.tasks.recipes.base import Recipe
from tests.engine.training.plain_training import (
    CPU,
    FEATURES,
    conv,
    mlp,
    pictures,
    random_masks,
    same,
    trainer,
    vectors,
)

RECIPE = Recipe(lr=0.1, batch=5, epochs=4, rewind=(), schedule="constant", validation=0)


def subject(model, data):
    return Subject(model, data.shape, 0, CPU, train=data, recipe=RECIPE)


def test_pruned_weights_that_a_method_left_in_a_trained_ticket_do_not_count():
    model = conv()
    masks, held = random_masks(model, 0.5), {"1.bias": torch.tensor([True, False, True])}
    with torch.no_grad():
        model[1].bias.fill_(1.0)
    ticket = Ticket(masks, model.state_dict(), phase=None, held=held)
    found = train(subject(model, pictures()), ticket)
    for name, mask in {**masks, **held}.items():
        assert torch.equal(found.weights[name], torch.where(mask, model.state_dict()[name], 0))
    assert all((weight != 0).all() for weight in prunable(model).values()), "the ticket's own tensors stay"
    dense = train(subject(model, pictures()), Ticket(masks, model.state_dict(), phase=None, sparse=False))
    assert dense.masks is None
    assert same(dense.weights, model.state_dict())


@pytest.mark.parametrize("phase", [None, Phase()])
def test_weights_of_another_network_are_refused(phase):
    model = mlp()
    for weights, match in (
        ({"9.weight": torch.zeros(2)}, "Sequential has no 9.weight"),
        ({"0.bias": torch.zeros(2)}, r"0.bias of Sequential is \[8\], not \[2\]"),
    ):
        with pytest.raises(PruningError, match=match):
            train(subject(model, vectors()), Ticket(random_masks(model, 0.5), weights, phase=phase))


@pytest.mark.parametrize(("samples", "sizes"), [(21, [5, 5, 5, 6]), (22, [5, 5, 5, 5, 2])])
def test_an_average_is_the_mean_of_the_last_epochs_with_statistics_of_all_samples(samples, sizes):
    """BatchNorm has no deviation of a sample that is left over, in training and afterwards."""
    data = vectors(samples)
    model = nn.Sequential(nn.Linear(FEATURES, 4), nn.BatchNorm1d(4), nn.Linear(4, 3))
    masks = random_masks(model, 0.6)
    ticket = average(subject(model, data), Ticket(masks, spent=1.0), start=0.5, rate=0.5)
    one = trainer(copy.deepcopy(model), RECIPE, data)
    one.hold(masks)
    one.run(one.total // 2)
    one.constant = 0.5
    ends = []
    for epoch in (3, 4):
        one.run(epoch * len(sizes))
        ends.append(one.weights())
    for name in dict(model.named_parameters()):
        torch.testing.assert_close(ticket.weights[name], (ends[0][name] + ends[1][name]) / 2)
    for name, mask in masks.items():
        assert not ticket.weights[name][~mask].any()
    order = torch.randperm(samples, generator=torch.Generator().manual_seed(seed_of("statistics", 0)))
    hidden = [h @ ticket.weights["0.weight"].T + ticket.weights["0.bias"] for h in data.x[order].split(sizes)]
    means, variances = (torch.stack([f(h) for h in hidden]).mean(0) for f in (lambda h: h.mean(0), lambda h: h.var(0)))
    torch.testing.assert_close(ticket.weights["1.running_mean"], means, atol=1e-6, rtol=1e-5)
    torch.testing.assert_close(ticket.weights["1.running_var"], variances, atol=1e-6, rtol=1e-5)
    assert (ticket.phase, ticket.spent) == (None, 2.0)
