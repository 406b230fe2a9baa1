"""The journal of a run: every finished cell is one line, on disk before the next one starts.

A line is flushed and synced at once. A run that was killed leaves at most one torn last line, which is cut off when the
run goes on; any other line that is no record is an error, because only a person can say what it was.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any, BinaryIO

from prunebench.errors import StoreError
from prunebench.harness.files import write_whole
from prunebench.records.reader import read_records
from prunebench.records.schema import Record
from prunebench.records.sources import Folder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import TracebackType


class Journal:
    """Single writer of `records.jsonl` and its sidecar `series.jsonl`."""

    def __init__(self, folder: Path) -> None:
        """Use `folder`; open it with `with`."""
        self._folder = folder
        self._records: BinaryIO | None = None
        self._series: BinaryIO | None = None
        self.done: dict[str, Record] = {}
        """Records by row digest."""

    def __enter__(self) -> Journal:
        """Open for appending.

        Raises:
            StoreError: unwritable, or a line that is no record.
        """
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            for record in read_records(Folder(self._folder)):
                self.done[record.row.digest] = record
            _cut_torn_tail(self._folder / "records.jsonl")
            _cut_torn_tail(self._folder / "series.jsonl")
            self._records = (self._folder / "records.jsonl").open("ab")
            self._series = (self._folder / "series.jsonl").open("ab")
        except OSError as error:
            raise StoreError(f"{self._folder} cannot be written: {error.strerror or error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for file in (self._records, self._series):
            if file is not None:
                # Closing writes again what a full disk has refused: that was said already.
                with contextlib.suppress(OSError):
                    file.close()

    def forget(self, wanted: Callable[[Record], bool]) -> None:
        """Drop records, so that their cells run again: the file is rewritten without them, whole or not at all."""
        kept = {digest: record for digest, record in self.done.items() if not wanted(record)}
        if len(kept) == len(self.done):
            return
        assert self._records is not None, "the journal is open"
        path = self._folder / "records.jsonl"
        write_whole(path, b"".join(_line(record.plain()) for record in kept.values()), sync=True)
        self._records.close()
        self._records = path.open("ab")
        self.done = kept

    def append(self, record: Record) -> None:
        """Write a record; its series go to the sidecar first, so that a reference is never dangling.

        Raises:
            StoreError: the disk is full or gone; what was written before is safe.
        """
        assert self._records is not None, "the journal is open"
        assert self._series is not None, "the journal is open"
        digest = record.row.digest
        assert digest not in self.done, f"{record.row} is recorded twice"
        plain = record.plain()
        try:
            if record.series is not None:
                start = self._series.tell()
                self._series.write(_line(dict(record.series)))
                _sync(self._series)
                plain["series"] = {"start": start, "end": self._series.tell()}
            self._records.write(_line(plain))
            _sync(self._records)
        except OSError as error:
            raise StoreError(f"{self._folder}: {error.strerror or error}; finished cells are kept") from error
        self.done[digest] = Record.from_plain(plain)


def _line(plain: dict[str, Any]) -> bytes:
    return json.dumps(plain, allow_nan=False, separators=(",", ":")).encode() + b"\n"


def _sync(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _cut_torn_tail(path: Path) -> None:
    if not path.exists():
        return
    content = path.read_bytes()
    whole = content.rfind(b"\n") + 1
    if whole < len(content):
        os.truncate(path, whole)
