"""A ticket without one of the things that it may owe its accuracy to."""

from __future__ import annotations

from prunebench.graph import Artifact, Component, Outcome, step


@step(version=1, role="find")
def ablated(model: Component, dataset: Component, repetition: int, ticket: Artifact, how: str) -> Outcome:
    """The ticket after an ablation; a reason under `skipped` where it has none."""
    from typing import cast

    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Ticket
    from prunebench.engine.training.ablation import Ablation, ablate, why_not

    if "skipped" in ticket.value:
        return Outcome({"skipped": ticket.value["skipped"]})
    subject = Subject.of(model.spec, dataset.spec, repetition)
    given, kind = Ticket.read(ticket.value, ticket.tensors, subject.layers), cast("Ablation", how)
    if reason := why_not(given, kind):
        return Outcome({"skipped": reason})
    value, tensors = ablate(subject, given, kind).stored()
    return Outcome({**value, "data": ticket.value["data"]}, tensors)


@step(version=1, role="find")
def grafted(model: Component, dataset: Component, masks: Artifact, weights: Artifact) -> Outcome:
    """One ticket's masks over another's weights; a reason under `skipped` where either has none."""
    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Ticket
    from prunebench.engine.training.ablation import graft

    for part in (masks, weights):
        if "skipped" in part.value:
            return Outcome({"skipped": part.value["skipped"]})
    layers = Subject.of(model.spec, dataset.spec, repetition=0).layers
    first, second = (Ticket.read(part.value, part.tensors, layers) for part in (masks, weights))
    if first.phase is None or second.phase is None:
        return Outcome({"skipped": "its training was over when it was found: masks and weights belong together"})
    value, tensors = graft(first, second).stored()
    return Outcome({**value, "data": masks.value["data"]}, tensors)
