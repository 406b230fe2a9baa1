"""Tables of text: for a terminal, Markdown, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import re
import textwrap
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunebench.analysis.layout import GAP, NARROWEST, blocks, fitted, floor
from prunebench.errors import UsageError, suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMATS = ("table", "md", "csv", "json")
_LONGEST = 100
_WHOLE = 2000
_NUMERIC = re.compile(r"""[+-]\.?\d(?:\d|(?<=\d)e[+-]?\d|[^\w=@|!'"])*""")
"""A signed number and what may stand behind it, as an interval: no word, hence no function and no reference."""


@dataclass(frozen=True, slots=True)
class Table:
    """A captioned table of text, its numeric columns marked."""

    caption: str
    headers: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    numeric: tuple[bool, ...] = ()
    whole: bool = False
    """Wrap long cells instead of cutting them."""
    legend: tuple[tuple[str, str], ...] = ()
    """What headers mean; printed once below tables that share it."""
    dataset: str = ""
    """Spec of the dataset that all rows are about."""
    methods: tuple[str, ...] = ()
    """Specs of the methods that rows are about, one a row; empty where rows are about something else."""
    holes: tuple[bool, ...] = ()
    """Rows with failed or missing cells, which no order puts before those without."""
    alarm: bool = False
    """Whether the caption is a warning that a reader has to see first."""

    @property
    def alignments(self) -> tuple[str, ...]:
        """Tabulate's word for every column."""
        return tuple("right" if n else "left" for n in self.numeric or (False,) * len(self.headers))


def render(tables: Sequence[Table], format: str, width: int | None = None) -> str:
    """All tables in one format, ending in a newline.

    Args:
        tables: in order.
        format: one of `FORMATS`.
        width: columns of the terminal, for the format `table`: what is wider wraps, or goes on in a second block.

    Raises:
        UsageError: unknown format.
    """
    if format not in FORMATS:
        raise UsageError(f"unknown format {format!r}{suggestion(format, FORMATS)}")
    if format == "json":
        plain = [
            {"caption": t.caption, "rows": [dict(zip(t.headers, row, strict=True)) for row in t.rows]} for t in tables
        ]
        return json.dumps(plain, indent=1, ensure_ascii=False) + "\n"
    if format == "csv":
        return _csv(tables)
    legend = dict(pair for table in tables for pair in table.legend)
    if format == "md":
        notes = [f"- {header}: {meaning}" for header, meaning in legend.items()]
        parts = [_in_markdown(table) for table in tables]
    else:
        notes = [_wrapped(f"{header}: {meaning}", width) for header, meaning in legend.items()]
        parts = [_on_terminal(table, width) for table in tables]
    return "\n".join([*parts, *(["\n".join(notes) + "\n"] if notes else [])])


def _in_markdown(table: Table) -> str:
    from tabulate import tabulate

    rows = [[escaped(cell) for cell in row] for row in table.rows]
    body = tabulate(
        rows,
        [escaped(header) for header in table.headers],
        tablefmt="pipe",
        colalign=table.alignments if rows else None,
        disable_numparse=True,
    )
    return f"**{escaped(table.caption)}**\n{body}\n" if table.caption else f"{body}\n"


def _on_terminal(table: Table, width: int | None) -> str:
    """The table in as many blocks as the width asks for, each with the first column."""
    headers = [_stacked(one_line(header)) for header in table.headers]
    rows = [[one_line(cell, _WHOLE if table.whole else _LONGEST) for cell in row] for row in table.rows]
    columns = list(zip(*rows, strict=True)) or [()] * len(headers)
    limits = [
        # Tabulate leaves two columns beside a header.
        max([*(len(line) + 2 for line in header.split("\n")), *map(len, cells)])
        for header, cells in zip(headers, columns, strict=True)
    ]
    if table.whole:
        limits = [min(limit, _LONGEST) for limit in limits]
    parts = [list(range(len(headers)))]
    if width is not None:
        numeric = table.numeric or (False,) * len(headers)
        floors = [None if number else floor(cells) for number, cells in zip(numeric, columns, strict=True)]
        limits = fitted(limits, floors, width)
        if sum(limits) + GAP * (len(limits) - 1) > width:
            parts = blocks(limits, width)
    body = "\n\n".join(
        _aligned(
            [headers[i] for i in part],
            [[_wrapped(row[i], limits[i], "") for i in part] for row in rows],
            [table.alignments[i] for i in part],
        )
        for part in parts
    )
    return f"{_wrapped(one_line(table.caption, _WHOLE), width)}\n{body}\n" if table.caption else f"{body}\n"


def _aligned(headers: Sequence[str], rows: Sequence[Sequence[str]], alignments: Sequence[str]) -> str:
    """Tabulate's style `simple`, whose import alone takes a fifth of the time that `prunebench list` has."""
    columns = [[cell.split("\n") for cell in column] for column in zip(headers, *rows, strict=True)]
    widths = [
        max(max(map(len, header)) + 2, *(len(line) for cell in cells for line in cell), 0) for header, *cells in columns
    ]
    height = [max(map(len, row)) for row in zip(*columns, strict=True)]
    lines = [
        "  ".join(
            _padded(column[i][j] if j < len(column[i]) else "", width, alignment)
            for column, width, alignment in zip(columns, widths, alignments, strict=True)
        ).rstrip()
        for i, lines in enumerate(height)
        for j in range(lines)
    ]
    return "\n".join([*lines[: height[0]], "  ".join("-" * width for width in widths), *lines[height[0] :]])


def _padded(text: str, width: int, alignment: str) -> str:
    return text.rjust(width) if alignment == "right" else text.ljust(width)


def _wrapped(text: str, width: int | None, indent: str = "  ") -> str:
    if width is None or len(text) <= width:
        return text
    return textwrap.fill(text, max(width, NARROWEST), subsequent_indent=indent, break_on_hyphens=False)


def _csv(tables: Sequence[Table]) -> str:
    """One header for tables that share it; the caption is the first column where there are several tables."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    several = len(tables) > 1
    headers: tuple[str, ...] | None = None
    for table in tables:
        if table.headers != headers:
            if headers is not None:
                text.write("\n")
            headers = table.headers
            writer.writerow(map(_inert, ["table", *headers] if several else headers))
        writer.writerows(map(_inert, [table.caption, *row] if several else row) for row in table.rows)
    return text.getvalue()


def _inert(text: str) -> str:
    """A cell that no spreadsheet takes for a formula, without control characters; numbers stay as they are."""
    text = _printable(text)
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@")) and not _NUMERIC.fullmatch(text) else text


def _printable(text: str) -> str:
    """With spaces in place of control characters."""
    return text if text.isprintable() else "".join(" " if unicodedata.category(c)[0] == "C" else c for c in text)


def one_line(text: str, longest: int = _LONGEST) -> str:
    """One line without control characters, long names cut: a method's name is somebody else's input."""
    line = " ".join(_printable(text).split())
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _stacked(header: str) -> str:
    """A header of several words on several lines: tables are as wide as their values."""
    return header.replace(" ", "\n")


def escaped(text: str, longest: int = _WHOLE) -> str:
    """Escaped for Markdown; an underscore inside a word means nothing to it and stays readable."""
    plain = re.sub(r"([|\\`*<>\[\]])", r"\\\1", one_line(text, longest))
    return re.sub(r"(?<![^\W_])_+|_+(?![^\W_])", lambda found: r"\_" * len(found[0]), plain)
