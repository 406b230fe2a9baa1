"""Where methods stand among the others of a run: their value, and the quartiles of the field."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean, quantiles
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE, decimals, mean_text, values_at
from prunebench.analysis.boards.columns import percent
from prunebench.analysis.tables import Table
from prunebench.analysis.tradeoff import tasks
from prunebench.records.metrics import METRICS
from prunebench.report.families import family_of

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from prunebench.analysis.results import Results
    from prunebench.analysis.tradeoff import Cells, Task
    from prunebench.records.presentation import Presentation
    from prunebench.records.schema import Record


@dataclass(frozen=True, slots=True)
class Standing:
    """One method at one density of a task."""

    task: str
    dataset: str
    method: str
    density: float | None
    values: tuple[float, ...]
    """By repetition, of networks that are alive; that of chance where all are collapsed."""
    field: tuple[float, ...]
    """Means of the other methods but controls, ascending."""
    higher: bool
    """Whether more is better."""

    @property
    def mean(self) -> float:
        """Over repetitions."""
        return fmean(self.values)

    @property
    def quartiles(self) -> tuple[float, float, float]:
        """Of the field: a quarter, half and three quarters lie below."""
        if len(self.field) == 1:
            return self.field[0], self.field[0], self.field[0]
        low, middle, high = quantiles(self.field, n=4, method="inclusive")
        return low, middle, high

    @property
    def rank(self) -> int:
        """1 where no other mean is better."""
        return 1 + sum(value > self.mean if self.higher else value < self.mean for value in self.field)


def standings(suite: str, presentation: Presentation, results: Results, mine: Collection[str]) -> list[Standing]:
    """Of some methods of a suite, wherever there is a field of one other method or more.

    Of a suite with curves these are accuracies at every density, else the metric that its leaderboard ranks by.
    """
    if presentation.curve is not None:
        found = [one for task in tasks(suite, presentation, results) for one in _of_curves(task, mine)]
    elif "leaderboard" in presentation.sections:
        found = _of_primary(suite, presentation, results, mine)
    else:
        found = []
    return [one for one in found if one.field]


def field_table(found: Sequence[Standing], metric: str) -> Table:
    """Every standing: the value, the quartiles of the field, the rank in it."""
    unit = METRICS[metric].unit
    digits = 2 if unit in {"%", "points"} else decimals([one.mean for one in found])
    return Table(
        f"against the field — {metric.replace('_', ' ')}{f' in {unit}' if unit else ''}, other methods but controls",
        ("method", "task", "density", "value", "lower quartile", "median", "upper quartile", "rank"),
        tuple(
            (
                one.method,
                one.task,
                NONE if one.density is None else percent(one.density),
                mean_text(one.values, digits),
                *(f"{value:.{digits}f}" for value in one.quartiles),
                f"{one.rank} of {len(one.field) + 1}",
            )
            for one in found
        ),
        (False, False, True, True, True, True, True, True),
        whole=True,
        legend=(
            ("value", "mean ± 95 % t interval over repetitions with a network that is alive"),
            ("median", "of the means of all other methods of the task but controls; the quartiles likewise"),
            ("rank", "among these and the method itself, by mean"),
        ),
        methods=tuple(one.method for one in found),
    )


def _of_curves(task: Task, mine: Collection[str]) -> list[Standing]:
    found = []
    for density in task.densities:
        means = {
            method: fmean(values)
            for method in task.methods(None)
            if (values := _values(task, task.of(method, None).get(density)))
        }
        found += [
            Standing(
                task.title,
                task.dataset,
                method,
                density,
                _values(task, task.of(method, None).get(density)),
                _others(means, mine),
                higher=True,
            )
            for method in means
            if method in mine
        ]
    return found


def _values(task: Task, cells: Cells | None) -> tuple[float, ...]:
    if cells is None:
        return ()
    alive = tuple(cells.values(task.curve.metric).values())
    return alive or ((task.chance,) if task.chance is not None and cells.count("collapsed") else ())


def _of_primary(suite: str, presentation: Presentation, results: Results, mine: Collection[str]) -> list[Standing]:
    primary = presentation.primary
    groups: dict[tuple[str, str], dict[str, list[Record]]] = defaultdict(lambda: defaultdict(list))
    for record in results.records:
        if record.row.suite == suite and record.row.arm is None and record.status == "ok":
            task = " · ".join(part for part in record.row.task if part)
            groups[task, record.row.dataset][record.row.method].append(record)
    found = []
    for (task, dataset), methods in groups.items():
        known = {
            method: tuple(values)
            for method, own in methods.items()
            if (values := values_at(own, primary.metric, primary.density) or values_at(own, primary.metric, None))
        }
        means = {method: fmean(values) for method, values in known.items()}
        higher = METRICS[primary.metric].direction == "higher"
        found += [
            Standing(task, dataset, method, primary.density, values, _others(means, mine), higher)
            for method, values in known.items()
            if method in mine
        ]
    return found


def _others(means: Mapping[str, float], mine: Collection[str]) -> tuple[float, ...]:
    return tuple(
        sorted(value for method, value in means.items() if method not in mine and family_of(method) != "control")
    )
