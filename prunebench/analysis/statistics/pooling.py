"""Paired differences of few repetitions in many groups: what their spreads tell of each other.

Each group is a method of one task; its differences, new − old, have a mean that is to be tested and a spread that two
to ten repetitions hardly tell. Three things are taken from the groups together:

- *How far each may lean on the others.* Were all spreads one, their mean square would serve all groups. They are not:
  on a convolutional network those of methods differ tenfold, and one pooled spread for all then finds differences in
  every other comparison of equal methods. So a group's variance is shrunk towards the pooled one by as many degrees of
  freedom as the groups' variances say that it is worth (d₀ of Smyth 2004, Stat. Appl. Genet. Mol. Biol. 3:3), and is
  never below the group's own.
- *How many degrees of freedom the pooled variance has.* Methods that are found from one dense training share its
  difference. By the two-way layout of groups and repetitions, s² = a + b with a of the repetitions' means over groups,
  with n − 1 degrees of freedom, and b of the rest; Satterthwaite's (1946) formula gives those of the sum.
- *The least spread.* Differences of a metric that comes in steps are equal by chance; a variance is at least that of
  one step.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import fmean, variance
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_FLOOR = 1e-6
"""Of the pooled variance: a smaller one of a group is a coincidence."""


@dataclass(frozen=True, slots=True)
class Tested:
    """A group's mean difference against zero."""

    mean: float
    n: int
    spread: float | None
    """Standard deviation of a repetition's difference; None where no group tells it."""
    freedom: float
    p: float | None
    """Two-sided; None where nothing tells the spread."""

    @property
    def error(self) -> float | None:
        """Standard error of the mean."""
        return None if self.spread is None else self.spread / math.sqrt(self.n)


def pooled_tests(groups: Sequence[Mapping[int, float]], step: float = 0.0) -> list[Tested]:
    """Student's t tests of each group's mean difference, by repetition; every group has at least one.

    Args:
        groups: of one task and metric. Groups that were never computed anew, whose differences are all exactly zero,
            tell nothing of the others' spread and have no place here.
        step: the smallest difference that the metric can show in a repetition.
    """
    means = [fmean(group.values()) for group in groups]
    freedoms = [len(group) - 1 for group in groups]
    total = sum(freedoms)
    if not total:
        return [Tested(mean, len(group), None, 0.0, None) for mean, group in zip(means, groups, strict=True)]
    own = [max(variance(group.values()), step**2) if len(group) > 1 else None for group in groups]
    pooled = sum(v * nu for v, nu in zip(own, freedoms, strict=True) if v is not None) / total
    freedom = _freedom(groups, means, total)
    prior = min(
        _prior_freedom([(v, nu) for v, nu in zip(own, freedoms, strict=True) if v is not None], pooled), freedom
    )
    found = []
    for group, mean, v, nu in zip(groups, means, own, freedoms, strict=True):
        shrunk = pooled if v is None or prior == freedom else (prior * pooled + nu * v) / (prior + nu)
        used = max(shrunk, v or 0.0)
        df = freedom if prior == freedom else min(prior + nu, max(freedom, nu))
        found.append(Tested(mean, len(group), math.sqrt(used), df, _p(mean, used / len(group), df)))
    return found


def _freedom(groups: Sequence[Mapping[int, float]], means: Sequence[float], total: int) -> float:
    """Satterthwaite's degrees of freedom of the pooled variance.

    They are n − 1 where all groups share what a repetition differs by, and those of all groups together where none do.
    """
    repetitions: dict[int, list[float]] = {}
    for group, mean in zip(groups, means, strict=True):
        if len(group) > 1:
            for n, value in group.items():
                repetitions.setdefault(n, []).append(value - mean)
    shared = len(repetitions) - 1
    square = sum(e * e for errors in repetitions.values() for e in errors) / total
    if square == 0 or total <= shared:
        return float(total)
    between = sum(len(errors) * fmean(errors) ** 2 for errors in repetitions.values()) / shared
    a = min(between * shared / total, square)
    b = square - a
    return min(square**2 / (a**2 / shared + b**2 / (total - shared)), float(total))


def _prior_freedom(variances: Sequence[tuple[float, int]], pooled: float) -> float:
    """Smyth's d₀ from the spread of log variances: infinite where they differ no more than equal ones would."""
    from scipy.special import digamma, polygamma

    if len(variances) < 3 or pooled == 0:
        return math.inf
    logs = [math.log(max(v, _FLOOR * pooled)) - float(digamma(nu / 2)) + math.log(nu / 2) for v, nu in variances]
    excess = variance(logs) - fmean(float(polygamma(1, nu / 2)) for _, nu in variances)
    return 2 * _inverse_trigamma(excess) if excess > 0 else math.inf


def _inverse_trigamma(x: float) -> float:
    """Where ψ′ is x, by Newton's method on 1/ψ′, which is convex (Smyth 2004, appendix)."""
    from scipy.special import polygamma

    y = 0.5 + 1 / x
    for _ in range(50):
        trigamma = float(polygamma(1, y))
        change = trigamma * (1 - trigamma / x) / float(polygamma(2, y))
        y += change
        if -change / y < 1e-8:
            break
    return y


def _p(mean: float, square: float, freedom: float) -> float:
    from scipy.special import stdtr

    if square == 0:
        return float(mean == 0)
    return float(2 * stdtr(freedom, -abs(mean) / math.sqrt(square)))
