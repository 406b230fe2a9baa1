"""Results of the check `conservation` made by hand: what boards show is then known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from prunebench.analysis.results import Results
from prunebench.records.presentation import Presentation
from prunebench.records.schema import Failure, Record, Row

if TYPE_CHECKING:
    from pathlib import Path


def row(method, arm, repetition=0, *, model="mlp", recipe=None, density=None, scale="quick"):
    return Row("conservation", 1, "conservation", scale, model, "digits", recipe, method, density, arm, repetition)


def presentation(*expectations):
    return Presentation.model_validate({
        "primary": {"metric": "square_slope", "tolerance": 0},
        "column": [{"header": "units", "metric": "square_slope"}],
        "sections": ["conservation", "drift"],
        "expectation": [{"why": f"reason {number}", **given} for number, given in enumerate(expectations, 1)],
    })  # fmt: skip


class Made:
    """Planned rows and their records, added one by one."""

    def __init__(self, folder: Path):
        self.folder, self.rows, self.records = folder, [], []

    def add(self, own, *, status="ok", reason="", series=None, **metrics):
        self.rows.append(own)
        error = Failure("ValueError", "broken") if status == "failed" else None
        self.records.append(Record(
            own, status, metrics=metrics, error=error, reason=reason, series=series and self._stored(series)
        ))  # fmt: skip

    def plan(self, *rows):
        """Rows without a record."""
        self.rows += rows

    def results(self) -> Results:
        plan = {"run": "made", "rows": [own.plain() for own in self.rows], "suites": [{"name": "conservation"}]}
        return Results(self.folder, plan, tuple(self.records))

    def _stored(self, series):
        path = self.folder / "series.jsonl"
        start = path.stat().st_size if path.exists() else 0
        with path.open("ab") as file:
            return {"start": start, "end": start + file.write(json.dumps(series).encode())}


def cells(table, first):
    """A row's cells by header."""
    (found,) = [line for line in table.rows if line[0] == first]
    return dict(zip(table.headers, found, strict=True))
