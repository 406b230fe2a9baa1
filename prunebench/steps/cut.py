"""Prune a trained network: the ticket of a method that trains."""

from __future__ import annotations

from prunebench.graph import Artifact, Component, Outcome, step


@step(version=2, role="find")
def cut(
    model: Component, dataset: Component, recipe: Component, repetition: int, network: Artifact,
    density: float | None, by: Component, source: Artifact | None, position: float | None, final: bool, begin: float,
    rate: str, scale: float, sparse: bool,
) -> Outcome:  # fmt: skip
    """A ticket of round(d·N) of a network's weights, and where its training starts.

    Survivors start from the network's own weights if `final`, else from those of `source`, at its rewind point
    `position` if that is given; without a source from the initialisation. Where they go on from the network's own, its
    epochs, if they were measured, are those of the ticket so far: `trained_before`.
    """
    from prunebench.engine.selection.floor import too_low
    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Phase, Trained
    from prunebench.engine.training import rewinding

    subject = Subject.of(model.spec, dataset.spec, repetition, recipe.spec)
    layers = subject.layers
    if density is not None and (
        reason := too_low(density, sum(weight.numel() for weight in layers.values()), len(layers))
    ):
        return Outcome({"skipped": reason})
    if "skipped" in network.value:  # of an earlier round; the density that was asked for gives the reason first
        return Outcome({"skipped": network.value["skipped"]})
    trained = Trained.read(network.value, network.tensors, layers)
    weights = trained.weights if final else None
    if source is not None:
        start = Trained.read(source.value, source.tensors, layers)
        weights = start.weights if position is None else rewinding.moment(start, position)
    phase = Phase(begin, "final" if rate == "final" else "recipe", scale)
    ticket = rewinding.cut(subject, trained, density, by=by.spec, weights=weights, phase=phase, sparse=sparse)
    value, tensors = ticket.stored()
    more = {"data": subject.fingerprint, "parent": network.value["metrics"]}
    if final and (series := network.value["series"]):
        more["trained_before"] = {"series": series, "ended": series["epoch"][-1]}
    return Outcome({**value, **more}, tensors)
