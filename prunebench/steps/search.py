"""Search the critical compression of a method whose every density is a walk of its own."""

from __future__ import annotations

from prunebench.graph import Component, Outcome, step


@step(version=1, role="find")
def search(model: Component, dataset: Component, method: Component, repetition: int) -> Outcome:
    """Critical compressions; one step, because each count that is tried depends on the ones before."""
    from prunebench.engine.collapse import Observer, critical_by_search
    from prunebench.engine.method import build
    from prunebench.engine.subject import Subject

    subject = Subject.of(model.spec, dataset.spec, repetition)
    finder = build(method.spec).open(subject)
    observer = Observer(subject.model, subject.shape)
    critical = critical_by_search(observer, lambda count: finder.ticket(count / observer.total).masks)
    metrics = critical.metrics(observer.total, observer.fewest)
    metrics["evaluations"] = critical.evaluations
    return Outcome({"critical": {"metrics": metrics, "labels": {"data": subject.fingerprint, **critical.first}}})
