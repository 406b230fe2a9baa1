"""What a descent leaves of the network: critical compressions, and a look at every density."""

from __future__ import annotations

from typing import Any

from prunebench.graph import Artifact, Component, Outcome, step


@step(version=1, role="measure")
def survey(model: Component, dataset: Component, descent: Artifact, densities: list[float]) -> Outcome:
    """Under `critical` the critical compressions, under each density the view of the network there."""
    from prunebench.engine.collapse import Observer, critical_of_descent
    from prunebench.engine.selection.floor import too_low
    from prunebench.engine.selection.pruning import masks_at
    from prunebench.engine.subject import Subject

    subject = Subject.of(model.spec, dataset.spec, repetition=0)
    observer = Observer(subject.model, subject.shape)
    ranks = {name: descent.tensors[name] for name in observer.names}  # files have them by name
    critical = critical_of_descent(observer, ranks)
    metrics = critical.metrics(observer.total, observer.fewest)
    ratios = descent.value["prune_over_cut"]
    metrics["rounds"] = len(ratios)
    metrics["prune_over_cut"] = max((ratio for ratio in ratios if ratio is not None), default=None)
    data = {"data": descent.value["data"]}
    found: dict[str, Any] = {
        "critical": {
            "metrics": metrics,
            "labels": {**data, **critical.first},
            "series": {"kept_by_round": descent.value["kept"], "prune_over_cut_by_round": ratios},
        }
    }
    for density in densities:
        if reason := too_low(density, observer.total, observer.layers):
            found[str(density)] = {"skipped": reason}
            continue
        view = observer.view(masks_at(ranks, round(density * observer.total)))
        found[str(density)] = {"metrics": view.metrics(), "labels": data, "series": view.series()}
    return Outcome(found)
