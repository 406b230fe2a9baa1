"""Cells of two sides beside each other: what is missing, new, newly failing or fixed, and whose values compare."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunebench.analysis.comparison.states import Item, State, listed, place
from prunebench.records.baseline import gated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prunebench.analysis.comparison.sides import Cell, Group, Side
    from prunebench.records.schema import Record

_GOOD = {"ok", "skipped"}


@dataclass(frozen=True, slots=True)
class Pair:
    """One value on both sides."""

    density: float | None
    repetition: int
    old: float
    new: float
    record: Record
    """The old one."""

    @property
    def difference(self) -> float:
        """New less old."""
        return self.new - self.old

    def __str__(self) -> str:
        return place(self.density, self.repetition)


def presence(group: Group, suite: str, old: Side, new: Side) -> list[Item]:
    """What only one of the sides has of a group."""
    task, method, arm = group
    mine, theirs = old.records[suite].get(group, {}), new.records[suite].get(group, {})
    had = {cell for cell, record in mine.items() if record is not None}
    gone = [cell for cell in mine if cell in had and theirs.get(cell) is None]
    chosen = [cell for cell in gone if cell not in theirs and new.on_purpose(suite, group, cell)]
    unfinished = [cell for cell in gone if cell in theirs]
    lost = [cell for cell in gone if cell not in theirs and cell not in chosen]
    found = []
    for cells, why, gates in (
        (lost, "not in this run", True),
        (unfinished, "planned, not finished", True),
        (chosen, "not in this run on purpose", False),
    ):
        if cells:
            found.append(Item(task, method, arm, "cells", State.MISSING, gates, detail=f"{_counted(cells)} {why}"))
    if added := [cell for cell, record in theirs.items() if record is not None and cell not in had]:
        found.append(Item(task, method, arm, "cells", State.NEW, detail=_counted(added)))
    return found


def statuses(group: Group, cells: Sequence[tuple[Cell, Record, Record]]) -> list[Item]:
    """What failed or was skipped on one side only."""
    found: dict[State, list[str]] = defaultdict(list)
    for cell, old, new in cells:
        if old.status == new.status:
            continue
        if new.status == "ok" or (new.status in _GOOD and old.status not in _GOOD):
            state = State.FIXED
        elif old.status in _GOOD:
            state = State.FAILING
        else:
            state = State.SAME  # failed before, timeout now, or the reverse
        why = f": {new.error or new.reason}" if new.error or new.reason else ""
        found[state].append(f"{place(*cell)} {old.status} → {new.status}{why}")
    return [
        Item(*group, "status", state, state is State.FAILING, detail=listed(details))
        for state, details in found.items()
    ]


def values(
    group: Group, cells: Sequence[tuple[Cell, Record, Record]]
) -> tuple[dict[str, list[Pair]], list[Item]]:  # fmt: skip
    """By metric, values that compare; and metrics that one side has no value of, or another definition."""
    ok = [(cell, old, new) for cell, old, new in cells if old.status == new.status == "ok"]
    names = sorted({name for _, old, new in ok for name in (*old.metrics, *new.metrics) if gated(name)})
    pairs: dict[str, list[Pair]] = {}
    items: list[Item] = []
    for name in names:
        versions = {(old.version(name), new.version(name)) for _, old, new in ok if _both(name, old, new)}
        if apart := sorted(f"version {a} → {b}" for a, b in versions if a != b):
            items.append(Item(*group, name, State.APART, detail=f"of the metric, {', '.join(apart)}"))
            continue
        pairs[name] = [
            Pair(*cell, a, b, old)
            for cell, old, new in ok
            if (a := old.metrics.get(name)) is not None and (b := new.metrics.get(name)) is not None
        ]
        items += _valueless(group, name, ok)
    return {name: found for name, found in pairs.items() if found}, items


def _both(name: str, old: Record, new: Record) -> bool:
    return name in old.metrics and name in new.metrics


def _valueless(group: Group, name: str, ok: Iterable[tuple[Cell, Record, Record]]) -> list[Item]:
    """A number on one side, none on the other."""
    gone: list[Cell] = []
    none: list[Cell] = []
    back: list[Cell] = []
    known = False
    for cell, old, new in ok:
        a, b = old.metrics.get(name), new.metrics.get(name)
        known = known or a is not None
        if a is not None and b is None:
            (none if name in new.metrics else gone).append(cell)
        elif a is None and b is not None:
            back.append(cell)
    found = []
    if gone:
        found.append(Item(*group, name, State.MISSING, True, detail=f"the metric is gone from {_counted(gone)}"))
    if none:
        found.append(Item(*group, name, State.FAILING, True, detail=f"no value in {_counted(none)}"))
    if back:
        state = State.FIXED if known else State.NEW
        found.append(Item(*group, name, state, detail=f"a value in {_counted(back)}"))
    return found


def common(
    mine: Mapping[Cell, Record | None], theirs: Mapping[Cell, Record | None]
) -> list[tuple[Cell, Record, Record]]:
    """Cells with an outcome on both sides."""
    return [
        (cell, old, new)
        for cell, old in mine.items()
        if old is not None and (new := theirs.get(cell)) is not None
    ]  # fmt: skip


def _counted(cells: Sequence[Cell]) -> str:
    return f"{len(cells)} cell{'s' * (len(cells) != 1)} ({listed([place(*cell) for cell in cells])})"
