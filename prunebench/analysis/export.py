"""Records as a frame, CSV, JSON or Parquet, and the folder that `run --report` writes."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from prunebench.errors import StoreError
from prunebench.records.overrides import comparable

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import polars as pl

    from prunebench.analysis.results import Results
    from prunebench.records.schema import Record

EXPORTS = ("csv", "json", "parquet")


def frame(results: Results) -> pl.DataFrame:
    """One line a planned cell: row, status, metrics, labels, cost, error; null where there is none.

    Columns of metrics have the metric's name, but for `density`, which is the row's, as asked for: the one that was
    achieved is `achieved_density`. Those of labels `label.NAME`, of costs `cost.ROLE.NAME`, of errors
    `error.NAME`. A cell without a record has the status `missing`.
    """
    import polars as pl

    lines = _lines(results)
    metrics = _keys(_metrics(record) for record in results.records)
    labels = _keys(record.labels for record in results.records)
    costs = _keys({f"{role}.{name}": 0 for role, spent in r.cost.items() for name in spent} for r in results.records)
    schema: dict[str, Any] = {
        "run": pl.String, "suite": pl.String, "suite_version": pl.Int64, "check": pl.String, "scale": pl.String,
        "comparable": pl.Boolean, "model": pl.String, "dataset": pl.String, "recipe": pl.String, "method": pl.String,
        "density": pl.Float64, "arm": pl.String, "repetition": pl.Int64, "status": pl.String, "reason": pl.String,
        **dict.fromkeys(metrics, pl.Float64),
        **dict.fromkeys((f"label.{name}" for name in labels), pl.String),
        **dict.fromkeys((f"cost.{name}" for name in costs), pl.Float64),
        "error.type": pl.String, "error.message": pl.String, "error.step": pl.String, "key": pl.String,
        "environment": pl.String, "provenance": pl.String,
    }  # fmt: skip
    return pl.DataFrame([[line.get(name) for name in schema] for line in lines], schema=schema, orient="row")


def records_json(results: Results) -> str:
    """All records with their series, and the rows that have none yet, as one JSON document."""
    plain = {
        "run": results.run_id,
        "suites": [{"name": s["name"], "version": s["version"]} for s in results.plan["suites"]],
        "scale": results.plan["scale"],
        "comparable": comparable(results.plan["scale"]),
        "environment": results.plan["environment"],
        "records": [{**record.plain(), "series": results.series(record) or None} for record in results.records],
        "missing": [row.plain() for row in results.missing()],
    }
    return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n"


def exported(results: Results, format: str) -> bytes:
    """The content of a file: `csv` and `parquet` have a line a cell, `json` has the series as well."""
    if format == "json":
        return records_json(results).encode()
    content = io.BytesIO()
    table = frame(results)
    if format == "csv":
        table.write_csv(content)
    else:
        table.write_parquet(content)
    return content.getvalue()


def write_report(results: Results, folder: Path) -> list[Path]:
    """Write `leaderboard.md`, which ends with the lint, `leaderboard.csv` and `records.json`, replacing earlier ones.

    Raises:
        StoreError: the folder cannot be written.
    """
    from prunebench.analysis.lint.report import detailed, lint
    from prunebench.analysis.lint.sheet import of_results
    from prunebench.analysis.tables import render

    sheet = of_results(results)
    files = {
        "leaderboard.md": f"{results.leaderboard('md')}\n{render(detailed(sheet, lint(sheet)), 'md')}",
        "leaderboard.csv": results.leaderboard("csv"),
        "records.json": records_json(results),
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in files.items():
            (folder / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise StoreError(f"{folder} cannot be written: {error.strerror or error}") from error
    return [folder / name for name in files]


def _lines(results: Results) -> list[dict[str, Any]]:
    found = {record.row: record for record in results.records}
    return [
        {
            "run": results.run_id,
            **_row(row.plain()),
            **(_outcome(found[row]) if row in found else {"status": "missing"}),
        }
        for row in results.rows
    ]


def _row(plain: dict[str, Any]) -> dict[str, Any]:
    return {**plain, **plain["task"], "comparable": comparable(plain["scale"])}


def _outcome(record: Record) -> dict[str, Any]:
    return {
        "status": record.status,
        "reason": record.reason or None,
        **_metrics(record),
        **{f"label.{name}": value for name, value in record.labels.items()},
        **{f"cost.{role}.{name}": value for role, spent in record.cost.items() for name, value in spent.items()},
        **({f"error.{k}": v for k, v in record.error.plain().items()} if record.error else {}),
        "key": record.key or None,
        "environment": record.environment,
        "provenance": record.provenance,
    }


def _metrics(record: Record) -> dict[str, float | None]:
    """Metrics under the names of their columns."""
    return {"achieved_density" if name == "density" else name: value for name, value in record.metrics.items()}


def _keys(mappings: Iterable[Any]) -> list[str]:
    """All keys, in the order of their first appearance."""
    return list(dict.fromkeys(key for mapping in mappings for key in mapping))
