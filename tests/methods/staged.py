"""A small task, its training as a plain loop, and tickets of it through the public face."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import cross_entropy

import prunebench as pb
from prunebench.plugins import ready
from prunebench.seeding import seed_of

ready()

SAMPLES, BATCH, EPOCHS = 40, 8, 4
PER_EPOCH, T = 5, 20
LR, MOMENTUM, DECAY = 0.1, 0.9, 5e-3
TOTAL = 6 * 8 + 8 * 8 + 8 * 3
LAYERS = ("0.weight", "3.weight", "5.weight")
RECIPE = pb.Recipe(
    lr=LR, momentum=MOMENTUM, weight_decay=DECAY, batch=BATCH, epochs=EPOCHS, schedule="step", milestones=(0.5,),
    validation=0.0, rewind=(0.25,),
)  # fmt: skip


def network():
    with torch.random.fork_rng():
        torch.manual_seed(3)
        return nn.Sequential(
            nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)
        )  # fmt: skip


def data():
    x = torch.randn(SAMPLES, 6, generator=torch.Generator().manual_seed(0))
    return x, x[:, :3].argmax(1)


def task():
    return pb.Task(data(), RECIPE)


def found(spec, density):
    return pb.find_ticket(network(), spec, density=density, task=task())


def trained(ticket):
    return pb.train(network(), ticket, task())


def schedule(step):
    """A tenth from the middle on."""
    return LR * (0.1 if step >= T // 2 else 1.0)


def plain(weights=None, begin=0, end=T, rate=schedule, masks=None, behind=None):
    """Weights after the steps from `begin` up to `end`, pruned weights and their gradients being set to zero.

    `behind` steps are behind the weights already, so that the next batches come; None takes those of the steps.
    """
    model, (x, y) = network(), data()
    model.load_state_dict(weights or {}, strict=False)
    for name, mask in (masks or {}).items():
        model.get_parameter(name).data[~mask] = 0
    optimiser = torch.optim.SGD(model.parameters(), lr=LR, momentum=MOMENTUM, weight_decay=DECAY, fused=True)
    model.train()
    for step in range(begin, end):
        epoch, place = divmod(step if behind is None else behind + step - begin, PER_EPOCH)
        order = torch.randperm(SAMPLES, generator=torch.Generator().manual_seed(seed_of("data-order", 0, epoch=epoch)))
        batch = order[place * BATCH : (place + 1) * BATCH]
        optimiser.param_groups[0]["lr"] = rate(step)
        optimiser.zero_grad()
        cross_entropy(model(x[batch]), y[batch]).backward()
        for name, mask in (masks or {}).items():
            model.get_parameter(name).grad[~mask] = 0
        optimiser.step()
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def largest(weights, count, within=None):
    """Masks of the `count` largest magnitudes over all layers."""
    flat = torch.cat([(weights[n].abs() * (1 if within is None else within[n])).flatten() for n in LAYERS])
    kept = torch.zeros(TOTAL, dtype=torch.bool)
    kept[flat.argsort(descending=True)[:count]] = True
    return {n: m.view_as(weights[n]) for n, m in zip(LAYERS, kept.split([48, 64, 24]), strict=True)}


def equal(first, second):
    """Equal names, and equal values to the bit."""
    assert set(first) == set(second)
    return all(torch.equal(first[name], second[name]) for name in first)
