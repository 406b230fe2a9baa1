"""Train a ticket, or the dense network, by the task's recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prunebench.errors import TrainingError
from prunebench.graph import Artifact, Component, Outcome, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from prunebench.engine.training.trainer import Trainer
    from prunebench.tasks.datasets.base import Samples


@step(version=2, role="train")
def trained(
    model: Component, dataset: Component, recipe: Component, repetition: int, ticket: Artifact | None = None,
    until: float | None = None, curves: bool = True,
) -> Outcome:  # fmt: skip
    """Weights at the end and at the recipe's rewind points; loss and accuracy at the end, and by epoch with `curves`.

    Without a ticket the dense network is trained from its initialisation. Data that are measured on are the splits as
    they are, without augmentation, in eval mode. `data` is the digest of the training samples; `begun_accuracy` that of
    a ticket on the test samples before it is trained.
    """
    if ticket is not None and "skipped" in ticket.value:
        return Outcome({"skipped": ticket.value["skipped"]})
    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Ticket
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
    series: dict[str, list[float]] = {"epoch": []}

    def watch(trainer: Trainer) -> None:
        if curves and trainer.step < trainer.total:
            note(trainer.step / trainer.per_epoch, measure(trainer.model, trainer.step))

    def measure(network: nn.Module, step: int) -> Mapping[str, Mapping[str, float]]:
        try:
            return {name: evaluate(network, part) for name, part in parts.items()}
        except TrainingError as error:
            raise TrainingError(f"training diverged by step {step}: {error}") from error

    def note(epoch: float, found: Mapping[str, Mapping[str, float]]) -> None:
        if epoch in series["epoch"]:
            return
        series["epoch"].append(epoch)
        for name, measured in found.items():
            for what, value in measured.items():
                series.setdefault(f"{name}_{what}", []).append(value)

    given = None if ticket is None else Ticket.read(ticket.value, ticket.tensors, subject.layers)
    network = train(subject, given, until=until, watch=watch)
    final = subject.network(network.weights).to(subject.device)
    begun = 0 if given is None or given.phase is None else subject.recipe.step_at(given.phase.begin, len(subject.train))
    measured = measure(final, begun + network.steps)
    note((begun + network.steps) / subject.recipe.per_epoch(len(subject.train)), measured)
    value, tensors = network.stored()
    metrics = {f"{name}_{what}": number for name, found in measured.items() for what, number in found.items()}
    more: dict[str, Any] = {"data": subject.train.digest()}
    if given is not None and given.phase is not None:
        start = subject.network().to(subject.device)
        given.apply(start)
        more["begun_accuracy"] = evaluate(start, parts["test"])["accuracy"]
    return Outcome({**value, **more, "metrics": metrics, "series": series if curves else None}, tensors)
