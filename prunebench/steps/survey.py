"""What a descent leaves of the network: critical compressions, and a look at every density."""

from __future__ import annotations

from typing import Any

from prunebench.graph import Artifact, Component, Outcome, step


@step(version=1, role="measure")
def survey(model: Component, dataset: Component, descent: Artifact, densities: list[float]) -> Outcome:
    """Under `critical` the critical compressions, under each density the view of the network there."""
    from prunebench.engine.collapse import critical_of_descent
    from prunebench.engine.pruning import masks_at
    from prunebench.engine.subject import Subject

    observer = Subject.of(model.spec, dataset.spec, repetition=0).observer()
    ranks = descent.tensors
    critical = critical_of_descent(observer, ranks)
    metrics = critical.metrics(observer.total, observer.fewest)
    metrics |= {name: descent.value[name] for name in ("rounds", "prune_over_cut")}
    found: dict[str, Any] = {"critical": {"metrics": metrics, "labels": dict(critical.first)}}
    for density in densities:
        count = round(density * observer.total)
        if count < observer.layers:
            reason = f"density {density:g} keeps {count} weights, fewer than the {observer.layers} layers"
            found[str(density)] = {"skipped": reason}
            continue
        view = observer.view(masks_at(ranks, count))
        found[str(density)] = {"metrics": view.metrics(), "series": view.series()}
    return Outcome(found)
