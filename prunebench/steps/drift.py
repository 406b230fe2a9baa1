"""Squares of weights by layer, while a method prunes and trains."""

from __future__ import annotations

from prunebench.graph import Component, Outcome, step


@step(version=1, role="measure")
def drift(
    model: Component, dataset: Component, recipe: Component, method: Component, density: float, repetition: int
) -> Outcome:
    """Under `drift`, how w² lies between layers at initialisation and at the end, and by epoch as series.

    The method's trainings are gone through anew, since stored ones have no weights by epoch. Metrics and series of the
    masks are those of the ticket. Series `drift_…` have an entry a moment: the beginning of each training, the ends of
    its epochs and each pruning on the way; None where there is no value.
    """
    from prunebench.engine.collapse import Observer
    from prunebench.engine.drift import follow
    from prunebench.engine.selection.floor import too_low
    from prunebench.engine.subject import Subject
    from prunebench.errors import DensityError, InapplicableError

    subject = Subject.of(model.spec, dataset.spec, repetition, recipe.spec)
    if reason := too_low(density, sum(weight.numel() for weight in subject.layers.values()), len(subject.layers)):
        return Outcome({"drift": {"skipped": reason}})
    try:
        diary, ticket = follow(subject, method.spec, density)
    except (DensityError, InapplicableError) as error:
        return Outcome({"drift": {"skipped": str(error)}})
    view = Observer(subject.model, subject.shape).view(ticket.masks)
    labels = {"data": subject.fingerprint}
    if ticket.notes:
        labels["notes"] = "; ".join(ticket.notes)
    return Outcome({
        "drift": {
            "metrics": {**view.metrics(), **diary.metrics()}, "labels": labels,
            "series": {**view.series(), **diary.series()},
        }
    })  # fmt: skip
