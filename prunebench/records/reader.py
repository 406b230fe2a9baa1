"""Reading the files of a run."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from prunebench.errors import StoreError
from prunebench.records.schema import Record

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def read_records(folder: Path) -> Iterator[Record]:
    """Records of a run, series left as references; a torn last line is passed over.

    Raises:
        StoreError: unreadable, or a line that is no record; file and line number are named.
    """
    path = folder / "records.jsonl"
    try:
        content = path.read_bytes() if path.exists() else b""
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error
    *lines, _torn = content.split(b"\n")
    for number, line in enumerate(lines, start=1):
        try:
            yield Record.from_plain(json.loads(line))
        except (ValueError, StoreError) as error:
            raise StoreError(
                f"{path}, line {number}: {error}; delete the line to run its cell again, the others are kept"
            ) from error


def read_series(folder: Path, reference: Any) -> dict[str, Any]:
    """The vectors that a record refers to.

    Raises:
        StoreError: the sidecar does not hold them.
    """
    path = folder / "series.jsonl"
    try:
        with path.open("rb") as file:
            file.seek(reference["start"])
            return dict(json.loads(file.read(reference["end"] - reference["start"])))
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise StoreError(f"{path} does not hold the series of a record: {error}") from error
