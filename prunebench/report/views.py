"""Tables as a page shows them: escaped, with what they are sorted and filtered by."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from markupsafe import Markup, escape

from prunebench.analysis.boards.cells import NONE
from prunebench.analysis.tables import one_line
from prunebench.report.keys import sort_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prunebench.analysis.tables import Table
    from prunebench.report.looks import Look

LONG = 200
"""Rows beyond which a table is folded."""
ROOM = 150
"""Rows of a section beyond which its tables are."""
MOST = 1500
"""Rows that a page has of a section: with tens of thousands no browser is quick. Standard runs have up to 500."""
_LONGEST = 2000
_BAD = frozenset({"failed", "not as expected", "missing", "no"})
_GOOD = frozenset({"held", "as expected", "ok", "yes"})
_STATES = frozenset({"state", "verdict", "agreement", "slope agrees", "answer", "status"})
"""Headers of columns whose words are marked."""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell, and the number it is sorted by."""

    text: Markup
    key: str
    """Empty where there is none: it stands last."""
    state: str = ""
    """`good` or `bad` of words that say so."""


@dataclass(frozen=True, slots=True)
class Line:
    """One row."""

    cells: tuple[Cell, ...]
    method: int | None
    """Index of its method on the page."""
    hole: bool


@dataclass(frozen=True, slots=True)
class View:
    """A table of a page."""

    id: str
    title: str
    details: str
    headers: tuple[tuple[str, bool], ...]
    """Each with whether its column is numeric."""
    lines: tuple[Line, ...]
    dataset: str
    alarm: bool
    folded: bool


def views(
    id: str, tables: Sequence[Table], looks: Mapping[str, Look], places: Sequence[int] | None = None
) -> list[View]:
    """The tables of a section, or those at some places of it; once they are many, the further ones are folded."""
    found = []
    above = 0
    for n in range(len(tables)) if places is None else places:
        table = tables[n]
        found.append(view(table, f"{id}-{n + 1}", looks, folded=above > 0 and above + len(table.rows) > ROOM))
        above += len(table.rows)
    return found


def room(tables: Sequence[Table]) -> int:
    """How many tables of a section, from the first on, a page has room for: at least one."""
    above = list(accumulate(len(table.rows) for table in tables))
    return max(1, sum(rows <= MOST for rows in above))


def view(table: Table, id: str, looks: Mapping[str, Look], *, folded: bool = False) -> View:
    """A table for a page; a long one is folded."""
    numeric = table.numeric or (False,) * len(table.headers)
    title, _, details = one_line(table.caption, _LONGEST).partition(" — ")
    return View(
        id=id,
        title=title,
        details=details,
        headers=tuple(zip((one_line(header) for header in table.headers), numeric, strict=True)),
        lines=tuple(_lines(table, numeric, looks)),
        dataset=one_line(table.dataset, _LONGEST),
        alarm=table.alarm,
        folded=len(table.rows) > LONG or (folded and not table.alarm),
    )


def _lines(table: Table, numeric: tuple[bool, ...], looks: Mapping[str, Look]) -> Iterator[Line]:
    methods = table.methods or ("",) * len(table.rows)
    holes = table.holes or (False,) * len(table.rows)
    marked = [header in _STATES for header in table.headers]
    for row, method, hole in zip(table.rows, methods, holes, strict=True):
        look = looks.get(method)
        cells = tuple(_cell(*found) for found in zip(row, numeric, marked, strict=True))
        yield Line(cells, None if look is None else look.index, hole)


def _cell(text: str, numeric: bool, marked: bool) -> Cell:
    line = one_line(text, _LONGEST)
    if not numeric:
        return Cell(escape(line), "", _state(line) if marked else "")
    key = sort_key(line)
    return Cell(_number(line), "" if key is None else f"{key:.12g}")


def _number(text: str) -> Markup:
    """A number whose interval steps back, and whose thousands do not break."""
    if text == NONE:
        return Markup('<span class="none">–</span>')
    value, mark, spread = text.partition(" ± ")
    return Markup(f'{escape(value)} <span class="pm">± {escape(spread)}</span>') if mark else escape(text)


def _state(text: str) -> str:
    word = text.partition(":")[0].lower()
    return "bad" if word in _BAD else "good" if word in _GOOD else ""
