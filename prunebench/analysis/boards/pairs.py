"""Arms paired with what each is an ablation of, repetition by repetition, and what the differences say.

A repetition is a pair where both networks were measured and both are alive. One without a path of kept weights from
input to output is collapsed: its accuracy is that of a guess whatever it was trained on, and is counted, never
averaged. A dead layer on a network that has a path, as a shortcut of a residual network, leaves it alive.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from statistics import fmean
from typing import TYPE_CHECKING

from prunebench.analysis.boards.grid import UNTOUCHED, absent, places
from prunebench.analysis.statistics import verdicts as statistics
from prunebench.analysis.statistics.verdicts import Comparison

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prunebench.analysis.boards.grid import Place
    from prunebench.analysis.results import Results
    from prunebench.analysis.statistics.verdicts import Verdict
    from prunebench.records.presentation import Presentation, Verdicts

PAIRS = (
    "repetitions in which both networks were measured and have a path from input to output, of how many planned where "
    "those are more"
)
"""What n is."""
_MANY = 20
"""Values of a metric whose smallest distance tells its step."""
_SAME = 1e-9
"""Values of a metric that are nearer are one, apart from rounding."""


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
        return tuple([reference - arm for reference, arm in self.pairs.values()])

    @property
    def means(self) -> tuple[float, float] | None:
        """Of the reference and of the arm, over the pairs."""
        if not self.pairs:
            return None
        reference, arm = zip(*self.pairs.values(), strict=True)
        return fmean(reference), fmean(arm)

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
        (found,) = _judged([self])
        return found

    @property
    def resolution(self) -> float:
        """The smallest distance between two of many values of the metric: about its step. Zero where values are few."""
        import numpy as np

        values = np.sort([*chain.from_iterable(chain.from_iterable(c.pairs.values() for c in self.contrasts))])
        gaps = np.diff(values)
        if np.count_nonzero(gaps) + 1 < _MANY:
            return 0.0
        told = gaps[gaps > _SAME]
        return float(told.min()) if told.size else 0.0

    @property
    def tested(self) -> int:
        """How many contrasts Holm's procedure has in each of its two sets of tests."""
        return sum(verdict.p_difference is not None for _, verdict in self.judged.values())


def judge(families: Sequence[Family]) -> None:
    """Judge each family by itself, as `judged` does, and all in a small part of the time."""
    for family, found in zip(families, _judged(families), strict=True):
        vars(family)["judged"] = found


def _judged(families: Sequence[Family]) -> list[dict[tuple[str, str], tuple[Contrast, Verdict]]]:
    asked = [
        statistics.Family([Comparison(c.differences, c.identical) for c in own.contrasts], own.margin, own.resolution)
        for own in families
    ]
    return [
        {(c.method, c.arm): (c, verdict) for c, verdict in zip(own.contrasts, found, strict=True)}
        for own, found in zip(families, statistics.verdicts_of(asked), strict=True)
    ]


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
    judge(found)
    return found
