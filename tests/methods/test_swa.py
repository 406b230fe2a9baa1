"""Averaged weights by hand."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import prunebench as pb
from prunebench.errors import PruningError, SpecError
from prunebench.seeding import seed_of
from tests.methods.staged import (
    BATCH,
    LAYERS,
    LR,
    RECIPE,
    SAMPLES,
    TOTAL,
    T,
    data,
    equal,
    found,
    network,
    plain,
    schedule,
    trained,
)


def averaged(masks, start, ends, rate, weights=None, begin=0, behind=None):
    """Mean of the weights at some steps, the rate being constant from `start` on."""
    rates = lambda step: schedule(step) if step < start else rate * LR  # noqa: E731
    states = [plain(weights, begin, end, rate=rates, masks=masks, behind=behind) for end in ends]
    return {name: torch.stack([state[name] for state in states]).mean(0) for name, _ in network().named_parameters()}


@pytest.mark.parametrize(
    ("start", "step", "ends"), [(0.5, 10, (15, 20)), (0.3, 6, (10, 15, 20)), (1.0, 5, (10, 15, 20))]
)
def test_the_weights_after_every_epoch_from_the_start_on_are_averaged(start, step, ends):
    masks = found("lottery", 0.3).masks
    ticket = found(f"swa(start={start}, rate=0.4)", 0.3)
    assert ticket.masks == masks
    wanted = averaged(masks, step, ends, 0.4)
    for name, value in wanted.items():
        torch.testing.assert_close(ticket.weights[name], value, rtol=1e-5, atol=1e-6)
    assert all(not ticket.weights[name][~masks[name]].any() for name in LAYERS)
    assert sum(int(ticket.weights[name].count_nonzero()) for name in LAYERS) == round(0.3 * TOTAL)


def test_batchnorm_takes_its_statistics_anew():
    ticket = found("swa(start=0.3)", 0.3)
    x, _ = data()
    hidden = x @ ticket.weights["0.weight"].T + ticket.weights["0.bias"]
    order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(seed_of("statistics", 0)))
    batches = hidden[order].split(BATCH)
    assert len(batches) == SAMPLES // BATCH
    mean, variance = (torch.stack(list(map(f, batches))).mean(0) for f in (lambda b: b.mean(0), lambda b: b.var(0)))
    torch.testing.assert_close(ticket.weights["1.running_mean"], mean, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(ticket.weights["1.running_var"], variance, rtol=1e-4, atol=1e-6)


def test_statistics_are_those_of_all_classes_whatever_the_order_of_the_samples():
    """Folders of images come class by class."""
    y = torch.arange(240) // 80
    x = torch.randn(240, 6, generator=torch.Generator().manual_seed(0)) + 5 * torch.eye(3, 6)[y]
    task = pb.Task((x, y), replace(RECIPE, batch=24))
    ticket = pb.find_ticket(network(), "swa", density=1.0, task=task)
    hidden = x @ ticket.weights["0.weight"].T + ticket.weights["0.bias"]
    torch.testing.assert_close(ticket.weights["1.running_var"], hidden.var(0), rtol=0.1, atol=0)


def test_it_has_been_trained_and_cost_what_the_other_costs():
    ticket = found("swa", 0.3)
    assert ticket.phase is None
    assert ticket.spent == 2
    after = trained(ticket)
    assert equal(after.weights, ticket.weights)
    assert (after.spent, after.steps) == (2, 0)


def test_the_other_tickets_own_schedule_leads_to_the_start():
    masks, dense = found("lr-rewinding", 0.3).masks, plain()
    ticket = found('swa(of="lr-rewinding(rewind=0.25)", start=0.75, rate=0.1)', 0.3)
    wanted = averaged(masks, 15, (20,), 0.1, weights=dense, begin=5, behind=20)
    for name, value in wanted.items():
        torch.testing.assert_close(ticket.weights[name], value, rtol=1e-5, atol=1e-6)


def test_shares_are_of_a_stretched_schedule_as_a_whole():
    # Twice as long: from step 30 of 40 on.
    other = found("reinit(long=true)", 0.3)
    ticket = found('swa(of="reinit(long=true)", start=0.75, rate=0.4)', 0.3)
    assert ticket.spent == 3
    falls = lambda step: 0.04 if step >= 30 else 0.01 if step >= 20 else 0.1  # noqa: E731
    states = [plain(other.weights, 0, end, rate=falls, masks=other.masks) for end in (35, 40)]
    for name in LAYERS:
        torch.testing.assert_close(ticket.weights[name], (states[0][name] + states[1][name]) / 2, rtol=1e-4, atol=1e-6)


def test_the_dense_network_can_be_averaged():
    ticket = found("swa(of=dense, start=0.5, rate=0.4)", 0.3)
    assert ticket.masks.kept() == TOTAL
    for name, value in averaged(None, 10, (15, T), 0.4).items():
        torch.testing.assert_close(ticket.weights[name], value, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("of", ["dsd", "gmp", "swa"])
def test_masks_that_change_are_refused(of):
    with pytest.raises(PruningError, match="still to be trained, under masks that stay"):
        found(f"swa(of={of})", 0.3)


def test_there_is_something_to_average():
    with pytest.raises(PruningError, match=r"start=4 leaves no epoch to average of 4"):
        found("swa(start=4.0)", 0.3)
    with pytest.raises(SpecError, match=r"start=-0\.5 must be at least 0"):
        found("swa(start=-0.5)", 0.3)
    with pytest.raises(SpecError, match="rate=0 must be above 0"):
        found("swa(rate=0.0)", 0.3)
