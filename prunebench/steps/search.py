"""Search the critical compression of a method whose every density is a walk of its own."""

from __future__ import annotations

from prunebench.graph import Component, Outcome, step


@step(version=1, role="find")
def search(model: Component, dataset: Component, method: Component, repetition: int) -> Outcome:
    """Critical compressions; one step, because each count that is tried depends on the ones before."""
    from prunebench.engine.collapse import critical_by_search
    from prunebench.engine.pruning import prune
    from prunebench.engine.subject import Subject

    subject = Subject.of(model.spec, dataset.spec, repetition)
    pruner, session = subject.opened(method.spec)
    observer = subject.observer()
    critical = critical_by_search(observer, lambda count: prune(pruner, session, count / observer.total))
    metrics = critical.metrics(observer.total, observer.fewest)
    metrics["evaluations"] = critical.evaluations
    return Outcome({"critical": {"metrics": metrics, "labels": {"data": subject.data.fingerprint, **critical.first}}})
