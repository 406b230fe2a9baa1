"""Records as a frame, CSV, JSON or Parquet."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import orjson

from prunebench.analysis.archive import archived
from prunebench.analysis.frames import frame, long_frame
from prunebench.records.overrides import comparable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prunebench.analysis.results import Results

EXPORTS = {"csv": (".csv",), "json": (".json",), "parquet": (".parquet",), "archive": (".tar.xz", ".txz")}
"""Formats of a file, with the endings that tell them."""


def records_json(results: Results) -> str:
    """All records with their series, and the rows that have none yet, as one JSON document, a line each."""
    plain = {
        "run": results.run_id,
        "suites": [{"name": s["name"], "version": s["version"]} for s in results.plan["suites"]],
        "scale": results.plan["scale"],
        "comparable": comparable(results.plan["scale"]),
        "environment": results.plan["environment"],
    }
    head = _json(plain)[:-1]
    records = (_json({**record.plain(), "series": series or None}) for record, series in results.with_series())
    missing = (_json(row.plain()) for row in results.missing())
    return f'{head}, "records": [{_lines(records)}], "missing": [{_lines(missing)}]}}\n'


def exported(results: Results, format: str, *, long: bool = False) -> bytes:
    """The content of a file, see `EXPORTS`.

    `csv` and `parquet` have a line a cell, or with `long` one a metric; `json` has the series as well, `archive` is
    the run itself.

    Raises:
        StoreError: the series or files of the run cannot be read.
    """
    if format == "archive":
        return archived(results)
    if format == "json":
        return records_json(results).encode()
    content = io.BytesIO()
    table = long_frame(results) if long else frame(results)
    if format == "csv":
        table.write_csv(content)
    else:
        table.write_parquet(content)
    return content.getvalue()


def _json(plain: dict[str, Any]) -> str:
    return orjson.dumps(plain).decode()


def _lines(found: Iterable[str]) -> str:
    text = ",\n".join(found)
    return f"\n{text}\n" if text else ""
