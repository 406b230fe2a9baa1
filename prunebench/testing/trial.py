"""A try of a method as a step, so that a worker process can do it."""

from __future__ import annotations

from prunebench.graph import Component, Outcome, step


@step(version=1, role="find")
def trial(method: Component) -> Outcome:
    """Masks, scores and weights on the chain."""
    from prunebench.testing.candidate import Candidate
    from prunebench.testing.networks import CHAIN

    result = Candidate.of(method.spec).on(CHAIN.subject())
    masks = {f"mask/{name}": mask for name, mask in result.masks.items()}
    scores = {f"score/{name}": score.contiguous() for name, score in (result.scores or {}).items()}
    weights = {f"weight/{name}": weight.contiguous() for name, weight in result.weights.items()}
    return Outcome({}, masks | scores | weights)
