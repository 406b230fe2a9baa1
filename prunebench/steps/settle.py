"""How much pruning events shook a network, and what kind of minimum its training ended in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prunebench.graph import Artifact, Component, Outcome, step
from prunebench.steps.look import seen

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SHAKEN = ("instability_abs", "instability_rel", "loss_instability_abs", "loss_instability_rel")


@step(version=1, role="measure")
def settled(
    model: Component, dataset: Component, ticket: Artifact, network: Artifact, flatness: Artifact | None = None
) -> Outcome:
    """Under `view`, what `look` has, with instability, errors, gaps, and the metrics of `flatness`."""
    if "skipped" in ticket.value:
        return Outcome({"view": {"skipped": ticket.value["skipped"]}})
    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Ticket

    layers = Subject.of(model.spec, dataset.spec, repetition=0).layers
    masks = Ticket.read(ticket.value, ticket.tensors, layers).masks
    view = seen(model, dataset, ticket, network)
    metrics = {
        **view["metrics"],
        **instability(ticket.value["events"], untouched=masks.kept() == masks.total()),
        **gaps(view["metrics"]),
        **({} if flatness is None else flatness.value["metrics"]),
    }
    return Outcome({"view": {**view, "metrics": metrics}})


def instability(events: Sequence[Mapping[str, float]], *, untouched: bool) -> dict[str, float | None]:
    """Means over the events of a training, sums, and how many there were (Bartoldson et al. 2020).

    A network that nothing is taken from has instability 0. Where pruning is no event of a training, or events were not
    measured, there is none. An event without a value, a ratio over zero, counts in no mean.
    """
    found: dict[str, float | None] = {"events": float(len(events))}
    for name in _SHAKEN:
        values = [0.0] if untouched else [event[name] for event in events if name in event]
        found[name] = sum(values) / len(values) if values else None
        if name.endswith("_abs"):
            found[f"{name}_total"] = sum(values) if values else None
    return found


def gaps(metrics: Mapping[str, Any]) -> dict[str, float]:
    """Errors, and how much worse a network is on test samples than on its training samples."""
    return {
        "train_error": 100 - metrics["train_accuracy"],
        "test_error": 100 - metrics["test_accuracy"],
        "gap": metrics["train_accuracy"] - metrics["test_accuracy"],
        "loss_gap": metrics["test_loss"] - metrics["train_loss"],
    }
