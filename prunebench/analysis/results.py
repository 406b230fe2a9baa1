"""Results of a run, read from its folder."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from prunebench.errors import StoreError, UnknownNameError, suggestion
from prunebench.records.reader import read_records, read_series
from prunebench.records.schema import Failure, Record, Row

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import polars as pl


@dataclass(frozen=True)
class Results:
    """The records of one run, and what its plan still misses."""

    folder: Path
    plan: Mapping[str, Any]
    records: tuple[Record, ...]
    """One per finished cell, in the order of the plan."""

    @property
    def run_id(self) -> str:
        """Name of the run."""
        return str(self.plan["run"])

    @property
    def suites(self) -> list[str]:
        """Names of its suites."""
        return [suite["name"] for suite in self.plan["suites"]]

    @cached_property
    def rows(self) -> list[Row]:
        """All planned rows."""
        return [Row.from_plain(plain) for plain in self.plan["rows"]]

    def missing(self) -> list[Row]:
        """Planned rows without a record."""
        found = {record.row for record in self.records}
        return [row for row in self.rows if row not in found]

    def statuses(self) -> Counter[str]:
        """How many cells have each status; `missing` for those without a record."""
        counts = Counter[str](record.status for record in self.records)
        if missing := len(self.rows) - len(self.records):
            counts["missing"] = missing
        return counts

    def failures(self) -> list[list[Record]]:
        """Records of cells that failed, timed out or were cancelled, together where they share the step that did."""
        groups: dict[tuple[str, Failure], list[Record]] = defaultdict(list)
        for record in self.records:
            if record.error is not None:
                groups[record.key, record.error].append(record)
        return list(groups.values())

    def series(self, record: Record) -> dict[str, Any]:
        """The vectors of a record; empty if it has none."""
        return read_series(self.folder, record.series) if record.series else {}

    def frame(self) -> pl.DataFrame:
        """One line a planned cell: row, status, metrics, labels, cost, error. A Polars frame."""
        from prunebench.analysis.export import frame

        return frame(self)

    def leaderboard(self, format: str = "table", width: int | None = None) -> str:
        """The leaderboard of every suite as text: `table`, `md`, `csv` or `json`; a table fits into `width` columns."""
        from prunebench.analysis.boards.sections import sections
        from prunebench.analysis.tables import render

        return render(sections(self), format, width)


def load_results(folder: Path) -> Results:
    """Read a run.

    Raises:
        StoreError: the folder holds no readable run.
    """
    try:
        plan = json.loads((folder / "plan.json").read_text(encoding="utf-8"))
        order = {Row.from_plain(plain): place for place, plain in enumerate(plan["rows"])}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise StoreError(f"{folder} holds no readable run: {error}") from error
    records = sorted(read_records(folder), key=lambda record: order.get(record.row, len(order)))
    return Results(folder, plan, tuple(records))


def find_run(store: Path, name: str) -> Path:
    """Folder of a run by the beginning of its id, or `latest`.

    Raises:
        UnknownNameError: none or several match.
    """
    runs = {folder.name: folder for folder in run_folders(store)}
    if not runs:
        raise UnknownNameError(f"no run {name!r} in {store}: there are no runs yet")
    if name == "latest":
        return next(reversed(runs.values()))
    matching = [run for run in runs if run.startswith(name)]
    if len(matching) == 1:
        return runs[matching[0]]
    if matching:
        raise UnknownNameError(f"run {name!r} is ambiguous: {', '.join(sorted(matching))}")
    raise UnknownNameError(f"no run {name!r} in {store}{suggestion(name, runs)}")


def run_folders(store: Path) -> Iterator[Path]:
    """Folders of all runs in a store, the one written to last at the end."""
    folders = [path.parent for path in store.glob("runs/*/plan.json")]
    return iter(sorted(folders, key=lambda folder: (_last_written(folder), folder.name)))


def _last_written(folder: Path) -> float:
    records = folder / "records.jsonl"
    return (records if records.exists() else folder / "plan.json").stat().st_mtime
