"""Runs made of numbers, written as a run writes them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

from prunebench.analysis.comparison.compare import compare
from prunebench.analysis.comparison.finding import with_side
from prunebench.analysis.comparison.sides import of_run
from prunebench.analysis.results import load_results
from prunebench.records.schema import Failure, Record, Row

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

METHODS = ("dense", "random", "magnitude", "snip", "synflow", "lottery")
DENSITIES = (0.5, 0.25, 0.125)
TASK = ("mlp", "mnist1d", "small-sgd")

PRESENTATION = {
    "primary": {"metric": "test_accuracy", "tolerance": 1.0, "density": 0.125},
    "column": [{"header": "8×", "metric": "test_accuracy", "density": 0.125}],
    "sections": ["curves"],
    "curve": {"metric": "test_accuracy", "compressions": [1, 8]},
}


def row(method, density, repetition, *, arm=None, task=TASK, version=1, scale="quick", suite="made"):
    return Row(suite, version, "tradeoff", scale, *task, method, density, arm, repetition)


def cell(own, accuracy, *, key="code", **rest):
    """A record of a trained network of 1000 weights; an accuracy of None is one that failed."""
    if accuracy is None:
        return Record(own, "failed", key=key, error=Failure("ValueError", "broken"), provenance="p")
    share = own.density or 1.0
    metrics = {
        "test_accuracy": accuracy, "test_loss": 2 - accuracy / 100, "kept": round(1000 * share), "density": share,
        "has_path": 1.0, "effective_kept": round(990 * share), "effective_share": 0.99,
    }  # fmt: skip
    cost = {"find": {"cpu_seconds": 2.0, "wall_seconds": 2.5, "peak_bytes": 1 << 20}}
    return replace(Record(own, "ok", key=key, metrics=metrics, cost=cost, provenance="p"), **rest)


def records(
    accuracy: Callable[[str, float | None, int], float | None], *, methods=METHODS, densities=DENSITIES, seeds=5,
    key="code", **place,
) -> list[Record]:  # fmt: skip
    return [
        cell(row(method, density, n, **place), accuracy(method, density, n), key=key)
        for n in range(seeds)
        for method in methods
        for density in ((None,) if method == "dense" else densities)
    ]


def results(
    folder: Path, found: list[Record], *, processor="Z80", instructions="AVX2", threads=1, device="cpu",
    torch="2.15.0", selection=None, unfinished=(), presentation=PRESENTATION, metric="made", started="then",
):  # fmt: skip
    """Write those records as a run of theirs, and read it back."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = {"device": device, "torch": "2.15", "dtype": "float32", "threads": threads, "backend": "eager"}
    rows = [record.row for record in found] + list(unfinished)
    suites = dict.fromkeys((own.suite, own.suite_version) for own in rows)
    plan = {
        "schema": 1, "run": folder.name, "scale": rows[0].scale, "environment": environment, "steps": 1,
        "suites": [
            {"name": name, "version": version, "question": "?", "presentation": presentation}
            for name, version in suites
        ],
        "rows": [own.plain() for own in rows],
        **({"selection": selection} if selection else {}),
    }  # fmt: skip
    libraries = dict.fromkeys(("torchvision", "numpy", "scipy", "scikit-learn", "mnist1d"), "1.0")
    origin = {
        "prunebench": "0.1.0", "git": {"commit": "abc", "dirty": True}, "platform": "Linux x86_64",
        "processor": processor, "instructions": instructions, "libraries": {"torch": torch, **libraries},
        "environment": environment,
        "command": "prunebench run made", "started": started,
    }  # fmt: skip
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / "provenance.json").write_text(json.dumps({"p": origin}))
    (folder / "records.jsonl").write_text("".join(json.dumps(record.plain()) + "\n" for record in found))
    return load_results(folder)


def compared(new, old, max_slowdown=None):
    """The only suite of a comparison of two runs, and the comparison."""
    found = compare(with_side(new, of_run(old)), max_slowdown)
    return found.suites[0], found


def states(found, *, what=None, method=None):
    """Words of the items that are not the same, each with whether it gates."""
    return {
        (item.method, item.what, item.state.word, item.gates)
        for item in found.items
        if item.state.word != "same" and what in {None, item.what} and method in {None, item.method}
    }
