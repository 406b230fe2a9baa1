"""Lines of a journal and rows of a plan decoded straight into their types: a run may have 10⁵ of each.

What is read here, `Record.from_plain` and `Row.from_plain` read the same. What is not is left to them: failed cells,
earlier schemas, and all that is wrong.
"""

from __future__ import annotations

from dataclasses import replace
from operator import attrgetter
from sys import intern
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from prunebench.records.older import SCHEMA
from prunebench.records.schema import Record, Row, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

_Present = Annotated[int, msgspec.Meta(ge=SCHEMA, le=SCHEMA)]
_Number = Annotated[int, msgspec.Meta(ge=-(1 << 53), le=1 << 53)] | float
"""JSON has neither NaN nor infinity; an integer that a float does not hold is left to others."""
_Share = Annotated[int, msgspec.Meta(ge=0, le=1)] | Annotated[float, msgspec.Meta(ge=0, le=1)]


class _Task(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    model: str
    dataset: str
    recipe: str | None


class _Row(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    suite: str
    suite_version: int
    check: str
    scale: str
    task: _Task
    method: str
    density: _Share | None
    arm: str | None
    repetition: int


class _Line(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    schema: _Present
    row: _Row
    status: Status
    key: str
    metrics: dict[str, _Number | None]
    metric_versions: dict[str, Annotated[int, msgspec.Meta(ge=2)]]
    labels: dict[str, str]
    series: dict[str, Any] | None
    error: None
    reason: str
    cost: dict[str, dict[str, _Number]]
    environment: str
    provenance: str


_own = attrgetter("suite", "suite_version", "check", "scale", "method", "density", "arm", "repetition")
_of_task = attrgetter("model", "dataset", "recipe")


class LineReader:
    """Reads records, whose rows are those that are known, where they are equal."""

    def __init__(self, known: Iterable[Row] = ()) -> None:
        """Share those rows."""
        self._known = {row.cells(): row for row in known}
        self._decode = msgspec.json.Decoder(_Line).decode

    def read(self, line: bytes) -> Record | None:
        """The record of a line; None where another has to look at it."""
        try:
            found = self._decode(line)
        except (ValueError, RecursionError):
            return None
        plain = found.row
        cells = (*_own(plain), *_of_task(plain.task))
        row = self._known.get(cells)
        if row is None:
            row = self._known[cells] = _row(plain)
        return Record(
            row, found.status, found.key, found.metrics, found.labels, found.series, None, found.reason, found.cost,
            intern(found.environment), intern(found.provenance), found.metric_versions,
        )  # fmt: skip

    def sharing(self, record: Record) -> Record:
        """A record read elsewhere, with the row that is known."""
        row = self._known.setdefault(record.row.cells(), record.row)
        return record if row is record.row else replace(record, row=row)


def read_rows(plain: list[Any]) -> list[Row]:
    """Rows of their JSON form.

    Raises:
        KeyError, TypeError, AttributeError: see `Row.from_plain`.
    """
    try:
        return [_row(row) for row in msgspec.convert(plain, list[_Row])]
    except (ValueError, RecursionError):
        return [Row.from_plain(row) for row in plain]


def _row(plain: _Row) -> Row:
    task, arm, recipe = plain.task, plain.arm, plain.task.recipe
    return Row(
        intern(plain.suite), plain.suite_version, intern(plain.check), intern(plain.scale), intern(task.model),
        intern(task.dataset), recipe and intern(recipe), intern(plain.method), plain.density, arm and intern(arm),
        plain.repetition,
    )  # fmt: skip
