"""Records as Polars frames: a line a cell, or a line a metric."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from prunebench.records.metrics import METRICS
from prunebench.records.overrides import comparable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import polars as pl

    from prunebench.analysis.results import Results
    from prunebench.records.schema import Record

    Columns = dict[str, tuple[Sequence[Any], type[pl.DataType]]]
    """Values and type by name."""

_ACHIEVED = "achieved_density"
"""What the metric `density` is called, where the row's has that name."""


def frame(results: Results) -> pl.DataFrame:
    """One line a planned cell: row, status, metrics, labels, cost, error; null where there is none.

    Columns of metrics have the metric's name, but for `density`, which is the row's, as asked for: the one that was
    achieved is `achieved_density`. Those of labels `label.NAME`, of costs `cost.ROLE.NAME`, of errors
    `error.NAME`. A cell without a record has the status `missing`.
    """
    import polars as pl

    found = [results.by_row.get(row) for row in results.rows]
    roles = _keys(record.cost for record in found if record)
    named = {name: _ACHIEVED if name == "density" else name for name in _keys(r.metrics for r in found if r)}
    parts = [
        _framed(_cells(results, found)),
        _gathered([r.metrics if r else {} for r in found], pl.Float64, named),
        _gathered([r.labels if r else {} for r in found], pl.String, "label."),
        *(_gathered([r.cost.get(role, {}) if r else {} for r in found], pl.Float64, f"cost.{role}.") for role in roles),
        _framed(_origins(found)),
    ]
    return pl.concat([part for part in parts if part.width], how="horizontal")


def long_frame(results: Results) -> pl.DataFrame:
    """One line a metric of a planned cell: row, status, metric, version, unit, direction, value; then its origin.

    A metric without a value has null for one. A cell that has no metrics, as it failed or has not been run, has one
    line without a metric, so that none is lost.
    """
    import polars as pl

    found = [results.by_row.get(row) for row in results.rows]
    entries = [
        (number, name, version, value)
        for number, record in enumerate(found)
        for name, version, value in (_measured(record) or [(None, None, None)])
    ]
    numbers, names, versions, values = zip(*entries, strict=True) if entries else ((), (), (), ())
    definitions = [None if name is None else METRICS.get(name) for name in names]
    metrics = _framed({
        "metric": (names, pl.String),
        "metric_version": (versions, pl.Int64),
        "unit": ([m and m.unit for m in definitions], pl.String),
        "direction": ([m and m.direction for m in definitions], pl.String),
        "value": (values, pl.Float64),
    })  # fmt: skip
    cell = pl.Series(numbers, dtype=pl.UInt32)
    cells, origins = _framed(_cells(results, found))[cell], _framed(_origins(found))[cell]
    return pl.concat([cells, metrics, origins], how="horizontal")


def _cells(results: Results, found: Sequence[Record | None]) -> Columns:
    """The row of every cell, and what became of it."""
    import polars as pl

    rows = results.rows
    fields: Columns = {
        name: ([getattr(row, name) for row in rows], kind)
        for name, kind in (
            ("suite", pl.String), ("suite_version", pl.Int64), ("check", pl.String), ("scale", pl.String),
            ("model", pl.String), ("dataset", pl.String), ("recipe", pl.String), ("method", pl.String),
            ("density", pl.Float64), ("arm", pl.String), ("repetition", pl.Int64),
        )
    }  # fmt: skip
    compares = {scale: comparable(scale) for scale in set(fields["scale"][0])}
    ordered: Columns = {"run": ([results.run_id] * len(rows), pl.String)}
    for name, column in fields.items():
        ordered[name] = column
        if name == "scale":
            ordered["comparable"] = ([compares[scale] for scale in column[0]], pl.Boolean)
    return {
        **ordered,
        "status": (["missing" if r is None else r.status for r in found], pl.String),
        "reason": ([(r and r.reason) or None for r in found], pl.String),
    }


def _origins(found: Sequence[Record | None]) -> Columns:
    """What went wrong, and where a record comes from."""
    import polars as pl

    errors = [r and r.error for r in found]
    return {
        **{
            f"error.{name}": ([e and getattr(e, name) for e in errors], pl.String)
            for name in ("type", "message", "step")
        },
        "key": ([(r and r.key) or None for r in found], pl.String),
        "environment": ([r and r.environment for r in found], pl.String),
        "provenance": ([r and r.provenance for r in found], pl.String),
    }


def _measured(record: Record | None) -> list[tuple[str | None, int | None, float | None]]:
    return [] if record is None else [(name, record.version(name), value) for name, value in record.metrics.items()]


def _gathered(
    found: Sequence[Mapping[str, Any]], kind: type[pl.DataType], titles: Mapping[str, str] | str
) -> pl.DataFrame:
    """A column for each key of some mappings, by its title or after a prefix."""
    import polars as pl

    names = _keys(found)
    if not names:
        return pl.DataFrame()
    table = pl.from_dicts(found, schema=dict.fromkeys(names, kind))
    return table.rename({name: titles + name if isinstance(titles, str) else titles[name] for name in names})


def _framed(columns: Columns) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame({name: pl.Series(values, dtype=kind, strict=False) for name, (values, kind) in columns.items()})


def _keys(mappings: Iterable[Any]) -> list[str]:
    """All keys, in the order of their first appearance."""
    return list(dict.fromkeys(chain.from_iterable(dict.fromkeys(map(tuple, mappings)))))
