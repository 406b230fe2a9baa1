"""Where methods stand among the others of a run: their value, and the quartiles of the field."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean, median, quantiles
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
    from prunebench.records.presentation import Presentation, Primary
    from prunebench.records.schema import Row

_FEWEST = 3
"""Means that have quartiles."""


@dataclass(frozen=True, slots=True)
class Standing:
    """One method at one density of a task."""

    task: str
    dataset: str
    method: str
    density: float | None
    values: tuple[float, ...]
    """By repetition, of networks that are alive; that of chance where all are collapsed; none where all failed."""
    field: tuple[float, ...]
    """Means of the other methods but controls, ascending."""
    higher: bool
    """Whether more is better."""
    cells: tuple[int, int] = (0, 0)
    """Repetitions with an outcome, and all that are planned."""
    partial: tuple[float, ...] = ()
    """Those of the field's means that are of methods with holes here."""
    silent: int = 0
    """Other methods but controls that have no value here: failed, missing, or without such a network."""

    @property
    def mean(self) -> float:
        """Over repetitions.

        Raises:
            StatisticsError: there is no value.
        """
        return fmean(self.values)

    @property
    def hole(self) -> bool:
        """Whether a repetition has no outcome."""
        return self.cells[0] < self.cells[1]

    @property
    def others(self) -> int:
        """Other methods but controls, those without a value included."""
        return len(self.field) + self.silent

    @property
    def quartiles(self) -> tuple[float | None, float | None, float | None]:
        """Of the field: a quarter, half and three quarters lie below. Of two means there is only a median."""
        if len(self.field) < _FEWEST:
            return None, median(self.field) if self.field else None, None
        low, middle, high = quantiles(self.field, n=4, method="inclusive")
        return low, middle, high

    @property
    def rank(self) -> int | None:
        """1 where no other mean is better; methods with holes stand behind those without. None without a value."""
        if not self.values:
            return None
        behind = sum(map(self._better, self.partial))
        if self.hole:
            return 1 + len(self.field) - len(self.partial) + behind
        return 1 + sum(map(self._better, self.field)) - behind

    def _better(self, value: float) -> bool:
        return value > self.mean if self.higher else value < self.mean


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
    return [one for one in found if one.others]


def field_table(found: Sequence[Standing], metric: str) -> Table:
    """Every standing: the value, the quartiles of the field, the rank in it."""
    unit = METRICS[metric].unit
    digits = 2 if unit in {"%", "points"} else decimals([one.mean for one in found if one.values])
    return Table(
        f"against the field — {metric.replace('_', ' ')}{f' in {unit}' if unit else ''}, other methods but controls",
        ("method", "task", "density", "value", "lower quartile", "median", "upper quartile", "rank"),
        tuple(
            (
                one.method,
                one.task,
                NONE if one.density is None else percent(one.density),
                value_text(one, digits),
                *(NONE if value is None else f"{value:.{digits}f}" for value in one.quartiles),
                rank_text(one),
            )
            for one in found
        ),
        (False, False, True, True, True, True, True, True),
        whole=True,
        legend=(
            (
                "value",
                "mean ± 95 % t interval over repetitions with a network that is alive; (k/n): only k of n repetitions "
                "have an outcome",
            ),
            (
                "median",
                "of the means of all other methods of the task but controls; of three or more, the quartiles too",
            ),
            ("rank", "among these and the method itself, by mean; methods with failed or missing cells stand last"),
        ),
        methods=tuple(one.method for one in found),
        holes=tuple(one.hole for one in found),
    )


def value_text(one: Standing, digits: int = 2) -> str:
    """The mean with its interval, and of how many repetitions where some have no outcome."""
    known, planned = one.cells
    text = mean_text(one.values, digits) if one.values else NONE
    return f"{text} ({known}/{planned})" if one.hole else text


def rank_text(one: Standing) -> str:
    """The rank, and among how many."""
    return f"{NONE if one.rank is None else one.rank} of {one.others + 1}"


@dataclass(frozen=True, slots=True)
class _Place:
    """What one method has at one density of a task."""

    values: tuple[float, ...]
    known: int
    planned: int


def _of_curves(task: Task, mine: Collection[str]) -> list[Standing]:
    found = []
    for density in task.densities:
        at = {method: cells for method in task.methods(None) if (cells := task.of(method, None).get(density))}
        places = {
            method: _Place(_values(task, cells), len(cells.records) - cells.count("missing"), len(cells.records))
            for method, cells in at.items()
        }
        found += _among(task.title, task.dataset, density, places, mine, higher=True)
    return found


def _values(task: Task, cells: Cells) -> tuple[float, ...]:
    alive = tuple(cells.values(task.curve.metric).values())
    return alive or ((task.chance,) if task.chance is not None and cells.count("collapsed") else ())


def _of_primary(suite: str, presentation: Presentation, results: Results, mine: Collection[str]) -> list[Standing]:
    primary = presentation.primary
    groups: dict[tuple[str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in results.rows:
        if row.suite == suite and row.arm is None and row.density in {primary.density, None}:
            task = " · ".join(part for part in row.task if part)
            groups[task, row.dataset][row.method].append(row)
    higher = METRICS[primary.metric].direction == "higher"
    found = []
    for (task, dataset), methods in groups.items():
        places = {method: _at_primary(rows, primary, results) for method, rows in methods.items()}
        found += _among(task, dataset, primary.density, places, mine, higher=higher)
    return found


def _at_primary(rows: Sequence[Row], primary: Primary, results: Results) -> _Place:
    """At the primary density, or at its own where that is its outcome."""
    planned = [row for row in rows if row.density == primary.density] or list(rows)
    records = [record for row in rows if (record := results.by_row.get(row)) is not None]
    good = [record for record in records if record.status == "ok"]
    values = values_at(good, primary.metric, primary.density) or values_at(good, primary.metric, None)
    told = {record.row for record in records if record.status in {"ok", "skipped"}}
    return _Place(tuple(values), sum(row in told for row in planned), len(planned))


def _among(
    task: str, dataset: str, density: float | None, places: Mapping[str, _Place], mine: Collection[str], *, higher: bool
) -> list[Standing]:  # fmt: skip
    """Standings of some methods among the others but controls."""
    others = [at for method, at in places.items() if method not in mine and family_of(method) != "control"]
    known = [(fmean(at.values), at.known < at.planned) for at in others if at.values]
    field, partial = sorted(mean for mean, _ in known), sorted(mean for mean, hole in known if hole)
    return [
        Standing(
            task, dataset, method, density, at.values, tuple(field), higher, (at.known, at.planned), tuple(partial),
            len(others) - len(known),
        )
        for method, at in places.items()
        if method in mine
    ]  # fmt: skip
