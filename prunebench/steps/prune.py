"""Prune a fresh network to one density."""

from __future__ import annotations

from prunebench.graph import Component, Outcome, step


@step(version=1, role="find")
def pruned(model: Component, dataset: Component, method: Component, density: float, repetition: int) -> Outcome:
    """Masks that keep round(d·N) weights, packed by layer; a reason under `skipped` if that is below one a layer."""
    from prunebench.engine.floor import too_low
    from prunebench.engine.method import build
    from prunebench.engine.prunable import prunable
    from prunebench.engine.subject import Subject

    subject = Subject.of(model.spec, dataset.spec, repetition)
    layers = prunable(subject.model)
    if reason := too_low(density, sum(weight.numel() for weight in layers.values()), len(layers)):
        return Outcome({"skipped": reason})
    ticket = build(method.spec).open(subject).ticket(density)
    value = {"kept": ticket.masks.kept(), "data": subject.fingerprint, "notes": "; ".join(ticket.notes)}
    return Outcome(value, ticket.masks.packed())
