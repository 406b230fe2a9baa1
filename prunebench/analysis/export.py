"""Records as a frame, CSV, JSON or Parquet."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import msgspec

from prunebench.analysis.archive import archived
from prunebench.analysis.frames import frame, long_frame
from prunebench.records.overrides import comparable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from prunebench.analysis.results import Results

EXPORTS = {"csv": (".csv",), "json": (".json",), "parquet": (".parquet",), "archive": (".tar.xz", ".txz")}
"""Formats of a file, with the endings that tell them."""


def records_json(results: Results) -> Iterator[bytes]:
    """All records with their series, and the rows that have none yet, as one JSON document, a line each."""
    plain = {
        "run": results.run_id,
        "suites": [{"name": s["name"], "version": s["version"]} for s in results.plan["suites"]],
        "scale": results.plan["scale"],
        "comparable": comparable(results.plan["scale"]),
        "environment": results.plan["environment"],
    }
    yield _json(plain)[:-1] + b', "records": ['
    yield from _lines({**record.plain(), "series": series or None} for record, series in results.with_series())
    yield b'], "missing": ['
    yield from _lines(row.plain() for row in results.missing())
    yield b"]}\n"


def exported(results: Results, format: str, *, long: bool = False) -> bytes:
    """The content of a file, see `pieces`.

    Raises:
        StoreError: the series or files of the run cannot be read.
    """
    return b"".join(pieces(results, format, long=long))


def pieces(results: Results, format: str, *, long: bool = False) -> Iterator[bytes]:
    """The content of a file, see `EXPORTS`, piece by piece: the series of a large run are many.

    `csv` and `parquet` have a line a cell, or with `long` one a metric; `json` has the series as well, `archive` is
    the run itself.

    Raises:
        StoreError: the series or files of the run cannot be read.
    """
    if format == "archive":
        yield archived(results)
    elif format == "json":
        yield from records_json(results)
    else:
        content = io.BytesIO()
        table = long_frame(results) if long else frame(results)
        if format == "csv":
            table.write_csv(content)
        else:
            table.write_parquet(content)
        yield content.getvalue()


def _json(plain: dict[str, Any]) -> bytes:
    return msgspec.json.encode(plain)


def _lines(found: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    before = b"\n"
    for plain in found:
        yield before + _json(plain)
        before = b",\n"
    if before != b"\n":
        yield b"\n"
