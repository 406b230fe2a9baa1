"""Prune a fresh network to one density."""

from __future__ import annotations

from prunebench.graph import Component, Outcome, step


@step(version=1, role="find")
def pruned(model: Component, dataset: Component, method: Component, density: float, repetition: int) -> Outcome:
    """Masks that keep round(d·N) weights, packed by layer."""
    from prunebench.engine.pruning import prune
    from prunebench.engine.subject import Subject

    subject = Subject.of(model.spec, dataset.spec, repetition)
    masks = prune(*subject.opened(method.spec), density)
    return Outcome({"kept": masks.kept(), "data": subject.data.fingerprint}, masks.packed())
