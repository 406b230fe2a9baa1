"""Train a ticket and average its weights."""

from __future__ import annotations

from prunebench.graph import Artifact, Component, Outcome, step


@step(version=1, role="find")
def averaged(
    model: Component, dataset: Component, recipe: Component, repetition: int, ticket: Artifact, start: float,
    rate: float,
) -> Outcome:  # fmt: skip
    """A ticket after training, its weights averaged under its mask from a position on, at a constant rate."""
    if "skipped" in ticket.value:
        return Outcome({"skipped": ticket.value["skipped"]})
    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Ticket
    from prunebench.engine.training import rewinding

    subject = Subject.of(model.spec, dataset.spec, repetition, recipe.spec)
    given = Ticket.read(ticket.value, ticket.tensors, subject.layers)
    value, tensors = rewinding.average(subject, given, start=start, rate=rate).stored()
    return Outcome({**value, "data": subject.fingerprint}, tensors)
