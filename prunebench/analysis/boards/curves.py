"""Accuracy over compression, its controls and its cost: the tables of a trade-off."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE, captioned, context, without_record
from prunebench.analysis.boards.columns import cost, less_tuned, percent, quality, recipes
from prunebench.analysis.curves import front
from prunebench.analysis.tables import Table
from prunebench.analysis.tradeoff import tasks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prunebench.analysis.boards.columns import Column
    from prunebench.analysis.results import Results
    from prunebench.analysis.tradeoff import Task
    from prunebench.records.presentation import Presentation


def curves(suite: str, presentation: Presentation, results: Results) -> list[Table]:
    """Tables of every task, with the same first column: accuracy by density, controls and cost, and chosen recipes.

    Controls and cost are those at the primary density; recipes have a table where they are tuned. Methods are ordered
    by area, those with missing or failed cells behind those without. Those whose density is their outcome have no area
    and stand last; those that end dense have tables of their own.
    """
    found: list[Table] = []
    for task in tasks(suite, presentation, results):
        points = {key: [_share(density) for density in found] for key, found in on_front(task).items()}
        for arm in task.arms:
            title = f"{task.title} · {arm}" if arm else task.title
            methods = ordered(task, arm, presentation.primary.density)
            shown = [m for m in methods if any(r for c in task.of(m, arm).values() for r in c.records.values())]
            details = "; ".join(t for t in (_details(task, arm, presentation), less_tuned(task, arm, shown)) if t)
            caption = captioned(title, details, without_record(len(methods) - len(shown)))
            at = presentation.primary.density
            where = "at a method's own density" if at is None else f"at density {at:g}"
            found.append(_table(task, arm, caption, shown, quality(task, arm, points)))
            found.append(_table(task, arm, captioned(title, f"controls and cost {where}"), shown, cost(task, arm, at)))
            if task.most_candidates > 1:
                found.append(_table(task, arm, captioned(title, _CHOICE), shown, recipes(task, arm)))
    return found


_CHOICE = "recipe with the highest mean validation accuracy, chosen for each method and density by itself"


def _table(task: Task, arm: str | None, caption: str, methods: Sequence[str], columns: Sequence[Column]) -> Table:
    """Of the columns in which any method has a value."""
    texts = {column.header: [column.text(method) for method in methods] for column in columns}
    kept = [column for column in columns if any(text != NONE for text in texts[column.header])]
    rows = zip(methods, *(texts[column.header] for column in kept), strict=True)
    return Table(
        caption,
        ("method", *(column.header for column in kept)),
        tuple(rows),
        (False, *(column.numeric for column in kept)),
        legend=tuple((column.header, column.meaning) for column in kept if column.meaning),
        dataset=task.dataset,
        methods=tuple(methods),
        holes=tuple(task.unfinished(method, arm)[0] > 0 for method in methods),
    )


def ordered(task: Task, arm: str | None, primary: float | None) -> list[str]:
    """Methods with a grid before those with a density of their own, complete ones before others, best first."""

    def place(method: str) -> tuple[bool, bool, bool, float, str]:
        own = set(task.of(method, arm)) == {None}
        values = [] if own or arm is not None else [a for a in task.areas(method).values() if a is not None]
        if own or arm is not None:
            cells = task.at(method, arm, primary)
            values = list(cells.values(task.curve.metric).values()) if cells else []
        return own, task.unfinished(method, arm)[0] > 0, not values, -fmean(values) if values else 0.0, method

    return sorted(task.methods(arm), key=place)


def _details(task: Task, arm: str | None, presentation: Presentation) -> str:
    records = [r for cells in task.cells.values() for r in cells.records.values() if r and r.status == "ok"]
    low, high = task.curve.compressions
    parts = [
        context(presentation, records),
        f"area from compression {low:g} to {high:g}" if arm is None else "",
        f"chance {task.chance:.3g} %" if task.chance is not None else "",
    ]
    return ", ".join(part for part in parts if part)


def on_front(task: Task) -> dict[tuple[str, str | None], list[float | None]]:
    """By method and arm, the densities at which it is on the front of accuracy, MACs and trainings; None its own."""
    metrics = (task.curve.metric, "kept_macs", "trainings")
    points: list[tuple[float, ...]] = []
    names: list[tuple[tuple[str, str | None], float | None]] = []
    for arm in task.arms:
        for method in task.methods(arm):
            for density, cells in task.of(method, arm).items():
                values = [list(cells.values(metric).values()) for metric in metrics]
                if all(len(found) == len(cells.records) for found in values):
                    points.append(tuple(fmean(found) for found in values))
                    names.append(((method, arm), density))
    found: dict[tuple[str, str | None], list[float | None]] = {}
    for (key, density), on_it in zip(names, front(points, (True, False, False)), strict=True):
        if on_it:
            found.setdefault(key, []).append(density)
    return found


def _share(density: float | None) -> str:
    return "own" if density is None else percent(density)
