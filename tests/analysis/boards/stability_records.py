"""Results of the check `stability` made by hand."""

from __future__ import annotations

from pathlib import Path

from prunebench.analysis.results import Results
from prunebench.records.presentation import Presentation
from prunebench.records.schema import Failure, Record, Row

SMALL, RANDOM, LARGE = "targeted", "targeted(target=random)", "targeted(target=large)"
NOISE = "noise(target=large)"


def row(method, repetition, density=0.5, *, dataset="mnist1d", recipe="small-sgd", scale="quick"):
    density = None if method == "dense" else density
    return Row("stability", 1, "stability", scale, "mlp", dataset, recipe, method, density, None, repetition)


def record(own, *, status="ok", reason="", **metrics):
    error = Failure("ValueError", "broken") if status == "failed" else None
    return Record(own, status, metrics=metrics, error=error, reason=reason)


def runs(method, density=0.5, *, recipe="small-sgd", dataset="mnist1d", scale="quick", **metrics):
    """Records of a configuration: by metric, one value a repetition; None where a repetition has none."""
    return [
        record(
            row(method, n, density, recipe=recipe, dataset=dataset, scale=scale),
            **{name: value for name, value in zip(metrics, values, strict=True) if value is not None},
        )
        for n, values in enumerate(zip(*metrics.values(), strict=True))
    ]


def results(records, unfinished=()):
    rows = [*(found.row for found in records), *unfinished]
    plan = {"run": "r", "suites": [{"name": "stability"}], "rows": [found.plain() for found in rows]}
    return Results(Path("nowhere"), plan, tuple(records))


LARGE_SMALL = {"name": "large − small", "a": LARGE, "b": "targeted(target=small)"}


def presentation(
    x=("instability_abs",), y=("test_accuracy", "test_loss"), exclude=("control", "dense"), contrast=(LARGE_SMALL,),
    margin=2.0,
):  # fmt: skip
    return Presentation.model_validate({
        "primary": {"metric": "test_accuracy", "tolerance": 1.0},
        "column": [{"header": "accuracy", "metric": "test_accuracy"}],
        "sections": ["configurations", "associations", "contrasts", "turning"],
        "verdicts": {"metric": "test_accuracy", "margin": {"default": margin}},
        "association": {"x": list(x), "y": list(y), "exclude": list(exclude)},
        "contrast": list(contrast),
    })  # fmt: skip


def column(table, header):
    """A column's cells by those of the first."""
    place = table.headers.index(header)
    return {line[0]: line[place] for line in table.rows}
