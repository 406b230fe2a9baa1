"""Walk a method from the dense network down to one weight a layer."""

from __future__ import annotations

from prunebench.graph import Component, Outcome, step


@step(version=1, role="find")
def descent(model: Component, dataset: Component, method: Component, repetition: int) -> Outcome:
    """Ranks of all weights, int32 by layer: every count of kept weights at once."""
    from prunebench.engine.pruning import descend
    from prunebench.engine.subject import Subject

    subject = Subject.of(model.spec, dataset.spec, repetition)
    found = descend(*subject.opened(method.spec))
    value = {
        "kept": list(found.kept),
        "prune_over_cut": list(found.prune_over_cut),
        "data": subject.data.fingerprint,
    }
    return Outcome(value, dict(found.ranks))
