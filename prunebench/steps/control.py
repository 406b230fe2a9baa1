"""What a ticket is compared with: new weights, or no masks."""

from __future__ import annotations

from prunebench.graph import Artifact, Component, Outcome, step


@step(version=1, role="find")
def control(
    model: Component, dataset: Component, recipe: Component, repetition: int, ticket: Artifact, fresh: bool,
    dense: bool, long: bool,
) -> Outcome:  # fmt: skip
    """Its masks, or none, with freshly drawn weights or the initial ones; trained as long as it took in all."""
    if "skipped" in ticket.value:
        return Outcome({"skipped": ticket.value["skipped"]})
    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Ticket
    from prunebench.engine.training import rewinding

    subject = Subject.of(model.spec, dataset.spec, repetition, recipe.spec)
    given = Ticket.read(ticket.value, ticket.tensors, subject.layers)
    value, tensors = rewinding.control(subject, given, fresh=fresh, dense=dense, long=long).stored()
    return Outcome({**value, "data": subject.fingerprint}, tensors)


@step(version=1, role="find")
def whole(model: Component, dataset: Component) -> Outcome:
    """The dense network as a ticket."""
    from prunebench.engine.masks import Masks
    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Ticket

    subject = Subject.of(model.spec, dataset.spec, repetition=0)
    value, tensors = Ticket(Masks.full(subject.layers)).stored()
    return Outcome({**value, "data": subject.fingerprint}, tensors)
