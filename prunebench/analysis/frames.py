"""Records as Polars frames: a line a cell, or a line a metric."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from prunebench.errors import StoreError
from prunebench.records.metrics import METRICS
from prunebench.records.overrides import comparable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    import polars as pl

    from prunebench.analysis.results import Results
    from prunebench.records.schema import Record, Row

    Columns = dict[str, tuple[Callable[[], Sequence[Any]], type[pl.DataType]]]
    """By name, what gives the values, and their type."""
    Part = tuple[list[str], Callable[[Collection[str]], pl.DataFrame]]
    """Neighbouring columns, and what makes those of them that are wanted."""

_ACHIEVED = "achieved_density"
"""What the metric `density` is called, where the row's has that name."""


def frame(results: Results, only: Collection[str] | None = None) -> pl.DataFrame:
    """One line a planned cell: row, status, metrics, labels, cost, error; null where there is none.

    Columns of metrics have the metric's name, but for `density`, which is the row's, as asked for: the one that was
    achieved is `achieved_density`. Those of labels `label.NAME`, of costs `cost.ROLE.NAME`, of errors
    `error.NAME`. A cell without a record has the status `missing`.

    Args:
        results: of a run.
        only: the columns that are wanted, of `titles`; without it all.
    """
    import polars as pl

    wanted = [([name for name in names if only is None or name in only], make) for names, make in _parts(results)]
    return pl.concat([make(names) for names, make in wanted if names], how="horizontal")


def titles(results: Results) -> list[str]:
    """The columns of `frame`."""
    return [name for names, _ in _parts(results) for name in names]


def _parts(results: Results) -> list[Part]:
    return results.once("parts of frames", lambda: _made(results))


def _made(results: Results) -> list[Part]:
    import polars as pl

    found = results.cells
    roles = _keys([record.cost for record in found if record])
    return [
        _plain(_cells(results, found)),
        _gathered(
            [r.metrics if r else {} for r in found], pl.Float64, lambda name: _ACHIEVED if name == "density" else name
        ),
        _gathered([r.labels if r else {} for r in found], pl.String, "label.{}".format),
        *(
            _gathered([r.cost.get(role, {}) if r else {} for r in found], pl.Float64, f"cost.{role}.{{}}".format)
            for role in roles
        ),
        _plain(_origins(found)),
    ]


def long_frame(results: Results) -> pl.DataFrame:
    """One line a metric of a planned cell: row, status, metric, version, unit, direction, value; then its origin.

    A metric without a value has null for one. A cell that has no metrics, as it failed or has not been run, has one
    line without a metric, so that none is lost.
    """
    import polars as pl

    found = results.cells
    entries = [
        (number, name, version, value)
        for number, record in enumerate(found)
        for name, version, value in (_measured(record) or [(None, None, None)])
    ]
    numbers, names, versions, values = zip(*entries, strict=True) if entries else ((), (), (), ())
    definitions = [None if name is None else METRICS.get(name) for name in names]
    metrics = _framed({
        "metric": (lambda: names, pl.String),
        "metric_version": (lambda: versions, pl.Int64),
        "unit": (lambda: [m and m.unit for m in definitions], pl.String),
        "direction": (lambda: [m and m.direction for m in definitions], pl.String),
        "value": (lambda: values, pl.Float64),
    })  # fmt: skip
    cell = pl.Series(numbers, dtype=pl.UInt32)
    cells, origins = _framed(_cells(results, found))[cell], _framed(_origins(found))[cell]
    return pl.concat([cells, metrics, origins], how="horizontal")


def _cells(results: Results, found: Sequence[Record | None]) -> Columns:
    """The row of every cell, and what became of it."""
    import polars as pl

    rows = results.rows
    fields: Columns = {
        name: (partial(_each, name, rows), kind)
        for name, kind in (
            ("suite", pl.String), ("suite_version", pl.Int64), ("check", pl.String), ("scale", pl.String),
            ("model", pl.String), ("dataset", pl.String), ("recipe", pl.String), ("method", pl.String),
            ("density", pl.Float64), ("arm", pl.String), ("repetition", pl.Int64),
        )
    }  # fmt: skip
    ordered: Columns = {"run": (lambda: [results.run_id] * len(rows), pl.String)}
    for name, column in fields.items():
        ordered[name] = column
        if name == "scale":
            ordered["comparable"] = (lambda: _compare(rows), pl.Boolean)
    return {
        **ordered,
        "status": (lambda: ["missing" if r is None else r.status for r in found], pl.String),
        "reason": (lambda: [(r and r.reason) or None for r in found], pl.String),
    }


def _origins(found: Sequence[Record | None]) -> Columns:
    """What went wrong, and where a record comes from."""
    import polars as pl

    errors = [r and r.error for r in found]
    return {
        **{f"error.{name}": (partial(_each, name, errors), pl.String) for name in ("type", "message", "step")},
        "key": (lambda: [(r and r.key) or None for r in found], pl.String),
        "environment": (partial(_each, "environment", found), pl.String),
        "provenance": (partial(_each, "provenance", found), pl.String),
    }


def _each(name: str, found: Sequence[Any]) -> list[Any]:
    return [one if one is None else getattr(one, name) for one in found]


def _compare(rows: Sequence[Row]) -> list[bool]:
    compares = {scale: comparable(scale) for scale in {row.scale for row in rows}}
    return [compares[row.scale] for row in rows]


def _measured(record: Record | None) -> list[tuple[str | None, int | None, float | None]]:
    return [] if record is None else [(name, record.version(name), value) for name, value in record.metrics.items()]


def _plain(columns: Columns) -> Part:
    return [*columns], lambda names: _framed({name: columns[name] for name in columns if name in names})


def _gathered(found: Sequence[Mapping[str, Any]], kind: type[pl.DataType], title: Callable[[str], str]) -> Part:
    """A column for each key of some mappings, by its title."""
    titled = {title(name): name for name in _keys(found)}
    if len(titled) < len(_keys(found)):
        raise StoreError(f"two metrics of these records would share the column {_ACHIEVED}: one of them is density")

    def make(names: Collection[str]) -> pl.DataFrame:
        import polars as pl

        own = {key: name for name, key in titled.items() if name in names}
        return pl.from_dicts(found, schema=dict.fromkeys(own, kind)).rename(own)

    return [*titled], make


def _framed(columns: Columns) -> pl.DataFrame:
    import polars as pl

    return pl.DataFrame(
        {name: pl.Series(values(), dtype=kind, strict=False) for name, (values, kind) in columns.items()}
    )


def _keys(mappings: Sequence[Mapping[str, Any]]) -> list[str]:
    """All keys, in the order of their first appearance."""
    every: set[str] = set().union(*mappings)
    found: dict[str, None] = {}
    for mapping in mappings:
        if len(found) == len(every):
            break
        found |= dict.fromkeys(mapping)
    return [*found]
