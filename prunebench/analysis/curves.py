"""Accuracy over compression as numbers: area, compression at a given loss, Pareto front."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise, repeat
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, order=True)
class Point:
    """One repetition at one compression ρ = 1/d."""

    compression: float
    accuracy: float | None
    """In %; chance for a network that is dead or cannot be, None for one that was not measured."""
    impossible: bool = False
    """Whether there is no network of so few weights, and so none of fewer."""


@dataclass(frozen=True, slots=True)
class Bounded:
    """A compression, or on which side of the measured ones it lies."""

    value: float
    side: Literal["", "<", ">"] = ""

    def __str__(self) -> str:
        value = f"{self.value:.3g}" if self.value < 1000 else f"{self.value:.0f}"
        return f"{self.side} {value}".strip()


@dataclass(frozen=True, slots=True)
class OnePoint:
    """Where a curve first falls a given loss below the dense network, with an interval from two repetitions on."""

    estimate: Bounded
    low: Bounded | None
    high: Bounded | None
    n: int

    def __str__(self) -> str:
        if self.low is None or self.high is None or self.estimate == self.low == self.high:
            return str(self.estimate)
        return f"{self.estimate} [{self.low}, {self.high}]"


def area(points: Sequence[Point], low: float, high: float) -> float | None:
    """(1 / ln(high/low)) ∫ A(ρ) d ln ρ over low ≤ ρ ≤ high, in accuracy points: the mean accuracy along ln ρ.

    A(ρ) is linear in ln ρ between points. Nothing is extrapolated: without a point at or beyond each end there is no
    area, unless the last point is impossible, and then all beyond are. One point without accuracy that the integral
    needs leaves none either.
    """
    found = sorted(points, key=lambda point: point.compression)
    if found and found[-1].impossible and found[-1].compression < high:
        found.append(Point(high, found[-1].accuracy, True))
    first = max((i for i, point in enumerate(found) if point.compression <= low), default=None)
    last = min((i for i, point in enumerate(found) if point.compression >= high), default=None)
    if first is None or last is None:
        return None
    needed = found[first : last + 1]
    accuracies = [point.accuracy for point in needed if point.accuracy is not None]
    if len(accuracies) < len(needed):
        return None
    x = [math.log(point.compression) for point in needed]
    start, end = math.log(low), math.log(high)
    return math.fsum(map(_integral, pairwise(zip(x, accuracies, strict=True)), repeat((start, end)))) / (end - start)


def _integral(segment: tuple[tuple[float, float], tuple[float, float]], limits: tuple[float, float]) -> float:
    """Of the line through two points, from one limit to the other as far as it goes."""
    (x0, y0), (x1, y1) = segment
    a, b = max(x0, limits[0]), min(x1, limits[1])
    middle = (a + b) / 2
    return (b - a) * (y0 + (y1 - y0) * (middle - x0) / (x1 - x0)) if b > a else 0.0


def one_point(
    compressions: Sequence[float], losses: Sequence[Sequence[float]], loss: float, level: float = 0.95
) -> OnePoint | None:
    """The compression ρ* at which the mean loss first reaches `loss`, linear in ln ρ between measured compressions.

    It is read off the mean over repetitions: a first crossing is a minimum, so that noise moves it to lower
    compressions, and the mean is the least noisy curve there is; the mean of the repetitions' own crossings would keep
    the bias and has no value where some of them never cross. Its interval inverts the paired t test: the compressions
    at which the mean loss does not differ from `loss`, |m(ρ) − loss| ≤ t_{n−1} s(ρ)/√n, up to the first that loses
    more. In a segment this is a quadratic in ln ρ (Fieller 1954). Compressions that lie outside of the measured ones
    are censored: `<` the first where the loss is reached there already, `>` the last where it never is.

    Args:
        compressions: measured ones, ascending.
        losses: by repetition, the dense network's accuracy less the method's at each compression.
        loss: in accuracy points, positive.
        level: of the interval.

    Returns:
        None without repetitions or compressions.
    """
    if not losses or not compressions:
        return None
    x, excess = np.log(compressions), np.asarray(losses, dtype=float) - loss
    estimate, interval = first_crossing(x, excess, level)
    low, high = (_bounded(compressions, value) for value in interval) if interval else (None, None)
    return OnePoint(_bounded(compressions, estimate), low, high, len(losses))


def first_crossing(x: np.ndarray, excess: np.ndarray, level: float = 0.95) -> tuple[float, tuple[float, float] | None]:
    """Where the mean of repetitions `[n, m]` first is not below zero along x `[m]`, ascending, linear between.

    Its interval inverts the paired t test, see `one_point`: from where the mean first does not differ from zero, or is
    above it, to where it first is above. It holds the estimate. None of a single repetition.

    Returns:
        Values of x: −inf where that is before the first, inf where it is nowhere.
    """
    estimate = _crossing(x, excess.mean(axis=0))
    if (n := len(excess)) == 1:
        return estimate, None
    from scipy.special import stdtrit

    low, high = _band(x, excess, float(stdtrit(n - 1, (1 + level) / 2)) ** 2 / n)
    return estimate, (min(low, estimate), max(high, estimate))


def front(points: Sequence[Sequence[float]], higher: Sequence[bool]) -> list[bool]:
    """Which points no other dominates: is at least as good in everything and better in something. Equal points stay.

    Args:
        points: one sequence of values a point.
        higher: of each value, whether more is better.
    """
    values = np.asarray(points, dtype=float).reshape(len(points), len(higher)) * np.where(higher, 1.0, -1.0)
    no_worse = (values[:, None] >= values[None]).all(axis=2)
    better = (values[:, None] > values[None]).any(axis=2)
    dominated = np.any(no_worse & better, axis=0)
    return [not found for found in dominated.tolist()]


def _crossing(x: np.ndarray, excess: np.ndarray) -> float:
    """Where `excess` [m], linear in x [m] between, first is not below zero: −inf before the first, inf nowhere."""
    reached = np.flatnonzero(excess >= 0)
    if not reached.size:
        return math.inf
    j = int(reached[0])
    if j == 0:
        return -math.inf if excess[0] > 0 else float(x[0])
    return float(x[j - 1] + (x[j] - x[j - 1]) * excess[j - 1] / (excess[j - 1] - excess[j]))


def _band(x: np.ndarray, excess: np.ndarray, width: float) -> tuple[float, float]:
    """Where the band m ± √(width · s²) around the mean of repetitions first is not below zero, and first is above it.

    Args:
        x: [m] ascending.
        excess: [n, m], linear in x between.
        width: t² / n.

    Returns:
        Two values of x: −inf before the first, inf nowhere.
    """
    if len(x) == 1:
        x, excess = np.repeat(x, 2), np.repeat(excess, 2, axis=1)
    start, slope = excess[:, :-1], np.diff(excess, axis=1)
    means, rises = start.mean(axis=0), slope.mean(axis=0)
    away, turned = start - means, slope - rises
    spread = width / (len(excess) - 1) * np.array([away * away, away * turned, turned * turned]).sum(axis=1)
    quadratics = np.array([rises**2 - spread[2], 2 * (means * rises - spread[1]), means**2 - spread[0], means, rises])
    low = math.inf
    for j, (a, b, c, mean, rise) in enumerate(quadratics.T.tolist()):
        inner = {t for t in (*_roots(a, b, c), *_roots(0.0, rise, mean)) if 0 < t < 1}
        places = [0.0, *sorted(inner), 1.0]
        for begin, end in pairwise(places):
            t = (begin + end) / 2
            within = (a * t + b) * t + c <= 0
            above = not within and mean + rise * t > 0
            here = -math.inf if j == 0 == begin else float(x[j] + begin * (x[j + 1] - x[j]))
            if within or above:
                low = min(low, here)
            if above:
                return low, here
    return low, math.inf


def _roots(a: float, b: float, c: float) -> list[float]:
    """Real roots of a t² + b t + c, in the form that does not cancel."""
    if a == 0:
        return [] if b == 0 else [-c / b]
    if (under := b * b - 4 * a * c) < 0:
        return []
    q = -(b + math.copysign(math.sqrt(under), b)) / 2
    return [q / a, *([c / q] if q else [])]


def _bounded(compressions: Sequence[float], x: float) -> Bounded:
    if math.isinf(x):
        return Bounded(compressions[0], "<") if x < 0 else Bounded(compressions[-1], ">")
    return Bounded(math.exp(x))
