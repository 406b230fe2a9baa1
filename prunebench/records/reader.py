"""Reading the files of a run."""

from __future__ import annotations

import json
from typing import IO, TYPE_CHECKING, Any

import msgspec

from prunebench.errors import StoreError
from prunebench.records.beside import no_plan, no_provenance
from prunebench.records.lines import LineReader
from prunebench.records.older import SCHEMA
from prunebench.records.schema import PLAN_SCHEMA, Record
from prunebench.records.sources import PLAN, PROVENANCE, RECORDS, SERIES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from prunebench.records.schema import Row
    from prunebench.records.sources import Source


def read_records(source: Source, rows: Iterable[Row] = ()) -> Iterator[Record]:
    """Records of a run, series left as references; a torn last line is passed over.

    Args:
        source: of the run.
        rows: those that are known, so that records share them.

    Raises:
        StoreError: unreadable, or a line that is no record; file and line number are named.
    """
    path = source.place / RECORDS
    try:
        file = source.open(RECORDS)
        if file is None:
            return
        fast = LineReader(rows)
        with file:
            for number, line in enumerate(file, start=1):
                if line.endswith(b"\n"):
                    yield fast.read(line) or fast.sharing(_record(line, path, number))
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error


def read_plan(source: Source) -> dict[str, Any]:
    """What a run was to consist of.

    Raises:
        StoreError: there is none, it cannot be read, or it is no plan.
    """
    try:
        file = source.open(PLAN)
        if file is None:
            raise StoreError(f"{source.place} holds no readable run: there is no {PLAN} in it")
        with file:
            plan = dict(_parsed(file.read()))
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(f"{source.place} holds no readable run: {PLAN}: {_said(error)}") from error
    if (number := plan.get("schema", PLAN_SCHEMA)) != PLAN_SCHEMA:
        raise StoreError(
            f"{source.place}: {PLAN} is of schema {number}; this version reads {PLAN_SCHEMA}: update prunebench"
        )
    if (wrong := no_plan(plan)) is not None:
        raise StoreError(f"{source.place} holds no readable run: {PLAN}: {wrong}")
    return plan


def read_provenance(source: Source) -> dict[str, Any]:
    """Where the numbers of a run come from, by the digest that records carry; empty where nothing says so.

    Raises:
        StoreError: it cannot be read.
    """
    try:
        file = source.open(PROVENANCE)
        if file is None:
            return {}
        with file:
            found = dict(_parsed(file.read()))
    except (OSError, ValueError, TypeError) as error:
        raise StoreError(f"{source.place / PROVENANCE} cannot be read: {_said(error)}") from error
    for digest, entry in found.items():
        if (wrong := no_provenance(entry)) is not None:
            raise StoreError(f"{source.place / PROVENANCE} cannot be read: entry {digest!r}: {wrong}")
    return found


def read_series(source: Source, reference: Any) -> dict[str, Any]:
    """The vectors that a record refers to.

    Raises:
        StoreError: the sidecar does not hold them.
    """
    with _sidecar(source) as file:
        return _vectors(source, file, reference)


def read_all_series(source: Source, references: Sequence[Any]) -> Iterator[dict[str, Any]]:
    """The vectors of each reference, none for none; the sidecar is opened once.

    Raises:
        StoreError: the sidecar does not hold them.
    """
    if not any(references):
        yield from ({} for _ in references)
        return
    with _sidecar(source) as file:
        for reference in references:
            yield _vectors(source, file, reference) if reference else {}


def _sidecar(source: Source) -> IO[bytes]:
    try:
        file = source.open(SERIES)
    except OSError as error:
        raise _without_series(source, _said(error)) from error
    if file is None:
        raise _without_series(source, "there is no such file")
    return file


def _vectors(source: Source, file: IO[bytes], reference: Any) -> dict[str, Any]:
    try:
        file.seek(reference["start"])
        return dict(_parsed(file.read(reference["end"] - reference["start"])))
    except (OSError, ValueError, TypeError, KeyError, OverflowError) as error:
        raise _without_series(source, _said(error)) from error


def _without_series(source: Source, why: object) -> StoreError:
    return StoreError(f"{source.place / SERIES} does not hold the series of a record: {why}")


def _said(error: Exception) -> str:
    """What went wrong; the number and the path that an `OSError` adds say nothing that the message does not."""
    return (isinstance(error, OSError) and error.strerror) or str(error)


def _parsed(content: bytes) -> Any:
    """JSON; what msgspec does not read is left to the standard library, whose complaints say more.

    Raises:
        ValueError: it is none, or is nested too deep.
    """
    try:
        return msgspec.json.decode(content)
    except (ValueError, RecursionError):
        try:
            return json.loads(content)
        except RecursionError as error:
            raise ValueError("nested too deep") from error


def _record(line: bytes, path: Path, number: int) -> Record:
    plain: Any = None
    try:
        plain = _parsed(line)
        return Record.from_plain(plain)
    except (ValueError, StoreError) as error:
        fault = f"{path}, line {number}: {error}"
        if _newer(plain):
            raise StoreError(fault) from error
        raise StoreError(f"{fault}; delete the line to run its cell again, the others are kept") from error


def _newer(plain: Any) -> bool:
    """Whether a later version wrote it: what is to be done is to update, and to delete nothing."""
    number = plain.get("schema") if isinstance(plain, dict) else None
    return type(number) is int and number > SCHEMA
