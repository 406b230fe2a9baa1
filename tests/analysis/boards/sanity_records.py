"""Results of the check `sanity` made by hand: what boards show is then known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from prunebench.analysis.results import Results
from prunebench.records.presentation import Presentation
from prunebench.records.schema import Failure, Record, Row

if TYPE_CHECKING:
    from pathlib import Path

MODEL, DATASET, RECIPE = "mlp", "mnist1d", "small-sgd"


def row(method, arm, repetition, density=0.1, recipe=RECIPE, model=MODEL, dataset=DATASET, scale="quick"):
    return Row("sanity", 1, "sanity", scale, model, dataset, recipe, method, density, arm, repetition)


def presentation(sections=("verdicts",), control=(), margin=2.0, **rest):
    return Presentation.model_validate({
        "primary": {"metric": "test_accuracy", "tolerance": 1.0, "density": 0.1},
        "column": [{"header": "a", "metric": "test_accuracy", "density": 0.1}],
        "sections": list(sections),
        "verdicts": {"metric": "test_accuracy", "margin": {"default": margin}},
        "control": [{"kind": kind, "method": method, "arm": arm} for kind, method, arm in control],
        **rest,
    })  # fmt: skip


POSITIVE = ("positive", "lottery(rewind=0.1)", "reinit")
NEGATIVE = ("negative", "random", "rearrange")


class Made:
    """Planned rows and their records, added one by one."""

    def __init__(self, folder: Path):
        self.folder, self.rows, self.records = folder, [], []

    def add(self, own, value=None, *, status="ok", reason="", labels=None, series=None, **metrics):
        """A record of that accuracy, or one without; a failed one says so."""
        self.rows.append(own)
        if value is not None:
            metrics = {"test_accuracy": value, "has_path": 1.0, "dead_layers": 0.0, **metrics}
        if own.arm is not None and status == "ok":
            labels = {"reference": "", "mask": "other", "ticket": "other", **(labels or {})}
        error = Failure("ValueError", "broken") if status == "failed" else None
        self.records.append(
            Record(own, status, metrics=metrics, labels=labels or {}, error=error, reason=reason,
                   series=None if series is None else self._stored(series))
        )  # fmt: skip

    def plan(self, *rows):
        """Rows without a record."""
        self.rows += rows

    def pair(self, method, arm, untouched, altered, labels=None, **at):
        """The untouched ticket, unless it is there already, and an arm: one value a repetition."""
        known = set(self.rows)
        for n, value in enumerate(untouched):
            if (own := row(method, None, n, **at)) not in known:
                self.add(own, value)
        for n, value in enumerate(altered):
            self.add(row(method, arm, n, **at), value, labels=labels)

    def results(self) -> Results:
        plan = {"run": "made", "rows": [own.plain() for own in self.rows], "suites": [{"name": "sanity"}]}
        return Results(self.folder, plan, tuple(self.records))

    def _stored(self, series):
        path = self.folder / "series.jsonl"
        start = path.stat().st_size if path.exists() else 0
        with path.open("ab") as file:
            return {"start": start, "end": start + file.write(json.dumps(series).encode())}


def column(table, header):
    """A column's cells by those of the first."""
    place = table.headers.index(header)
    return {line[0]: line[place] for line in table.rows}
