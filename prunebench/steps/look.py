"""What given masks leave of the network."""

from __future__ import annotations

from typing import Any

from prunebench.graph import Artifact, Component, Outcome, step


@step(version=4, role="measure")
def look(model: Component, dataset: Component, ticket: Artifact, network: Artifact | None = None) -> Outcome:
    """Under `view`, kept and effective weights, dead layers, paths and classes; or why the ticket was skipped.

    With a trained `network`, its loss and accuracy as well, that of the ticket before training, and the masks are those
    that it ended with. What a ticket says of its pruning events becomes a series each, `event_step` and the like; None
    where an event has no value.
    """
    if "skipped" in ticket.value:
        return Outcome({"view": {"skipped": ticket.value["skipped"]}})
    return Outcome({"view": seen(model, dataset, ticket, network)})


def seen(model: Component, dataset: Component, ticket: Artifact, network: Artifact | None) -> dict[str, Any]:
    """Metrics, labels and series of a ticket, and of the network that it was trained to."""
    from prunebench.engine.collapse import Observer
    from prunebench.engine.masks import Masks
    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Ticket

    subject = Subject.of(model.spec, dataset.spec, repetition=0)
    masks = Ticket.read(ticket.value, ticket.tensors, subject.layers).masks
    metrics: dict[str, float | None] = {}
    series: dict[str, Any] = {}
    if network is not None:
        if not ticket.value["sparse"]:
            masks = Masks.full(subject.layers)
        metrics = {
            **network.value["metrics"],
            "trainings": network.value["spent"],
            "find_trainings": ticket.value["spent"],
        }
        if "begun_accuracy" in network.value:
            metrics["before_accuracy"] = network.value["begun_accuracy"]
        if "parent" in ticket.value:
            metrics["parent_accuracy"] = ticket.value["parent"]["test_accuracy"]
        series = network.value["series"] or {}
    events = ticket.value["events"]
    if events:
        names = dict.fromkeys(name for event in events for name in event)
        series = {**series, **{f"event_{name}": [event.get(name) for event in events] for name in names}}
    view = Observer(subject.model, subject.shape).view(masks)
    labels = {"data": ticket.value["data"]}
    if ticket.value["notes"]:
        labels["notes"] = "; ".join(ticket.value["notes"])
    return {"metrics": {**view.metrics(), **metrics}, "labels": labels, "series": {**view.series(), **series}}
