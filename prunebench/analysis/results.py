"""Results of a run, read from its folder or an archive of it."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from prunebench.analysis.uncollected import uncollected
from prunebench.errors import StoreError, UnknownNameError, suggestion
from prunebench.records.lines import read_rows
from prunebench.records.reader import read_all_series, read_plan, read_provenance, read_records, read_series
from prunebench.records.sources import PLAN, is_archive, source_of

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

    import polars as pl

    from prunebench.records.schema import Failure, Record, Row
    from prunebench.records.sources import Source

T = TypeVar("T")


@dataclass(frozen=True)
class Results:
    """The records of one run, and what its plan still misses."""

    place: Path
    """The run's folder, or the archive of it."""
    plan: Mapping[str, Any]
    """As it is stored; its rows may be left out where they are read, see `rows`."""
    records: tuple[Record, ...]
    """One per finished cell, in the order of the plan."""
    opened: Source | None = field(default=None, repr=False, compare=False)
    """What they were read from, where it is open already."""
    planned: list[Row] | None = field(default=None, repr=False, compare=False)
    """All planned rows, where the plan does not have them itself."""

    @cached_property
    def source(self) -> Source:
        """Where the series and the provenance are read from."""
        return self.opened or source_of(self.place)

    @cached_property
    def provenance(self) -> Mapping[str, Any]:
        """Where the numbers come from, by the digest that records carry; empty where the run does not say so."""
        return read_provenance(self.source)

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
        return read_rows(self.plan["rows"]) if self.planned is None else self.planned

    @cached_property
    def by_row(self) -> Mapping[Row, Record]:
        """Records by their rows."""
        return {record.row: record for record in self.records}

    @cached_property
    def cells(self) -> list[Record | None]:
        """The record of every planned row; None where there is none yet."""
        return [self.by_row.get(row) for row in self.rows]

    @cached_property
    def _made(self) -> dict[Hashable, Any]:
        return {}

    def once(self, what: Hashable, make: Callable[[], T]) -> T:
        """What several tables and charts are made from, made for the first of them."""
        if what not in self._made:
            self._made[what] = make()
        found: T = self._made[what]
        return found

    def missing(self) -> list[Row]:
        """Planned rows without a record."""
        return [row for row, record in zip(self.rows, self.cells, strict=True) if record is None]

    def statuses(self) -> Counter[str]:
        """How many cells have each status; `missing` for those without a record."""
        counts = Counter[str](record.status for record in self.records)
        if missing := len(self.missing()):
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
        return read_series(self.source, record.series) if record.series else {}

    def with_series(self) -> Iterator[tuple[Record, dict[str, Any]]]:
        """Every record with its vectors; faster than asking for those of one after the other."""
        found = read_all_series(self.source, [record.series for record in self.records])
        return zip(self.records, found, strict=True)

    def frame(self, *, long: bool = False) -> pl.DataFrame:
        """A Polars frame of one line a planned cell: row, status, metrics, labels, cost, error.

        With `long` one a metric: row, status, metric, its version, unit and direction, value, error.
        """
        from prunebench.analysis.frames import frame, long_frame

        return self.once(("frame", long), lambda: long_frame(self) if long else frame(self))

    def leaderboard(self, format: str = "table", width: int | None = None) -> str:
        """The leaderboard of every suite as text: `table`, `md`, `csv` or `json`; a table fits into `width` columns."""
        from prunebench.analysis.boards.sections import sections
        from prunebench.analysis.tables import render

        return render(sections(self), format, width)


def load_results(place: Path) -> Results:
    """Read a run from its folder or an archive of it.

    The last record of a row counts; one of a row that is not planned is none of the run's, and left out.

    Raises:
        StoreError: no readable run is there.
    """
    source = source_of(place)
    with uncollected():
        plan = read_plan(source)
        try:
            rows = read_rows(plan.pop("rows"))
        except (KeyError, TypeError, AttributeError) as error:
            raise StoreError(f"{place} holds no readable run: {PLAN}: {type(error).__name__}: {error}") from error
        planned = list(dict.fromkeys(rows))
        # Records share the planned rows, so that identity tells what takes a hundred thousand hashes otherwise.
        found: dict[int, Record | None] = dict.fromkeys(map(id, planned))
        for record in read_records(source, planned):
            if id(record.row) in found:
                found[id(record.row)] = record
        records = [record for record in found.values() if record is not None]
    _refuse_versions(place, records)
    return Results(place, plan, tuple(records), source, planned)


def _refuse_versions(place: Path, records: Sequence[Record]) -> None:
    """Numbers of two definitions of a metric share no table; a run has one of each."""
    if not any(record.metric_versions for record in records):
        return
    versions: dict[str, int] = {}
    for record in records:
        for name in record.metrics:
            if versions.setdefault(name, record.version(name)) != record.version(name):
                raise StoreError(
                    f"{place}: {name} is of version {versions[name]} in some records and of {record.version(name)} in "
                    "others, which compare with nothing: run it again with --rerun all"
                )


def open_run(store: Path, name: str) -> Results:
    """Read a run by what a user calls it: `latest`, the beginning of its id, its folder, or an archive of that.

    Raises:
        UnknownNameError: no run of the store matches, or several do.
        StoreError: no readable run is there.
    """
    place = Path(name)
    if is_archive(name) and not place.is_file():
        raise StoreError(f"there is no archive {name}")
    if name != "latest" and (is_archive(name) or (place / PLAN).is_file()):
        return load_results(place)
    return load_results(find_run(store, name))


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
