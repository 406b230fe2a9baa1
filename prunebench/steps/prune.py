"""Prune a fresh network to one density, by a method that does all of it."""

from __future__ import annotations

from prunebench.graph import Component, Outcome, step


@step(version=3, role="find")
def pruned(
    model: Component, dataset: Component, method: Component, density: float, repetition: int,
    recipe: Component | None = None, validation: float = 0.0,
) -> Outcome:  # fmt: skip
    """A ticket that keeps round(d·N) weights.

    A reason under `skipped` if that is too few for a layer or the method, or if the network has nothing of what the
    method goes by.

    A method that trains is given the recipe; for one that only looks at data, `validation` is the share that training
    will hold back.
    """
    from prunebench.engine.method import build
    from prunebench.engine.selection.floor import too_low
    from prunebench.engine.subject import Subject
    from prunebench.errors import DensityError, InapplicableError

    subject = Subject.of(model.spec, dataset.spec, repetition, None if recipe is None else recipe.spec, validation)
    if reason := too_low(density, sum(weight.numel() for weight in subject.layers.values()), len(subject.layers)):
        return Outcome({"skipped": reason})
    try:
        ticket = build(method.spec).open(subject).ticket(density)
    except (DensityError, InapplicableError) as error:
        return Outcome({"skipped": str(error)})
    value, tensors = ticket.stored()
    return Outcome({**value, "data": subject.fingerprint}, tensors)
