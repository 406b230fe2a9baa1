"""How far a method's scores are from a flow that units conserve and every cut carries."""

from __future__ import annotations

from prunebench.graph import Component, Outcome, step


@step(version=1, role="measure")
def flow(
    model: Component, dataset: Component, method: Component, repetition: int, validation: float, count: str, sign: str,
    precision: str, against: str,
) -> Outcome:  # fmt: skip
    """Under `view`, residuals of both laws, totals of layers and cuts, and scores into and out of units.

    Scores are those of the untouched network at initialisation; `validation` is the share of the training split that
    is held back from the scoring set. A method without scores, or that has none of this network, is skipped with a
    reason.
    """
    from prunebench.engine.conservation.measure import measured
    from prunebench.engine.subject import Subject
    from prunebench.errors import InapplicableError, UnsupportedOperatorError

    subject = Subject.of(model.spec, dataset.spec, repetition, validation=validation)
    try:
        found = measured(
            subject, method.spec,
            count="all" if count == "all" else "weights",
            sign="absolute" if sign == "absolute" else "kept",
            precision="single" if precision == "single" else "double",
            against="gradient-norms" if against == "gradient-norms" else "none",
        )  # fmt: skip
    except (InapplicableError, UnsupportedOperatorError) as error:
        return Outcome({"view": {"skipped": str(error)}})
    view = {"metrics": found.metrics(), "labels": {"data": subject.fingerprint}, "series": found.series()}
    return Outcome({"view": view})
