"""How flat the minimum is that a training ended in."""

from __future__ import annotations

from prunebench.graph import Artifact, Component, Outcome, step


@step(version=1, role="measure")
def flatness(
    model: Component, dataset: Component, recipe: Component, repetition: int, ticket: Artifact | None,
    network: Artifact,
) -> Outcome:  # fmt: skip
    """Curvature, gradient moment and rise of the loss on training data, in the weights that a network ended with.

    Those are all prunable weights of one that was trained without masks, or whose training dropped them. Without a
    ticket it is the dense network.
    """
    for part in (ticket, network):
        if part is not None and "skipped" in part.value:
            return Outcome({"skipped": part.value["skipped"]})
    from prunebench.engine.masks import Masks
    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Trained
    from prunebench.engine.training import flatness as engine

    subject = Subject.of(model.spec, dataset.spec, repetition, recipe.spec)
    assert subject.train is not None, "a task has data"
    end = Trained.read(network.value, network.tensors, subject.layers)
    trained = subject.network(end.weights).to(subject.device)
    masks = end.masks or Masks.full(subject.layers)
    samples = engine.chosen(subject.train, repetition)
    return Outcome({"metrics": engine.flatness(trained, masks, samples, repetition)})
