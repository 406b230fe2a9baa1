"""What is taken from a ticket to see whether it matters: which weights inside a layer, which values, whose training.

Every ablation keeps the number of weights of each layer, and training goes on as it would have.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import torch

from prunebench.engine.masks import Masks, check_alike
from prunebench.engine.ticket import Phase, Ticket
from prunebench.errors import PruningError
from prunebench.seeding import seed_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from prunebench.engine.subject import Subject

Ablation = Literal["rearrange", "shuffle", "same-ratios"]


def ablate(subject: Subject, ticket: Ticket, how: Ablation) -> Ticket:
    """A ticket without one of the things that it may owe its accuracy to.

    Args:
        subject: the network, as it is initialised; its repetition decides what is drawn.
        ticket: of this network.
        how: `rearrange` permutes the mask of each layer over the layer, so that other weights survive (Su et al. 2020);
            `shuffle` permutes the surviving values of each layer among the surviving positions, so that the support
            stays (same place); `same-ratios` draws masks of the same counts by layer, trained from the initial weights
            by the whole recipe.

    Raises:
        PruningError: `why_not` has a reason.
    """
    if reason := why_not(ticket, how):
        raise PruningError(reason)
    return _ABLATIONS[how](
        subject, ticket, torch.Generator().manual_seed(seed_of(f"ablation/{how}", subject.repetition))
    )


def why_not(ticket: Ticket, how: Ablation) -> str:
    """Why a ticket has no such ablation, or nothing."""
    if ticket.phase is None and how != "same-ratios":
        return f"arm {how!r} changes a ticket before it is trained, and this one's training was over when it was found"
    return ""


def graft(masks: Ticket, weights: Ticket) -> Ticket:
    """One ticket's masks over the weights, and with the training, that another starts from.

    Where the other was pruned in rounds that went on from pruned weights, what it has at positions that only the masks
    keep is zero.

    Raises:
        PruningError: they are of different networks; one's training is over, so that its weights belong to its masks.
    """
    check_alike(masks.masks, dict(weights.masks))
    if masks.phase is None or weights.phase is None:
        raise PruningError("a ticket whose training is over has no weights that other masks could start from")
    return replace(weights, masks=masks.masks, held=masks.held, spent=masks.spent + weights.spent)


def _rearranged(subject: Subject, ticket: Ticket, generator: torch.Generator) -> Ticket:
    del subject
    return replace(ticket, masks=_drawn(ticket.masks, generator), held={})


def _shuffled(subject: Subject, ticket: Ticket, generator: torch.Generator) -> Ticket:
    weights = dict(ticket.weights or {})
    initial = subject.layers
    for name, mask in ticket.masks.items():
        value = weights.get(name, initial[name]).detach().cpu().clone()
        survivors = value[mask]
        value[mask] = survivors[torch.randperm(len(survivors), generator=generator)]
        weights[name] = value
    return replace(ticket, weights=weights)


def _same_ratios(subject: Subject, ticket: Ticket, generator: torch.Generator) -> Ticket:
    del subject
    return Ticket(_drawn(ticket.masks, generator), notes=ticket.notes, phase=Phase(), spent=ticket.spent)


_ABLATIONS: Mapping[Ablation, Callable[[Subject, Ticket, torch.Generator], Ticket]] = {
    "rearrange": _rearranged,
    "shuffle": _shuffled,
    "same-ratios": _same_ratios,
}


def _drawn(masks: Mapping[str, Tensor], generator: torch.Generator) -> Masks:
    """Masks of as many weights in every layer, wherever they fall."""
    return Masks({
        name: mask.flatten()[torch.randperm(mask.numel(), generator=generator)].reshape(mask.shape)
        for name, mask in masks.items()
    })  # fmt: skip
