"""What a trained ticket is worth, and how far its masks are from those of other tickets."""

from __future__ import annotations

from typing import Any

from prunebench.graph import Artifact, Component, Outcome, step
from prunebench.steps.look import seen


@step(version=1, role="measure")
def compared(
    model: Component, dataset: Component, recipe: Component, repetition: int, ticket: Artifact, network: Artifact,
    against: Artifact | None = None, reference: str = "", earlier: Artifact | None = None,
) -> Outcome:  # fmt: skip
    """Under `view`, what `look` has, and the overlap of masks with the ticket `against` and with an `earlier` seed's.

    The label `ticket` is `identical` where masks, weights and training are those of `against`, `mask` where the masks
    are. `train_data` is the digest of the samples that the ticket was trained on.

    Raises:
        TrainingError: those were not the task's own.
    """
    from prunebench.engine.masks import overlap
    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Ticket
    from prunebench.errors import TrainingError

    for part in (ticket, *([] if against is None else [against])):
        if "skipped" in part.value:
            return Outcome({"view": {"skipped": part.value["skipped"]}})
    subject = Subject.of(model.spec, dataset.spec, repetition, recipe.spec)
    assert subject.train is not None, "a task has data"
    own = subject.train.digest()
    if network.value["data"] != own:
        found = f"samples of digest {network.value['data']}, not the task's own, {own}"
        raise TrainingError(f"the ticket was trained on {found}: what an arm changes has leaked into training")
    if ticket.value["phase"] is None and against is not None and ticket.value["data"] != against.value["data"]:
        why = "it is trained while it is found, on what the arm changes: no training on the task's own data follows"
        return Outcome({"view": {"skipped": why}})
    view = seen(model, dataset, ticket, network)
    masks = Ticket.read(ticket.value, ticket.tensors, subject.layers)
    metrics: dict[str, float | None] = dict(view["metrics"])
    labels: dict[str, Any] = {**view["labels"], "train_data": own}
    if against is not None:
        other = Ticket.read(against.value, against.tensors, subject.layers)
        metrics["overlap"], metrics["overlap_chance"] = overlap(masks.masks, other.masks)
        labels |= {
            "reference": reference,
            "mask": "identical" if metrics["overlap"] == 1 else "other",
            "ticket": "identical" if masks.same_as(other) else "other",
        }
    if earlier is not None and "skipped" not in earlier.value:
        other = Ticket.read(earlier.value, earlier.tensors, subject.layers)
        metrics["overlap_seeds"], metrics["overlap_chance"] = overlap(masks.masks, other.masks)
    return Outcome({"view": {**view, "metrics": metrics, "labels": labels}})
