"""Is a method that trains honest about it: what has been trained, what stays pruned, what it took?"""

from __future__ import annotations

import math
from collections import Counter
from typing import TYPE_CHECKING

import torch

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable
from prunebench.engine.training.rewinding import train
from prunebench.testing.findings import Finding
from prunebench.testing.networks import RECIPE
from prunebench.testing.stepping import Steps, counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor, nn

    from prunebench.engine.ticket import Ticket
    from prunebench.testing.candidate import Candidate
    from prunebench.testing.surroundings import Watch


def trained(candidate: Candidate) -> Iterator[Finding]:
    """A ticket without a phase brings all weights: trained ones, zero where it is pruned or held."""
    for ground in candidate.grounds:
        model, ticket = candidate.ticket(ground)
        if ticket.phase is None and (wrong := _untrained(model, ticket, trains=candidate.trains)):
            mend = "return Ticket(trainer.masks, trainer.weights(), phase=None, held=trainer.held, ...)"
            yield Finding("trained", "fault", wrong[0], f"{ground.name}: {wrong[1]}", mend)
            return


def _untrained(model: nn.Module, ticket: Ticket, *, trains: bool) -> tuple[str, str] | None:
    weights = ticket.weights or {}
    initial = dict(prunable(model))
    if left := [name for name in initial if name not in weights]:
        return "says that it has been trained, and leaves weights out", ", ".join(left[:3])
    if ticket.sparse and (back := _back(weights, ticket)):
        return "pruned weights of a trained ticket are not zero", back
    if trains and all(torch.equal(weights[n].cpu()[m], initial[n].cpu()[m]) for n, m in ticket.masks.items()):
        return "says that it has been trained, and its weights are those that were given", "all that are kept"
    return None


def _back(weights: Mapping[str, Tensor], ticket: Ticket) -> str:
    """How many pruned or held entries are not zero, and where; empty if all are."""
    odd: Counter[str] = Counter()
    for name, kept in (*ticket.masks.items(), *ticket.held.items()):
        if name in weights:
            odd[name] += int((weights[name].cpu()[~kept.cpu()] != 0).sum())
    layer = max(odd, key=lambda name: odd[name], default="")
    return f"{sum(odd.values())} are not, {odd[layer]} of them in {layer}" if any(odd.values()) else ""


def holds(candidate: Candidate) -> Iterator[Finding]:
    """The engine can train a ticket by what it says, and what is pruned before is pruned after."""
    if candidate.scored:
        return
    for ground in candidate.grounds:
        model, ticket = candidate.ticket(ground)
        try:
            after = train(ground.subject(model), ticket)
        except Exception as error:
            what = f"its ticket cannot be trained: {type(error).__name__}"
            mend = "give a phase within the recipe, and weights and held parameters of the network"
            yield Finding("holds", "fault", what, f"{ground.name}: {' '.join(str(error).split())}", mend)
            return
        before = ticket.masks if ticket.sparse else Masks.full(ticket.masks)
        masks = Masks.full(before) if after.masks is None else after.masks
        evidence = f"{masks.kept()} weights kept, {before.kept()} before" if masks != before else ""
        evidence = evidence or (_back(after.weights, ticket) if ticket.sparse else "")
        if evidence:
            mend = "return masks of the whole network, and sparse=False only of a ticket that ends dense"
            yield Finding("holds", "fault", "training does not keep the masks", f"{ground.name}: {evidence}", mend)
            return


def spent(candidate: Candidate) -> Iterator[Finding]:
    """`spent` is finite and counts the optimiser steps that were taken, in units of the recipe's length."""
    if candidate.scored:
        return
    mend = "sum (trainer.step - trainer.begun) / trainer.length over all trainings that led to the ticket"
    for ground in candidate.several[:1]:
        with counted(Steps()) as steps:
            ticket = candidate.brief.open(ground.subject()).ticket(candidate.density)
        length = RECIPE.length(len(ground.data()))
        evidence = f"{ground.name}: spent={ticket.spent:g}"
        if not (math.isfinite(ticket.spent) and ticket.spent >= 0):
            yield Finding("spent", "fault", "no number of trainings", evidence, mend)
        # Who updates weights by hand takes no steps that can be counted; a control may have looked at another's ticket.
        elif (steps.taken or not candidate.trains) and (
            ticket.spent * length > steps.taken + 0.5
            or (not candidate.control and ticket.spent * length < steps.distinct - 0.5)
        ):
            evidence += f" is {ticket.spent * length:.3g} steps of {length} a training, {steps.distinct} were taken"
            yield Finding("spent", "fault", "says that finding took what it did not take", evidence, mend)


def training(candidate: Candidate, watch: Watch) -> Iterator[Finding]:
    """While all the other checks ran, it trained exactly if it declares `training`."""
    if candidate.trains and not candidate.control and not (watch.steps.taken or watch.through_layers):
        evidence = "no step of an optimiser, no backward pass"
        mend = "do not declare `training`"
        yield Finding("training", "fault", "declares `training`, but trains nothing", evidence, mend)
    if not candidate.trains and watch.steps.taken:
        evidence = f"{watch.steps.taken} steps of an optimiser over the whole network"
        mend = "declare needs={'data', 'labels', 'gradients', 'training'} and train by ctx.trainer()"
        yield Finding("training", "fault", "trains, but `training` is not declared", evidence, mend)
