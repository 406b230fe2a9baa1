"""Tables of text: for a terminal, Markdown, CSV or JSON."""

from __future__ import annotations

import csv
import io
import json
import re
import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunebench.errors import UsageError, suggestion

if TYPE_CHECKING:
    from collections.abc import Sequence

FORMATS = ("table", "md", "csv", "json")
_LONGEST = 100
_WHOLE = 2000


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

    @property
    def alignments(self) -> tuple[str, ...]:
        """Tabulate's word for every column."""
        return tuple("right" if n else "left" for n in self.numeric or (False,) * len(self.headers))


def render(tables: Sequence[Table], format: str) -> str:
    """All tables in one format, ending in a newline.

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
    markdown = format == "md"
    legend = dict(pair for table in tables for pair in table.legend)
    notes = [f"{'- ' if markdown else ''}{header}: {meaning}" for header, meaning in legend.items()]
    parts = [_tabulated(table, markdown=markdown) for table in tables]
    return "\n".join([*parts, *(["\n".join(notes) + "\n"] if notes else [])])


def _tabulated(table: Table, *, markdown: bool) -> str:
    from tabulate import tabulate

    clean = _markdown if markdown else _line
    longest = _WHOLE if table.whole or markdown else _LONGEST
    body = tabulate(
        [[clean(cell, longest) for cell in row] for row in table.rows],
        [clean(header) if markdown else _stacked(clean(header)) for header in table.headers],
        tablefmt="pipe" if markdown else "simple",
        colalign=table.alignments if table.rows else None,
        disable_numparse=True,
        maxcolwidths=_LONGEST if table.whole and not markdown else None,
    )
    title = f"**{clean(table.caption)}**\n" if markdown else clean(table.caption, _WHOLE)
    return f"{title}\n{body}\n" if table.caption else f"{body}\n"


def _csv(tables: Sequence[Table]) -> str:
    """One header for all tables; the caption is the first column where there are several tables."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    several = len(tables) > 1
    for number, table in enumerate(tables):
        if number == 0:
            writer.writerow(["table", *table.headers] if several else table.headers)
        writer.writerows([table.caption, *row] if several else row for row in table.rows)
    return text.getvalue()


def _line(text: str, longest: int = _LONGEST) -> str:
    """One line without control characters, long names cut: a method's name is somebody else's input."""
    line = re.sub(r"\s+", " ", "".join(" " if unicodedata.category(c)[0] == "C" else c for c in text)).strip()
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _stacked(header: str) -> str:
    """A header of several words on several lines: tables are as wide as their values."""
    return header.replace(" ", "\n")


def _markdown(text: str, longest: int = _WHOLE) -> str:
    return re.sub(r"([|\\`*_<>\[\]])", r"\\\1", _line(text, longest))
