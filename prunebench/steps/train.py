"""Train a ticket, or the dense network, by the task's recipe."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.graph import Artifact, Component, Outcome, step

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prunebench.engine.trainer import Trainer
    from prunebench.tasks.datasets.base import Samples


@step(version=1, role="train")
def trained(
    model: Component, dataset: Component, recipe: Component, repetition: int, ticket: Artifact | None = None,
    until: float | None = None, curves: bool = True,
) -> Outcome:  # fmt: skip
    """Weights at the end and at the recipe's rewind points; loss and accuracy at the end, and by epoch with `curves`.

    Without a ticket the dense network is trained from its initialisation. Data that are measured on are the splits as
    they are, without augmentation, in eval mode.
    """
    if ticket is not None and "skipped" in ticket.value:
        return Outcome({"skipped": ticket.value["skipped"]})
    from prunebench.engine.cost import cost_of
    from prunebench.engine.evaluate import evaluate
    from prunebench.engine.rewinding import train
    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Ticket
    from prunebench.tasks.build import load_dataset

    subject = Subject.of(model.spec, dataset.spec, repetition, recipe.spec)
    splits: dict[str, Samples | None] = {
        "train": subject.train, "validation": subject.validation, "test": load_dataset(dataset.spec).test
    }  # fmt: skip
    parts = {name: samples.to(subject.device) for name, samples in splits.items() if samples is not None}
    series: dict[str, list[float]] = {}

    last = 0.0

    def watch(trainer: Trainer) -> None:
        nonlocal last
        last = trainer.step / trainer.per_epoch
        if not curves or trainer.step == trainer.total:
            return
        note(trainer.step / trainer.per_epoch, {name: evaluate(trainer.model, part) for name, part in parts.items()})

    def note(epoch: float, found: Mapping[str, Mapping[str, float]]) -> None:
        series.setdefault("epoch", []).append(epoch)
        for name, measured in found.items():
            for what, value in measured.items():
                series.setdefault(f"{name}_{what}", []).append(value)

    given = None if ticket is None else Ticket.read(ticket.value, ticket.tensors, subject.layers)
    network = train(subject, given, until=until, watch=watch)
    final = subject.network(network.weights).to(subject.device)
    measured = {name: evaluate(final, part) for name, part in parts.items()}
    note(last, measured)
    value, tensors = network.stored()
    metrics = {f"{name}_{what}": number for name, found in measured.items() for what, number in found.items()}
    spent = {
        "examples": float(network.examples),
        "macs": 3.0 * network.examples * cost_of(subject.model, subject.shape).macs,
    }
    labels = {"data": subject.fingerprint}
    return Outcome({**value, **labels, "metrics": metrics, "series": series if curves else None}, tensors, spent)
