"""A run of as many records as one likes, made of a stored one: its cells again, as of other models and seeds."""

from __future__ import annotations

import json
import random
from itertools import count
from typing import TYPE_CHECKING, Any

from prunebench import catalogue
from prunebench.analysis.results import load_results
from prunebench.records.schema import Record, Row
from prunebench.registry import MODELS
from prunebench.spec import Spec

if TYPE_CHECKING:
    from pathlib import Path

REPETITIONS = 10


def make(stored: Path, folder: Path, records: int) -> int:
    """Write a run of at least that many records; returns how many.

    Repetitions are filled up to ten; every further copy is one of other models, wider or deeper ones, so that there are
    more tasks and not larger ones. Metrics that are no counts move by a hundredth. Series are those of the original.
    """
    catalogue.declare()
    results = load_results(stored)
    source = random.Random(0)
    found = {record.row: record for record in results.records}
    repetitions = 1 + max(row.repetition for row in results.rows)
    folder.mkdir(parents=True)
    rows: list[dict[str, Any]] = []
    with (folder / "records.jsonl").open("w") as out, (folder / "series.jsonl").open("wb") as series:
        for copy in count():
            if len(rows) >= records:
                break
            for row in results.rows:
                for repetition in range(row.repetition, REPETITIONS, repetitions):
                    own = _renamed(row, copy, repetition)
                    rows.append(own.plain())
                    if row not in found:
                        continue
                    plain = Record(**{**_fields(found[row]), "row": own}).plain()
                    plain["metrics"] = {k: _moved(v, source) if copy else v for k, v in plain["metrics"].items()}
                    if plain["series"]:
                        start = series.tell()
                        series.write(json.dumps(results.series(found[row])).encode() + b"\n")
                        plain["series"] = {"start": start, "end": series.tell()}
                    out.write(json.dumps(plain, separators=(",", ":")) + "\n")
    plan = {**results.plan, "run": "bench", "rows": rows}
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / "provenance.json").write_text(json.dumps(dict(results.provenance)))
    return len(rows)


def _fields(record: Record) -> dict[str, Any]:
    return {name: getattr(record, name) for name in Record.__slots__}


def _renamed(row: Row, copy: int, repetition: int) -> Row:
    """The cell of another model: one more block or layer, or one hundredth more width."""
    spec = Spec.parse(row.model)
    known = {parameter.name for parameter in MODELS.entry(spec.name).parameters}
    name = next(name for name in ("repeat", "width", "widths") if name in known)
    value = {"repeat": 2 + copy, "width": 1 + copy / 100, "widths": (100 + copy,)}[name]
    model = str(spec.with_params({**spec.mapping, name: value})) if copy else row.model
    plain = row.plain()
    return Row.from_plain({**plain, "task": {**plain["task"], "model": model}, "repetition": repetition})


def _moved(value: float | None, source: random.Random) -> float | None:
    return value * (1 + source.gauss(0, 0.01)) if isinstance(value, float) and value not in {0.0, 1.0} else value
