"""What given masks leave of the network."""

from __future__ import annotations

from prunebench.graph import Artifact, Component, Outcome, step


@step(version=1, role="measure")
def look(model: Component, dataset: Component, ticket: Artifact) -> Outcome:
    """Under `view`, kept and effective weights, dead layers, paths and classes; or why the ticket was skipped."""
    if "skipped" in ticket.value:
        return Outcome({"view": {"skipped": ticket.value["skipped"]}})
    from prunebench.engine.collapse import Observer
    from prunebench.engine.masks import Masks
    from prunebench.engine.prunable import prunable
    from prunebench.engine.subject import Subject

    subject = Subject.of(model.spec, dataset.spec, repetition=0)
    view = Observer(subject.model, subject.shape).view(Masks.unpacked(ticket.tensors, prunable(subject.model)))
    labels = {"data": ticket.value["data"]}
    if ticket.value["notes"]:
        labels["notes"] = ticket.value["notes"]
    return Outcome({"view": {"metrics": view.metrics(), "labels": labels, "series": view.series()}})
