"""Runs made of numbers, written to folders as runs are: what reports are tried on."""

from __future__ import annotations

import json
import math

from prunebench.records.schema import Failure, Record, Row

SCRIPT = '<script>document.title="hacked"</script><img src=x onerror="document.title=\'hacked\'">'
LONG = f"long-name-{'x' * 190}"
RIGHT_TO_LEFT = "שיטה-ערבי-عربي"
LINES = 'two\nlines | and "a pipe"'
HOSTILE = (SCRIPT, LONG, RIGHT_TO_LEFT, LINES)
"""Names that no registry admits, and that a file of records may hold all the same."""

PRESENTATION = {
    "primary": {"metric": "test_accuracy", "tolerance": 1.0, "density": 0.1},
    "context": ["macs"],
    "column": [
        {"header": "accuracy", "metric": "test_accuracy", "density": 0.1},
        {"header": "parameters", "metric": "kept_parameters", "density": 0.1, "show": "median"},
    ],
    "sections": ["leaderboard", "curves", "ranks"],
    "curve": {"metric": "test_accuracy", "compressions": [1.0, 10.0], "loss": 1.0},
}
PROVENANCE = {
    "0123456789ab": {
        "prunebench": "0.1.0",
        "git": {"commit": "c0ffee00c0ffee00c0ffee00c0ffee00c0ffee00", "dirty": False},
        "python": "3.11.7",
        "platform": "Linux x86_64",
        "processor": "Example CPU",
        "libraries": {"torch": "2.15.0", "numpy": "2.4.6"},
        "environment": {"device": "cpu", "torch": "2.15", "dtype": "float32", "threads": 1, "backend": "eager"},
        "plugins": ["mine.py"],
        "command": "prunebench run tradeoff --plugin mine.py -m '+my-method(a=1)'",
        "started": "2026-01-02T03:04:05+00:00",
    }
}
METHODS = {"dense": 70.0, "imp": 69.0, "synflow": 62.5, "snip": 60.0, "magnitude": 58.0, "my-method(a=1)": 64.0}
"""Accuracy at density 0.5; what no plug-in has brought is among them."""
DENSITIES = (0.5, 0.1)
DATASETS = ("mnist1d", "digits")


def row(method, density, repetition, dataset="mnist1d", suite="tradeoff"):
    return Row(suite, 2, "tradeoff", "quick", "mlp(repeat=2)", dataset, "small-sgd", method, density, None, repetition)


def record(where, accuracy):
    share = 1.0 if where.density is None else where.density
    return Record(
        row=where,
        status="ok",
        key="k" * 24,
        metrics={
            "test_accuracy": accuracy, "validation_accuracy": accuracy - 1, "has_path": 1.0, "classes_reached": 10,
            "density": share, "macs": 15_000, "kept_macs": 15_000 * share, "kept_parameters": 210 + 15_000 * share,
            "trainings": 2.0 if where.method == "imp" else 1.0, "find_trainings": 1.0 if where.method == "imp" else 0.0,
        },
        cost={"find": {"cpu_seconds": 1.5, "wall_seconds": 1.6, "peak_bytes": 3 * 2**20},
              "train": {"cpu_seconds": 2.5, "wall_seconds": 2.6, "peak_bytes": 5 * 2**20}},
        environment="e" * 12,
        provenance="0123456789ab",
    )  # fmt: skip


def failed(where):
    return Record(
        row=where,
        status="failed",
        key="f" * 24,
        error=Failure("ValueError", "weights are <nan> | not finite", "score", "Traceback …", ""),
        environment="e" * 12,
        provenance="0123456789ab",
    )


def records(methods=METHODS, repetitions=3, datasets=DATASETS):
    """Every method on every data set: `snip` failed once, one cell of `magnitude` is skipped."""
    found = []
    for dataset in datasets:
        for place, (method, accuracy) in enumerate(methods.items()):
            for density in (None,) if method == "dense" else DENSITIES:
                for n in range(repetitions):
                    where = row(method, density, n, dataset)
                    share = 1.0 if density is None else density
                    value = accuracy + 3 * math.log10(share) + 0.4 * n + 0.1 * place * n
                    if method == "snip" and density == 0.1 and n == 1:
                        found.append(failed(where))
                    elif method == "magnitude" and density == 0.1 and n == 2:
                        found.append(Record(row=where, status="skipped", reason="too few weights"))
                    else:
                        found.append(record(where, round(value, 3)))
    return found


def write_run(folder, found, *, unfinished=(), presentation=PRESENTATION, suites=("tradeoff",), run="f00dcafe0123"):
    """The folder of a run of those records, and of planned rows without one."""
    folder.mkdir(parents=True)
    question = "What accuracy does a method keep at a density, and what did the ticket cost to find?"
    plan = {
        "schema": 1, "run": run, "scale": "quick", "steps": len(found),
        "suites": [
            {"name": name, "version": 2, "question": question, "presentation": presentation} for name in suites
        ],
        "environment": next(iter(PROVENANCE.values()))["environment"],
        "rows": [where.plain() for where in (*(one.row for one in found), *unfinished)],
    }  # fmt: skip
    (folder / "plan.json").write_text(json.dumps(plan), encoding="utf-8")
    (folder / "provenance.json").write_text(json.dumps(PROVENANCE), encoding="utf-8")
    lines = [json.dumps(one.plain()) + "\n" for one in found]
    (folder / "records.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "series.jsonl").write_text("", encoding="utf-8")
    return folder


def small_run(folder):
    """The run that the golden files are of: a failure, a skipped and a missing cell, a hostile and a plug-in's name."""
    methods = {**METHODS, SCRIPT: 55.0, RIGHT_TO_LEFT: 54.0}
    return write_run(folder, records(methods), unfinished=[row("erk", 0.1, n) for n in range(3)])
