"""Reading a CSV file of anybody's results."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from prunebench.analysis.lint.columns import COLUMNS, NOTHING, SIZES, Range, assigned, exported, normal
from prunebench.errors import UsageError, suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import polars as pl


def read_csv(path: Path) -> tuple[pl.DataFrame, list[str]]:
    """The columns that are understood, text or finite numbers in range, null where a cell is empty; and all headers.

    Raises:
        UsageError: unreadable, empty, without a column that is needed, or a cell that cannot be; it names the line.
    """
    import polars as pl

    header = _header(path)
    try:
        raw = pl.read_csv(path, infer_schema=False).with_columns(pl.all().fill_null(""))
    except (OSError, pl.exceptions.PolarsError) as error:
        raise UsageError(f"{path}{_fault(path, header) or f' cannot be read: {_first_line(error)}'}") from None
    raw.columns = header
    used = assigned(header)
    _complete(path, header, used)
    lines = raw.with_row_index("line", offset=2)
    blank = pl.all_horizontal(pl.col(header).str.strip_chars() == "")
    rows = lines.filter(~blank).select("line", *(pl.col(title).alias(name) for name, title in used.items()))
    if rows.is_empty():
        raise UsageError(f"{path} has a header and no rows")
    rows = rows.with_columns(
        pl.when(pl.col(name).str.strip_chars().str.to_lowercase().is_in(NOTHING))
        .then(None)
        .otherwise(pl.col(name).str.strip_chars())
        .alias(name)
        for name in used
    )
    for name in ("method", "model", "dataset"):
        _refuse(path, raw, rows.filter(pl.col(name).is_null()), f"has no {used[name]}")
    for name, title in used.items():
        if (numbers := COLUMNS[name].numbers) is not None:
            rows = _numbers(path, raw, rows, name, title, numbers)
    return rows.drop("line"), header


def _header(path: Path) -> list[str]:
    """Titles of the first line, which must differ."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            header = next(csv.reader(file), [])
    except UnicodeDecodeError:
        raise UsageError(f"{path} is no text in UTF-8") from None
    except (OSError, csv.Error) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"{path} cannot be read: {reason}") from None
    if not any(title.strip() for title in header):
        raise UsageError(f"{path} is empty: it needs a header and a line a result")
    twice = [title for title in header if header.count(title) > 1]
    if twice:
        raise UsageError(f"{path}, line 1: column {twice[0]!r} is there twice")
    return header


def _complete(path: Path, header: Sequence[str], used: Mapping[str, str]) -> None:
    needed = {name: (name,) for name in ("method", "model", "dataset")} | {"density": SIZES}
    if not exported(header):
        needed["test_accuracy"] = ("test_accuracy",)  # an export of a run that trains nothing has none
    for name, any_of in needed.items():
        if not used.keys() & {*any_of}:
            hint = suggestion(name, map(normal, header))
            raise UsageError(f"{path}, line 1: no column {' or '.join(any_of)}{hint}; see docs/linting.md")


def _numbers(
    path: Path, raw: pl.DataFrame, rows: pl.DataFrame, name: str, title: str, numbers: Range
) -> pl.DataFrame:  # fmt: skip
    import polars as pl

    cell = pl.col(name)
    number = cell.cast(pl.Float64, strict=False)
    _refuse(path, raw, rows.filter(cell.is_not_null() & (number.is_null() | ~number.is_finite())),
            "{cell!r} in column {title!r} is no number", name, title)  # fmt: skip
    outside, words = {
        "share": ((number <= 0) | (number > 1), "outside (0, 1]"),
        "from one": (number < 1, "below 1"),
        "below one": ((number < 0) | (number >= 1), "outside [0, 1)"),
        "not negative": (number < 0, "negative"),
        "any": (pl.lit(value=False), ""),
    }[numbers]
    _refuse(path, raw, rows.filter(outside), f"{{title}} {{cell}} is {words}", name, title)
    return rows.with_columns(number)


def _refuse(path: Path, raw: pl.DataFrame, wrong: pl.DataFrame, what: str, name: str = "line", title: str = "") -> None:
    """The first wrong row as an error; cells that hold line breaks are counted."""
    if wrong.is_empty():
        return
    import polars as pl

    line = int(wrong["line"][0])
    breaks = raw.head(line - 2).select(pl.sum_horizontal(pl.all().str.count_matches("\n")).sum()).item()
    message = what.format(cell=wrong[name][0], title=title) if title else what
    raise UsageError(f"{path}, line {line + int(breaks or 0)}: {message}")


def _fault(path: Path, header: Sequence[str]) -> str:
    """Which line has too many cells."""
    with path.open(encoding="utf-8", errors="replace", newline="") as file:
        reader = csv.reader(file)
        for row in reader:
            if len(row) > len(header):
                return f", line {reader.line_num} has {len(row)} cells, the header {len(header)}"
    return ""


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0].rstrip(". ")
