"""Dense-sparse-dense training against a plain loop."""

from __future__ import annotations

import pytest
import torch

from prunebench.errors import SpecError
from tests.methods.staged import LAYERS, TOTAL, T, data, equal, found, network, plain, schedule, trained


def by_layer(weights, masks):
    """Masks of as many weights of each layer, of largest magnitude."""
    kept = {}
    for name in LAYERS:
        flat = torch.zeros(weights[name].numel(), dtype=torch.bool)
        flat[weights[name].abs().flatten().argsort(descending=True)[: int(masks[name].sum())]] = True
        kept[name] = flat.view_as(weights[name])
    return kept


def reached(weights):
    """By layer, the weights between units that one sample activates both, as they are trained."""
    model = network()
    model.load_state_dict(weights)
    with torch.no_grad():
        first = model[:3].train()(data()[0]) > 0
        second = model[:5](data()[0]) > 0
    into = (second[:, :, None] & first[:, None, :]).any(0)
    return {"0.weight": first.any(0)[:, None], "3.weight": into, "5.weight": second.any(0)[None]}


@pytest.mark.parametrize("rates", ["recipe", "final"])
def test_dense_then_sparse_then_dense_again(rates):
    ticket = found(f"dsd(sparse_rates={rates})", 0.6)
    dense = plain()
    masks = by_layer(dense, ticket.masks)
    assert equal(ticket.masks, masks)
    assert all(abs(int(m.sum()) - 0.6 * m.numel()) <= 1 for m in masks.values())
    sparse = plain(dense, rate=schedule if rates == "recipe" else lambda step: schedule(T - 1), masks=masks, behind=T)
    assert equal(ticket.weights, sparse)
    assert not ticket.sparse
    assert ticket.masks.kept() == round(0.6 * TOTAL)
    # Released, pruned weights start at zero, and nothing holds them there.
    assert all(not ticket.weights[n][~m].any() for n, m in ticket.masks.items())
    end = trained(ticket)
    assert end.masks is None
    wanted = plain(sparse, rate=lambda step: schedule(step) / 10, behind=2 * T)
    torch.testing.assert_close(dict(end.weights), wanted)
    # All come back but those between units that no sample activates together, which have no gradient.
    for name, by in reached(sparse).items():
        assert (by.expand_as(masks[name]) & ~masks[name]).any(), name
        assert end.weights[name][by.expand_as(masks[name])].all(), name
    assert (ticket.spent, end.spent) == (2, 3)


def test_the_last_phase_has_rates_of_its_own():
    ticket = found("dsd(final_scale=0.5, by=magnitude)", 0.6)
    wanted = plain(ticket.weights, rate=lambda step: schedule(step) / 2, behind=2 * T)
    torch.testing.assert_close(dict(trained(ticket).weights), wanted)
    flat = torch.cat([plain()[name].abs().flatten() for name in LAYERS]).sort(descending=True).values
    assert all(plain()[n].abs()[m].min() >= flat[round(0.6 * TOTAL) - 1] for n, m in ticket.masks.items())
    with pytest.raises(SpecError, match="final_scale=0 must be above 0"):
        found("dsd(final_scale=0.0)", 0.6)
    with pytest.raises(SpecError, match="sparse_rates=first is not 'recipe' or 'final'"):
        found("dsd(sparse_rates=first)", 0.6)


def test_masks_are_nested():
    before = None
    for density in (0.9, 0.7, 0.4, 0.1):
        masks = found("dsd", density).masks
        assert before is None or all(not (masks[n] & ~before[n]).any() for n in masks)
        before = masks
