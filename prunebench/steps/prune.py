"""Prune a fresh network to one density, by a method that does all of it."""

from __future__ import annotations

from prunebench.graph import Component, Outcome, step


@step(version=4, role="find")
def pruned(
    model: Component, dataset: Component, method: Component, density: float, repetition: int,
    recipe: Component | None = None, validation: float = 0.0, curves: bool = False,
) -> Outcome:  # fmt: skip
    """A ticket that keeps round(d·N) weights.

    A reason under `skipped` if that is too few for a layer or the method, or if the network has nothing of what the
    method goes by.

    A method that trains is given the recipe; for one that only looks at data, `validation` is the share that training
    will hold back. With `curves`, the epochs of a training that the ticket comes out of are measured, test samples
    included, which the method does not see: `trained_before`.
    """
    from dataclasses import replace

    from prunebench.engine.method import build
    from prunebench.engine.selection.floor import too_low
    from prunebench.engine.subject import Subject
    from prunebench.engine.training.epochs import Epochs
    from prunebench.errors import DensityError, InapplicableError
    from prunebench.tasks.build import load_dataset

    subject = Subject.of(model.spec, dataset.spec, repetition, None if recipe is None else recipe.spec, validation)
    if reason := too_low(density, sum(weight.numel() for weight in subject.layers.values()), len(subject.layers)):
        return Outcome({"skipped": reason})
    epochs = None
    if curves and subject.recipe is not None and subject.train is not None:
        splits = {"train": subject.train, "validation": subject.validation, "test": load_dataset(dataset.spec).test}
        parts = {name: samples.to(subject.device) for name, samples in splits.items() if samples is not None}
        epochs = Epochs(parts, subject.recipe.per_epoch(len(subject.train)))
        subject = replace(subject, watch=epochs.watch)
    try:
        ticket = build(method.spec).open(subject).ticket(density)
    except (DensityError, InapplicableError) as error:
        return Outcome({"skipped": str(error)})
    value, tensors = ticket.stored()
    if epochs is not None and ticket.phase is None:
        value["trained_before"] = epochs.plain()
    return Outcome({**value, "data": subject.fingerprint}, tensors)
