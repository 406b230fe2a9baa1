"""Progress on standard error: a bar on terminals, a line a cell elsewhere."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from types import TracebackType

    from prunebench.records.schema import Record


class Progress(Protocol):
    """Told of every record as it is written."""

    def __enter__(self) -> Progress: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def cell(self, record: Record) -> None:
        """A cell is done."""
        ...


class Silence:
    """Says nothing."""

    def __enter__(self) -> Silence:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def cell(self, record: Record) -> None:
        """Nothing."""


class Lines(Silence):
    """One line a cell; an error that many cells share is told once."""

    def __init__(self, total: int, done: int) -> None:
        """`done` of `total` cells have a record already."""
        self._total, self._done = total, done
        self._told: set[str] = set()

    def cell(self, record: Record) -> None:
        """Count, status, row; the error or reason if there is one."""
        self._done += 1
        why = str(record.error or record.reason or "")
        if record.error and why in self._told:
            why = "as above"
        self._told.add(why)
        why = f": {why}" if why else ""
        print(f"[{self._done}/{self._total}] {record.status} {record.row}{why}", file=sys.stderr, flush=True)


class Bar(Silence):
    """A rich progress bar; failures are printed above it, an error that many cells share once."""

    def __init__(self, total: int, done: int) -> None:
        """`done` of `total` cells have a record already."""
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
        from rich.progress import Progress as RichProgress

        self._bar = RichProgress(
            TextColumn("{task.description:32.32}"),
            BarColumn(bar_width=None),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._told: set[str] = set()
        self._task = self._bar.add_task("starting workers", total=total, completed=done)

    def __enter__(self) -> Bar:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def cell(self, record: Record) -> None:
        """Move on; name what is being done."""
        from rich.markup import escape

        if record.error is not None and str(record.error) not in self._told:
            self._told.add(str(record.error))
            self._bar.print(f"{record.status} {escape(str(record.row))}: {escape(str(record.error))}")
        self._bar.update(self._task, advance=1, description=escape(f"{record.row.model} · {record.row.method}"))


def progress(total: int, done: int) -> Progress:
    """The form that fits standard error."""
    return Bar(total, done) if sys.stderr.isatty() else Lines(total, done)
