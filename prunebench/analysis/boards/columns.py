"""Columns of the tables of a trade-off: what each says of a method, and how."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE, mean_text, number
from prunebench.analysis.tradeoff import DENSE, SAME_RATIOS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prunebench.analysis.tradeoff import Cells, Task


@dataclass(frozen=True, slots=True)
class Column:
    """A header, and what stands below it; `–` where a method has no value."""

    header: str
    meaning: str
    """For the legend; empty where the caption says it."""
    text: Callable[[str], str]
    """Of a method."""
    numeric: bool = True


def quality(task: Task, arm: str | None, points: Mapping[tuple[str, str | None], Sequence[str]]) -> list[Column]:
    """Accuracy by density, and what sums it up; `points` are densities on the front by method and arm."""
    metric, loss = task.curve.metric, f"{task.curve.loss:g} point{'s' * (task.curve.loss != 1)}"

    def at(density: float | None) -> Callable[[str], str]:
        return lambda method: _accuracy(task.of(method, arm).get(density), metric)

    def areas(method: str) -> str:
        found = list(task.areas(method).values()) if arm is None else []
        return _counted([value for value in found if value is not None], len(found))

    def crossing(method: str) -> str:
        found = task.one_point(method) if arm is None else None
        return NONE if found is None else str(found)

    def n(method: str) -> str:
        missing, cells = task.unfinished(method, arm)
        repetitions = max(len(found.records) for found in task.of(method, arm).values())
        return f"{repetitions} ({cells - missing}/{cells} cells)" if missing else str(repetitions)

    return [
        *(
            Column(
                percent(density),
                "" if place else f"and other densities, shares of weights kept; where a network is dense in the end, "
                f"before its masks are dropped: mean ± 95 % interval of {_named(metric)}, over the "
                "repetitions that are alive; collapsed: no path of kept weights from input to output is left; "
                "impossible: there is no such network, mostly because it has fewer weights than layers; (k/n): only "
                "k of n repetitions have a value",
                at(density),
            )
            for place, density in enumerate(task.densities)
        ),
        Column("own density", "of methods whose density is their outcome", at(None)),
        Column(
            "area",
            "mean accuracy along log compression, in points: linear between densities, chance once collapsed or "
            "impossible, by repetition; none where the densities do not span the range or a cell is missing. Methods "
            "are ordered by it, those with missing or failed cells behind those without",
            areas,
        ),
        Column(
            f"loses {loss} at",
            f"compression at which the mean over repetitions first is {loss} below the dense network by "
            f"{'its own best recipe on validation data' if task.tuned else 'the same recipe'}, [95 % interval: where a "
            "paired t test cannot tell the loss from it]; < and > where it lies outside of the compressions measured; "
            "a network that is collapsed or impossible counts as chance",
            crossing,
        ),
        Column(
            "front",
            "densities at which no other method and density is at least as good in mean accuracy, MACs and trainings "
            "together, and better in one; of those without missing or collapsed cells, noise not considered",
            lambda method: ", ".join(points.get((method, arm), [])) or NONE,
            numeric=False,
        ),
        Column("n", "repetitions", n),
    ]  # fmt: skip


def cost(task: Task, arm: str | None, density: float | None) -> list[Column]:
    """At one density, or at a method's own: against controls, size and cost."""
    metric = task.curve.metric

    def cells(method: str) -> Cells | None:
        return task.at(method, arm, density)

    def over_ratios(method: str) -> str:
        found, control = cells(method), task.at(method, SAME_RATIOS, density)
        alike = found is not None and control is not None and found.candidates == control.candidates
        return _difference(found, control, metric) if alike else NONE

    def over_dense(method: str) -> str:
        found = cells(method)
        return NONE if found is None else _over(method, found, task.dense.get(found.recipe), metric)

    def over_best(method: str) -> str:
        found = cells(method)
        several = len(task.dense) > 1
        return _over(method, found, task.best_dense, metric) if found and several else NONE

    def before(method: str) -> str:
        found = cells(method)
        values = found.values("before_accuracy") if found else {}
        return _counted(list(values.values()), len(found.records) if found else 0)

    def middle(name: str) -> Callable[[str], str]:
        def text(method: str) -> str:
            found = cells(method)
            values = found.values(name) if found else {}
            return number(median(values.values())) if values else NONE

        return text

    def speed_up(method: str) -> str:
        found = cells(method)
        if found is None:
            return NONE
        whole, kept = found.values("macs"), found.values("kept_macs")
        ratios = [whole[n] / kept[n] for n in whole if kept.get(n)]
        return number(median(ratios)) if ratios else NONE

    paired = "paired by repetition, mean ± 95 % interval; (k/n): only k of n pairs are alive"
    return [
        Column(
            "over same ratios",
            f"accuracy less that of random masks with the method's own counts by layer, in points: {paired}"
            + ("; none where these were not chosen among the same recipes as the method's" if task.tuned else ""),
            over_ratios,
        ),
        Column("over dense", f"accuracy less that of the dense network by the same recipe: {paired}", over_dense),
        Column(
            "over best dense",
            "accuracy less that of the dense network by its own best recipe on validation data: " + paired,
            over_best,
        ),
        Column("before", "accuracy of the ticket's weights under its masks, before they are trained", before),
        Column("density", "median share of weights that is kept", middle("density")),
        Column("parameters", "median size: kept weights and all parameters that are never pruned",
                middle("kept_parameters")),
        Column("speed-up", "theoretical: multiply-accumulates of the dense network over those of kept weights",
                speed_up),
        Column("find, T", "trainings that finding the ticket took, in lengths T of the recipe",
                middle("find_trainings")),
        Column("in all, T", "trainings for finding the ticket and training it; choosing a recipe is not counted",
                middle("trainings")),
    ]  # fmt: skip


def recipes(task: Task, arm: str | None) -> list[Column]:
    """The recipes that count, of a method and of the control with the same ratios, and of how many they were chosen."""

    def chosen(of: str | None) -> Callable[[str], str]:
        def text(method: str) -> str:
            densities: dict[str | None, list[str]] = {}
            for density, cells in task.of(method, of).items():
                if any(record and record.status == "ok" for record in cells.records.values()):
                    densities.setdefault(cells.recipe, []).append("own" if density is None else percent(density))
            if len(densities) < 2:
                return next(iter(densities), None) or NONE
            return "; ".join(f"{recipe} at {', '.join(found)}" for recipe, found in densities.items())

        return text

    def candidates(method: str) -> str:
        counts: dict[int, list[str]] = {}
        for density, cells in task.of(method, arm).items():
            counts.setdefault(len(cells.candidates), []).append("own" if density is None else percent(density))
        if len(counts) < 2:
            return _choice(next(iter(counts)))
        return "; ".join(f"{_choice(count)} at {', '.join(found)}" for count, found in counts.items())

    control = Column("of same ratios", "", chosen(SAME_RATIOS), numeric=False)
    return [
        Column("recipe", "", chosen(arm), numeric=False),
        Column("chosen among", "recipes that the method was trained by", candidates, numeric=False),
        *([control] if arm is None else []),
    ]


def less_tuned(task: Task, arm: str | None, methods: Sequence[str]) -> str:
    """Which methods had fewer recipes to choose among than others of the task; empty if none had."""
    fewer: dict[int, list[str]] = {}
    for method in methods:
        if (count := task.candidates(method, arm)) < task.most_candidates:
            fewer.setdefault(count, []).append(method)
    return "; ".join(
        f"{_choice(count)}{'' if count == 1 else f' of {task.most_candidates}'}: {', '.join(found)}"
        for count, found in sorted(fewer.items())
    )


def _choice(count: int) -> str:
    return "one recipe only" if count == 1 else f"{count} recipes"


def _accuracy(cells: Cells | None, metric: str) -> str:
    if cells is None:
        return NONE
    values, n = list(cells.values(metric).values()), len(cells.records)
    collapsed, impossible = cells.count("collapsed"), cells.count("impossible")
    if impossible == n:
        return "impossible"
    parts = [
        mean_text(values) if values else "",
        f"collapsed {collapsed}/{n}" if collapsed else "",
        f"impossible {impossible}/{n}" if impossible else "",
    ]
    known = len(values) + collapsed + impossible
    text = ", ".join(part for part in parts if part)
    return f"{text} ({known}/{n})".strip() if known < n else text


def _over(method: str, cells: Cells, dense: Cells | None, metric: str) -> str:
    """Difference to a dense network; none of a network to itself."""
    same = method == DENSE and dense is not None and dense.recipe == cells.recipe
    return NONE if same else _difference(cells, dense, metric)


def _difference(cells: Cells | None, other: Cells | None, metric: str) -> str:
    if cells is None or other is None:
        return NONE
    mine, theirs = cells.values(metric), other.values(metric)
    return _counted([mine[n] - theirs[n] for n in mine if n in theirs], len(cells.records), signed=True)


def _counted(values: Sequence[float], n: int, *, signed: bool = False) -> str:
    """Mean and interval, and how many of n there are where some have no value."""
    if not values:
        return NONE
    return mean_text(values, signed=signed) + (f" ({len(values)}/{n})" if len(values) < n else "")


def percent(density: float) -> str:
    """A density as a header."""
    return f"{100 * density:.4g} %"


def _named(metric: str) -> str:
    return metric.replace("_", " ")
