"""A thinner dense network: which block, how its weights are scaled, and that it computes what the small one does."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import prunebench as pb
from prunebench.engine.prunable import prunable
from prunebench.errors import PruningError
from prunebench.spec import Spec
from prunebench.tasks.build import build_model
from tests.methods.staged import equal, found, plain, trained


def mlp(width, inputs=6, classes=3):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, classes)
        )


def thin(model, count, shape):
    total = sum(weight.numel() for weight in prunable(model).values())
    return pb.find_ticket(model, "small-dense", density=count / total, input_shape=shape)


def test_a_count_of_a_whole_network_gives_its_block():
    model, width = mlp(32), 9
    ticket = thin(model, 6 * width + width * width + width * 3, (6,))
    first, second, last = (ticket.masks[name] for name in ("0.weight", "2.weight", "4.weight"))
    assert torch.equal(first, (torch.arange(32) < width)[:, None].expand(32, 6))
    assert torch.equal(second, torch.outer(torch.arange(32) < width, torch.arange(32) < width))
    assert torch.equal(last, (torch.arange(32) < width).expand(3, 32))
    # Inputs are all there, and of 32 hidden units 9.
    before = dict(model.state_dict())
    torch.testing.assert_close(ticket.weights["0.weight"], before["0.weight"])
    for name in ("2.weight", "4.weight"):
        torch.testing.assert_close(ticket.weights[name], before[name] * (32 / 9) ** 0.5)


def test_it_computes_what_the_small_network_does():
    model, width = mlp(32), 9
    ticket = thin(model, 6 * width + width * width + width * 3, (6,))
    small = mlp(width)
    for name, parameter in small.named_parameters():
        block = tuple(slice(side) for side in parameter.shape)
        parameter.data = (ticket.weights.get(name, model.state_dict()[name])[block]).clone()
    model.load_state_dict(dict(ticket.weights), strict=False)
    ticket.masks.apply(model)
    x = torch.randn(50, 6, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(model(x), small(x))


@pytest.mark.parametrize(
    ("spec", "shape"),
    [
        ("mlp(widths=[400])", (64,)),
        ("conv-4(init=kaiming-normal)", (3, 32, 32)),
        ("vgg-11(init=kaiming-normal)", (3, 32, 32)),
    ],
)
def test_kept_weights_have_the_variance_of_their_own_fan_in(spec, shape):
    model = build_model(Spec.parse(spec), shape, 10, 0)
    ticket = pb.find_ticket(model, "small-dense", density=0.1, input_shape=shape)
    for name, weight in prunable(model).items():
        mask = ticket.masks[name]
        rows = mask.flatten(1).sum(1)
        # √(var · fan-in) is the gain of the layer, the same for the network and for the block in it.
        fan = int(rows.max())
        whole = float(weight.detach().std() * weight[0].numel() ** 0.5)
        block = float(ticket.weights[name][mask].std() * fan**0.5)
        count = int(mask.sum())
        assert block == pytest.approx(whole, rel=5 / count**0.5 + 5 / weight.numel() ** 0.5 + 0.05)


@pytest.mark.parametrize(
    ("spec", "shape"), [("lenet-300-100(width=0.3)", (1, 8, 8)), ("resnet-20(width=0.5)", (3, 8, 8))]
)
def test_counts_are_exact_and_nested(spec, shape):
    model = build_model(Spec.parse(spec), shape, 10, 0)
    total = sum(weight.numel() for weight in prunable(model).values())
    before = None
    for density in (0.9, 0.5, 0.337, 0.1, 0.05):
        masks = pb.prune(model, "small-dense", density=density, input_shape=shape)
        assert masks.kept() == round(density * total)
        assert before is None or all(not (masks[n] & ~before[n]).any() for n in masks)
        before = masks
    assert pb.find_ticket(model, "small-dense", density=1, input_shape=shape).masks.kept() == total


def test_it_is_trained_by_the_whole_recipe():
    ticket = found("small-dense", 0.4)
    assert ticket.spent == 0
    assert equal(trained(ticket).weights, plain(ticket.weights, masks=ticket.masks))


def test_a_network_without_a_channel_is_none():
    with pytest.raises(PruningError, match="no thinner network has 5 weights: the thinnest has 10"):
        thin(mlp(32), 5, (6,))
