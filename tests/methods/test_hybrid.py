"""Hybrid tickets: the counts of smart ratios, the weights of trained networks."""

from __future__ import annotations

import pytest
import torch

import prunebench as pb
from prunebench.engine.prunable import prunable
from prunebench.errors import SpecError
from prunebench.spec import Spec
from prunebench.tasks.build import build_model
from tests.methods.staged import T, equal, found, plain, trained

NETWORKS = {
    "lenet-300-100(width=0.1)": (1, 8, 8),
    "conv-4(width=0.1)": (1, 8, 8),
    "resnet-20(width=0.25)": (3, 8, 8),
    "vgg-16(width=0.06)": (3, 32, 32),
}


def drawn(model, stretch):
    """A training that ends in weights of its own, which have nothing to do with the initial ones."""
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))


@pytest.mark.parametrize("spec", NETWORKS)
def test_layers_keep_what_smart_ratios_give_them_and_the_largest_trained_weights_of_each(spec):
    shape = NETWORKS[spec]
    model = build_model(Spec.parse(spec), shape, 10, 0)
    after = build_model(Spec.parse(spec), shape, 10, 0)
    drawn(after, None)
    for density in (0.02, 0.1, 0.5):
        random = pb.prune(model, "smart-ratio", density=density, input_shape=shape)
        ticket = pb.find_ticket(model, "hybrid", density=density, train=drawn, steps=1, input_shape=shape)
        assert ticket.masks.by_layer() == random.by_layer()
        for name, weight in prunable(after).items():
            kept, lost = weight.abs()[ticket.masks[name]], weight.abs()[~ticket.masks[name]]
            assert not kept.numel() or not lost.numel() or kept.min() > lost.max()
            assert torch.equal(ticket.weights[name], weight.detach())


def test_it_trains_from_trained_weights_by_the_whole_recipe():
    ticket = found("hybrid", 0.3)
    assert equal(ticket.weights, plain())
    assert equal(trained(ticket).weights, plain(plain(), masks=ticket.masks, behind=T))
    later = found("hybrid(rewind=0.25)", 0.3)
    assert equal(trained(later).weights, plain(plain(), 5, masks=ticket.masks, behind=T))


@pytest.mark.parametrize("ratios", ["erk", "smart-ratio(profile=ascending)", "smart-ratio(decay=square)", "igq"])
def test_other_ratios_are_specs(ratios):
    spec = Spec("hybrid", (("ratios", ratios),))
    model = build_model(Spec.parse("resnet-20(width=0.25)"), (3, 8, 8), 10, 0)
    how = {"density": 0.1, "input_shape": (3, 8, 8)}
    found = pb.find_ticket(model, str(spec), train=drawn, steps=1, **how).masks
    assert found.by_layer() == pb.prune(model, ratios, **how).by_layer()
    assert found.by_layer() != pb.prune(model, "smart-ratio", **how).by_layer()


def test_what_has_no_ratios_is_refused():
    with pytest.raises(SpecError, match="method 'magnitude' takes no parameter 'within'"):
        found("hybrid(ratios=magnitude)", 0.3)
