"""Train a ticket, or the dense network, by the task's recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prunebench.graph import Artifact, Component, Outcome, step

if TYPE_CHECKING:
    from prunebench.tasks.datasets.base import Samples


@step(version=3, role="train")
def trained(
    model: Component, dataset: Component, recipe: Component, repetition: int, ticket: Artifact | None = None,
    until: float | None = None, curves: bool = True,
) -> Outcome:  # fmt: skip
    """Weights at the end and at the recipe's rewind points; loss and accuracy at the end, and by epoch with `curves`.

    Epochs of trainings that the ticket's weights come from, `trained_before`, stand before those of its own. Without a
    ticket the dense network is trained from its initialisation. Data that are measured on are the splits as
    they are, without augmentation, in eval mode. `data` is the digest of the training samples; `begun_accuracy` that of
    a ticket on the test samples before it is trained.
    """
    if ticket is not None and "skipped" in ticket.value:
        return Outcome({"skipped": ticket.value["skipped"]})
    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Ticket
    from prunebench.engine.training.epochs import Epochs
    from prunebench.engine.training.evaluate import evaluate
    from prunebench.engine.training.rewinding import train
    from prunebench.tasks.build import load_dataset

    subject = Subject.of(model.spec, dataset.spec, repetition, recipe.spec)
    assert subject.recipe is not None, "the task has one"
    assert subject.train is not None, "and data"
    splits: dict[str, Samples | None] = {
        "train": subject.train, "validation": subject.validation, "test": load_dataset(dataset.spec).test
    }  # fmt: skip
    parts = {name: samples.to(subject.device) for name, samples in splits.items() if samples is not None}
    given = None if ticket is None else Ticket.read(ticket.value, ticket.tensors, subject.layers)
    begun = 0 if given is None or given.phase is None else subject.recipe.step_at(given.phase.begin, len(subject.train))
    before = ticket.value.get("trained_before") if ticket is not None and curves else None
    epochs = Epochs(parts, subject.recipe.per_epoch(len(subject.train)), begun=begun, before=before)
    network = train(subject, given, until=until, watch=epochs.watch if curves else None)
    final = subject.network(network.weights).to(subject.device)
    measured = epochs.measured(final, begun + network.steps)
    epochs.end(network.steps, measured)
    value, tensors = network.stored()
    metrics = {f"{name}_{what}": number for name, found in measured.items() for what, number in found.items()}
    more: dict[str, Any] = {"data": subject.train.digest()}
    if given is not None and given.phase is not None:
        start = subject.network().to(subject.device)
        given.apply(start)
        more["begun_accuracy"] = evaluate(start, parts["test"])["accuracy"]
    return Outcome({**value, **more, "metrics": metrics, "series": epochs.series if curves else None}, tensors)
