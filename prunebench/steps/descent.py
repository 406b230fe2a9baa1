"""Walk a method from the dense network down to one weight a layer."""

from __future__ import annotations

from prunebench.graph import Component, Outcome, step


@step(version=1, role="find")
def descent(model: Component, dataset: Component, method: Component, repetition: int) -> Outcome:
    """Ranks of all weights, int32 by layer: every count of kept weights at once."""
    from prunebench.engine.method import build
    from prunebench.engine.selection.pruning import Walker
    from prunebench.engine.subject import Subject
    from prunebench.errors import PruningError

    subject = Subject.of(model.spec, dataset.spec, repetition)
    walker = build(method.spec).open(subject)
    if not isinstance(walker, Walker):
        raise PruningError(f"method {method} walks no way of its own: prune to each density")
    found = walker.descend()
    value = {
        "kept": list(found.kept),
        "prune_over_cut": list(found.prune_over_cut),
        "data": subject.fingerprint,
    }
    return Outcome(value, dict(found.ranks))
