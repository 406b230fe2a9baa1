"""Methods ranked by area across tasks."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE
from prunebench.analysis.statistics.ranks import FEWEST_TASKS, ranking
from prunebench.analysis.tables import Table
from prunebench.analysis.tradeoff import tasks

if TYPE_CHECKING:
    from prunebench.analysis.results import Results
    from prunebench.analysis.statistics.ranks import Ranking
    from prunebench.analysis.tradeoff import Task
    from prunebench.records.presentation import Presentation

_LEVEL = 0.05
_UNFINISHED, _SHORT = "cells missing or failed", "no area"


@dataclass(frozen=True)
class Ranked:
    """Methods ranked across tasks."""

    methods: tuple[str, ...]
    found: Ranking
    """Methods in this order."""
    outcomes: tuple[tuple[float | str, ...], ...]
    """By task and method: mean area, or why there is none that counts."""
    partly: tuple[str, ...]
    """Methods that are not planned on every task."""

    @property
    def told_apart(self) -> bool:
        """Whether Friedman's test finds any difference."""
        return self.found.p_f < _LEVEL


def ranks(suite: str, presentation: Presentation, results: Results) -> list[Table]:
    """Mean rank by area, Friedman's test and groups that Nemenyi's test cannot tell apart; a line below five tasks.

    A method without area in a task, or with missing or failed cells there, is ranked last in it, and the table says
    why. Methods without area in any task are left out, and so are tasks in which no method has one. A method that is
    not planned on every task has no rank: last places that it was never in the running for would be differences.
    """
    ranked = across_tasks(suite, presentation, results)
    if isinstance(ranked, str):
        return [_note(ranked)]
    found, told_apart = ranked.found, ranked.told_apart
    apart = "" if told_apart else "; methods are not told apart"
    if ranked.partly:
        apart += f"; not planned on every task, so without a rank: {', '.join(ranked.partly)}"
    groups = _letters(found) if told_apart else {}
    lines = [
        (rank, method, groups.get(i, NONE), _reasons([row[i] for row in ranked.outcomes]))
        for i, (method, rank) in enumerate(zip(ranked.methods, found.mean_ranks, strict=True))
    ]
    tests = f"Friedman p {_p(found.p)} by χ², {_p(found.p_f)} by F"
    tests += f", Nemenyi's critical difference {found.critical_difference:.2f}"
    return [
        Table(
            f"ranks by area across {len(ranked.outcomes)} tasks — {tests}{apart}",
            ("method", "mean rank", *(("groups",) if told_apart else ()), "ranked last in"),
            tuple(
                (method, f"{rank:.2f}", *((letters,) if told_apart else ()), reasons)
                for rank, method, letters, reasons in sorted(lines)
            ),
            (False, True, *((False,) if told_apart else ()), False),
            methods=tuple(method for _, method, *_ in sorted(lines)),
            legend=(
                ("mean rank", "over tasks, by mean area; 1 is best, equal areas share the mean of their ranks"),
                *((("groups", _GROUPS),) if told_apart else ()),
                ("ranked last in", f"tasks in which a method has no area that counts, and why; {_SHORT}: its densities "
                 "do not span the range, or a value is missing"),
            ),
        )
    ]  # fmt: skip


def across_tasks(suite: str, presentation: Presentation, results: Results) -> Ranked | str:
    """Methods ranked by area, or why none are."""
    outcomes = [
        {method: _outcome(task, method) for method in task.methods(None)}
        for task in tasks(suite, presentation, results)
    ]
    outcomes = [task for task in outcomes if any(isinstance(found, float) for found in task.values())]
    known = {m for task in outcomes for m, found in task.items() if isinstance(found, float)}
    methods = sorted(m for m in known if all(m in task for task in outcomes))
    if len(outcomes) < FEWEST_TASKS:
        return f"none across fewer than {FEWEST_TASKS} tasks; tasks with an area: {len(outcomes)}"
    if len(methods) < 2:
        return f"none of fewer than two methods; methods with an area, planned on every task: {len(methods)}"
    table = [[task[method] for method in methods] for task in outcomes]
    found = ranking(
        [[v if isinstance(v, float) else None for v in row] for row in table], higher_is_better=True, alpha=_LEVEL
    )
    return Ranked(tuple(methods), found, tuple(map(tuple, table)), tuple(sorted(known.difference(methods))))


_GROUPS = (
    "methods that share a letter are less than the critical difference apart, which is what Nemenyi's test can tell at "
    "the level of 5 % for all pairs together; a method without one differs from all others"
)


def _outcome(task: Task, method: str) -> float | str:
    """Mean area over repetitions, or why there is none that counts."""
    if task.unfinished(method, None)[0]:
        return _UNFINISHED
    areas = list(task.areas(method).values())
    known = [value for value in areas if value is not None]
    return fmean(known) if known and len(known) == len(areas) else _SHORT


def _letters(found: Ranking) -> dict[int, str]:
    """A letter for every group, best first, by method."""
    letters: dict[int, str] = {}
    for place, members in enumerate(found.cliques):
        for i in members:
            letters[i] = letters.get(i, "") + _letter(place)
    return letters


def _letter(place: int) -> str:
    return chr(ord("a") + place) if place < 26 else f"({place + 1})"


def _reasons(outcomes: list[float | str]) -> str:
    counts = Counter(found for found in outcomes if isinstance(found, str))
    return ", ".join(f"{count}: {reason}" for reason, count in counts.items()) or NONE


def _note(text: str) -> Table:
    return Table("", ("ranks",), ((text,),))


def _p(value: float) -> str:
    return f"{value:.2g}" if value >= 1e-4 else "< 0.0001"
