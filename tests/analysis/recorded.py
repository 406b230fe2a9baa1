"""Results of the check `tradeoff` made of numbers."""

from __future__ import annotations

from pathlib import Path

from prunebench.analysis.results import Results
from prunebench.records.presentation import Presentation
from prunebench.records.schema import Failure, Record, Row

RECIPE = "small-sgd"


def row(method, density, repetition=0, *, arm=None, model="mlp", dataset="mnist1d", recipe=RECIPE, scale="quick"):
    return Row("tradeoff", 1, "tradeoff", scale, model, dataset, recipe, method, density, arm, repetition)


def record(row, accuracy, *, validation=None, status="ok", **metrics):
    """A finished cell; an accuracy of None is a skipped one."""
    if status != "ok":
        return Record(row=row, status=status, error=Failure("ValueError", "broken"))
    if accuracy is None:
        return Record(row=row, status="skipped", reason="too few")
    share = 1.0 if row.density is None else row.density
    known = {
        "test_accuracy": accuracy, "validation_accuracy": validation, "has_path": 1.0, "classes_reached": 10,
        "density": share, "macs": 15_000, "kept_macs": 15_000 * share, "kept_parameters": 210 + 15_000 * share,
        "trainings": 1.0, "find_trainings": 0.0,
    }  # fmt: skip
    return Record(row=row, status="ok", metrics={**known, **metrics})


def grid(method, accuracies, *, metrics=None, validation=None, **task):
    """Records of a method: by density, one accuracy a repetition."""
    return [
        record(row(method, density, n, **task), value, validation=validation, **(metrics or {}))
        for density, values in accuracies.items()
        for n, value in enumerate(values)
    ]


def results(records, unfinished=()):
    """A run of those records, and of planned rows without one."""
    rows = [*(found.row for found in records), *unfinished]
    plan = {"run": "r", "suites": [{"name": "tradeoff", "version": 1}], "rows": [found.plain() for found in rows]}
    return Results(Path("nowhere"), plan, tuple(records))


def presentation(low=1, high=10, *, loss=1.0, density=0.1, tuned=False):
    return Presentation.model_validate(
        {
            "primary": {"metric": "test_accuracy", "tolerance": 1.0, "density": density},
            "context": ["macs"],
            "column": [{"header": "accuracy", "metric": "test_accuracy"}],
            "sections": ["curves", "ranks"],
            "curve": {"metric": "test_accuracy", "compressions": [low, high], "loss": loss},
            "tuned": tuned,
        }
    )
