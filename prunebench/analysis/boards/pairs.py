"""Arms paired with what each is an ablation of, repetition by repetition, and what the differences say.

A repetition is a pair where both networks were measured and both are alive. One without a path of kept weights from
input to output is collapsed: its accuracy is that of a guess whatever it was trained on, and is counted, never
averaged. A dead layer on a network that has a path, as a shortcut of a residual network, leaves it alive.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE
from prunebench.analysis.statistics.verdicts import Comparison, verdicts
from prunebench.analysis.tradeoff import Cells
from prunebench.records.metrics import METRICS
from prunebench.records.overrides import comparable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prunebench.analysis.results import Results
    from prunebench.analysis.statistics.verdicts import Interval, Verdict
    from prunebench.records.presentation import Presentation, Verdicts
    from prunebench.records.schema import Record

UNTOUCHED = ""
"""What the label `reference` calls the ticket that no arm has changed."""

PAIRS = (
    "repetitions in which both networks were measured and have a path from input to output, of how many planned where "
    "those are more"
)
"""What n is."""
NOT_YET = "not measured yet"
"""Why an arm has no repetition: none of its cells has a record."""
_EMPTY = Cells(None, {})
_MANY = 20
"""Values of a metric whose smallest distance tells its step."""
_SAME = 1e-9
"""Values of a metric that are nearer are one, apart from rounding."""


@dataclass(frozen=True)
class Place:
    """One task at one density."""

    model: str
    dataset: str
    recipe: str | None
    density: float | None
    scale: str
    cells: Mapping[tuple[str, str | None], Cells] = field(repr=False)
    """By method and arm, in the order of the plan."""

    @property
    def title(self) -> str:
        """Task, density, and whether these are the suite's own cells."""
        parts = [self.model, self.dataset, self.recipe]
        if self.density is not None:
            parts.append(f"density {self.density:g}")
        if not comparable(self.scale):
            parts.append(f"compares with no others: {self.scale}")
        return " · ".join(part for part in parts if part)

    @property
    def task(self) -> tuple[str, str, str | None, str]:
        """Model, dataset, recipe and scale."""
        return self.model, self.dataset, self.recipe, self.scale

    def of(self, method: str, arm: str | None) -> Cells:
        """The repetitions of a method's arm; none if it is not planned."""
        return self.cells.get((method, arm), _EMPTY)

    def arms(self) -> list[tuple[str, str]]:
        """Methods and their arms, in the order of the plan, those of a method together."""
        methods = dict.fromkeys(method for method, _ in self.cells)
        return [(own, arm) for own in methods for method, arm in self.cells if method == own and arm is not None]


def places(suite: str, results: Results) -> list[Place]:
    """Every task and density of a suite, in the order of the plan."""
    return results.once(("places", suite), lambda: _places(suite, results))


def _places(suite: str, results: Results) -> list[Place]:
    records = results.by_row
    found: dict[
        tuple[str, str, str | None, float | None, str, str], dict[tuple[str, str | None], dict[int, Record | None]]
    ]
    found = defaultdict(lambda: defaultdict(dict))
    for row in results.rows:
        if row.suite == suite:
            group = found[*row.task, row.density, row.scale, row.check]
            group[row.method, row.arm][row.repetition] = records.get(row)
    return [
        Place(model, dataset, recipe, density, scale, {key: Cells(recipe, cells) for key, cells in group.items()})
        for (model, dataset, recipe, density, scale, _), group in found.items()
    ]


@dataclass(frozen=True)
class Contrast:
    """One arm of one method against its reference."""

    method: str
    arm: str
    reference: str
    """The arm that it is compared with; empty for the untouched ticket."""
    planned: int
    pairs: Mapping[int, tuple[float, float]]
    """By repetition: the metric of the reference, and of the arm."""
    identical: bool
    """Whether every ticket that was found is its reference's own: masks, weights and training."""
    collapsed: tuple[int, int]
    """Repetitions in which the reference's, and the arm's, network has no path."""
    absent: str
    """Why the arm has no repetition at all; empty if it has one."""
    about: str = ""
    """Spec of the method that is looked at, where `method` is not it."""

    @property
    def name(self) -> str:
        """Method, arm, and what it is compared with where that is not the untouched ticket."""
        against = f" vs {self.reference}" if self.reference else ""
        return f"{self.method} · {self.arm}{against}"

    @property
    def differences(self) -> tuple[float, ...]:
        """Reference − arm: positive where the arm costs."""
        return tuple(reference - arm for reference, arm in self.pairs.values())

    @property
    def means(self) -> tuple[float, float] | None:
        """Of the reference and of the arm, over the pairs."""
        return (
            (fmean(a for a, _ in self.pairs.values()), fmean(b for _, b in self.pairs.values())) if self.pairs else None
        )

    @property
    def n(self) -> str:
        """How many pairs, of how many planned repetitions where those are more."""
        return str(self.planned) if len(self.pairs) == self.planned else f"{len(self.pairs)}/{self.planned}"


def contrast(place: Place, method: str, arm: str, metric: str) -> Contrast:
    """The pairs of an arm; each record names its reference."""
    cells = place.of(method, arm)
    found = {n: r for n, r in cells.records.items() if r is not None and r.status == "ok"}
    names = {n: record.labels.get("reference", UNTOUCHED) for n, record in found.items()}
    values = cells.values(metric)
    pairs = {}
    dead = 0
    for n, name in names.items():
        reference = place.of(method, name or None)
        dead += n in reference.records and reference.state(n) == "collapsed"
        other = reference.values(metric).get(n)
        if other is not None and n in values:
            pairs[n] = other, values[n]
    return Contrast(
        method=method,
        arm=arm,
        reference=" or ".join(dict.fromkeys(names.values())),
        planned=len(cells.records),
        pairs=dict(sorted(pairs.items())),
        identical=bool(found) and all(r.labels.get("ticket") == "identical" for r in found.values()),
        collapsed=(dead, cells.count("collapsed")),
        absent="" if found else absent(cells),
    )


def absent(cells: Cells) -> str:
    """Why none of the repetitions has an outcome."""
    records = [record for record in cells.records.values() if record is not None]
    if not records:
        return NOT_YET if cells.records else "not in this run"
    reasons = dict.fromkeys(record.reason for record in records if record.status == "skipped" and record.reason)
    if reasons:
        return f"skipped: {'; '.join(reasons)}"
    return ", ".join(dict.fromkeys(record.status for record in records))


@dataclass(frozen=True)
class Family:
    """All contrasts of one task and density, judged together."""

    place: Place
    metric: str
    margin: float
    contrasts: tuple[Contrast, ...]

    @cached_property
    def judged(self) -> Mapping[tuple[str, str], tuple[Contrast, Verdict]]:
        """By method and arm."""
        compared = [Comparison(c.differences, c.identical) for c in self.contrasts]
        found = verdicts(compared, self.margin, resolution=self.resolution)
        return {(c.method, c.arm): (c, verdict) for c, verdict in zip(self.contrasts, found, strict=True)}

    @property
    def resolution(self) -> float:
        """The smallest distance between two of many values of the metric: about its step. Zero where values are few."""
        values = sorted({value for c in self.contrasts for pair in c.pairs.values() for value in pair})
        if len(values) < _MANY:
            return 0.0
        return min(b - a for a, b in pairwise(values) if b - a > _SAME)

    @property
    def tested(self) -> int:
        """How many contrasts Holm's procedure has in each of its two sets of tests."""
        return sum(verdict.p_difference is not None for _, verdict in self.judged.values())


def families(suite: str, presentation: Presentation, results: Results) -> list[Family]:
    """The family of every task and density that has arms.

    Raises:
        ValueError: the suite has no [verdicts].
    """
    if (judged := presentation.verdicts) is None:
        raise ValueError("arms cannot be judged without a margin")
    return results.once(("families", suite, judged.model_dump_json()), lambda: _families(suite, judged, results))


def _families(suite: str, judged: Verdicts, results: Results) -> list[Family]:
    found = []
    for place in places(suite, results):
        if arms := place.arms():
            contrasts = tuple(contrast(place, method, arm, judged.metric) for method, arm in arms)
            found.append(Family(place, judged.metric, judged.margin_of(place.dataset), contrasts))
    return found


def measured(metric: str) -> str:
    """The metric in words, and what a difference of it is counted in."""
    name, unit = metric.replace("_", " "), METRICS[metric].unit
    return f"{name} in {'points' if unit == '%' else unit}" if unit else name


def in_points(metric: str) -> bool:
    """Whether differences of a metric are points of accuracy."""
    return METRICS[metric].unit in {"%", "points"}


def digits(metric: str) -> int:
    """Decimals that the metric is shown with."""
    return 2 if in_points(metric) else 3


def spread_text(mean: float | None, interval: Interval | None, digits: int) -> str:
    """A mean difference ± the half width of its interval, where it has one."""
    if mean is None:
        return NONE
    shown = f"{round(mean, digits) + 0.0:.{digits}f}"  # + 0.0: no minus before zero
    return shown if interval is None else f"{shown} ± {(interval[1] - interval[0]) / 2:.{digits}f}"


def p_text(p: float | None) -> str:
    """A p-value to three decimals."""
    return NONE if p is None else "<0.001" if p < 0.0005 else f"{p:.3f}"
