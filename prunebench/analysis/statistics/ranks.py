"""Methods ranked across tasks: Friedman's test, Nemenyi's critical difference (Demšar 2006, JMLR 7:1, section 3.2)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Values = Sequence[Sequence[float | None]]

FEWEST_TASKS = 5
_LARGEST_RANGE = 40.0
"""Beyond what any number of normals spans."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Methods across tasks, methods in the order of the values.

    Attributes:
        mean_ranks: 1 is best.
        chi_squared: Friedman's statistic, corrected for ties.
        p: of it, by χ² with k − 1 degrees of freedom.
        p_f: of Iman and Davenport's F, which is less conservative for few tasks.
        critical_difference: two methods differ where their mean ranks lie at least as far apart.
        pairwise: Nemenyi's p-values `[k][k]`, 1 on the diagonal.
        cliques: maximal groups of two or more methods of which none differ, by index, best first: the bars of a
            critical-difference diagram.
    """

    mean_ranks: tuple[float, ...]
    chi_squared: float
    p: float
    p_f: float
    critical_difference: float
    pairwise: tuple[tuple[float, ...], ...]
    cliques: tuple[tuple[int, ...], ...]


def ranking(values: Values, higher_is_better: bool, alpha: float = 0.05) -> Ranking:
    """Ranks, tests and groups of `[tasks][methods]`; None or NaN is a missing value, ranked last in its task.

    Raises:
        ValueError: fewer than five tasks or two methods, rows of unequal length, or an infinite value.
    """
    ranks = _ranks(values, higher_is_better)
    n, k = ranks.shape
    if n < FEWEST_TASKS:
        raise ValueError(f"ranks across tasks need at least {FEWEST_TASKS} tasks, not {n}")
    means = tuple(ranks.mean(axis=0).tolist())
    chi_squared, p, p_f = _friedman(ranks)
    difference = critical_difference(k, n, alpha)
    return Ranking(means, chi_squared, p, p_f, difference, nemenyi(means, n), cliques(means, difference))


def mean_ranks(values: Values, higher_is_better: bool) -> tuple[float, ...]:
    """Mean rank of every method over `[tasks][methods]`: 1 is best, equal values share the mean of their ranks.

    A value that is missing (None or NaN) is ranked behind all others of its task, together with the others that are.

    Raises:
        ValueError: no tasks, fewer than two methods, rows of unequal length, or an infinite value.
    """
    return tuple(_ranks(values, higher_is_better).mean(axis=0).tolist())


def critical_difference(k: int, n: int, alpha: float = 0.05) -> float:
    """q_α √(k(k + 1) / 6n) for k methods on n tasks; q_α is the quantile of the range of k normals over √2."""
    low, high = 0.0, _LARGEST_RANGE
    while low < (middle := (low + high) / 2) < high:
        low, high = (middle, high) if range_tail(middle, k) > alpha else (low, middle)
    return high / math.sqrt(2) * _standard_error(k, n)


def nemenyi(means: Sequence[float], n: int) -> tuple[tuple[float, ...], ...]:
    """Pairwise p-values of mean ranks over n tasks, `[k][k]`, adjusted for all pairs."""
    k = len(means)
    scale = math.sqrt(2) / _standard_error(k, n)
    return tuple(tuple(range_tail(abs(a - b) * scale, k) for b in means) for a in means)


def range_tail(q: float, k: int) -> float:
    """Chance that k standard normals span more than q: 1 − k ∫ φ(z) [Φ(z) − Φ(z − q)]^(k−1) dz.

    It is the studentised range's of infinite degrees of freedom. The trapezoids' error is below rounding, since all
    derivatives of the integrand vanish at both ends.
    """
    import numpy as np
    from scipy.special import ndtr

    z, step = np.linspace(-10, 10, 801, retstep=True)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    inside = k * step * float(np.sum(density * (ndtr(z) - ndtr(z - q)) ** (k - 1)))
    return min(max(1 - inside, 0.0), 1.0)


def cliques(means: Sequence[float], difference: float) -> tuple[tuple[int, ...], ...]:
    """Maximal groups of methods whose mean ranks all lie less than `difference` apart, best first."""
    order = sorted(range(len(means)), key=lambda i: means[i])
    found: list[tuple[int, ...]] = []
    reached = 0
    for start, best in enumerate(order):
        end = start
        while end < len(order) and means[order[end]] - means[best] < difference:
            end += 1
        if end > reached and end - start > 1:
            found.append(tuple(order[start:end]))
        reached = max(reached, end)
    return tuple(found)


def tied_ranks(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Ranks along the last axis, from 1 for the least; equal values share the mean of theirs."""
    less = values[..., None, :] < values[..., :, None]
    equal = values[..., None, :] == values[..., :, None]
    ranks: NDArray[np.float64] = less.sum(axis=-1) + (equal.sum(axis=-1) + 1) / 2
    return ranks


def _standard_error(k: int, n: int) -> float:
    return math.sqrt(k * (k + 1) / (6 * n))


def _ranks(values: Values, higher_is_better: bool) -> NDArray[np.float64]:
    """Ranks `[tasks, methods]`."""
    import numpy as np

    width = len(values[0]) if values else 0
    if width < 2:
        raise ValueError(f"ranks need a task and at least two methods, not {len(values)} tasks and {width} methods")
    if any(len(row) != width for row in values):
        raise ValueError("every task needs a value, or None, of every method")
    table = np.array([[math.nan if value is None else value for value in row] for row in values], dtype=np.float64)
    if np.any(np.isinf(table)):
        raise ValueError("an infinite value has no rank: give None for what is missing")
    keys = np.where(np.isnan(table), math.inf, -table if higher_is_better else table)
    return tied_ranks(keys)


def _friedman(ranks: NDArray[np.float64]) -> tuple[float, float, float]:
    """χ²_F = n²(k − 1) Σ_j (R̄_j − R̄)² / Σ_ij (r_ij − R̄)², which corrects for ties, its p, and the p of F.

    F = (n − 1) χ²_F / (n(k − 1) − χ²_F) with k − 1 and (k − 1)(n − 1) degrees of freedom (Iman and Davenport 1980).
    """
    import numpy as np
    from scipy.special import chdtrc, fdtrc

    n, k = ranks.shape
    centred = ranks - (k + 1) / 2
    total = float(np.sum(centred**2))
    if not total:
        return 0.0, 1.0, 1.0
    chi_squared = n * n * (k - 1) * float(np.sum(centred.mean(axis=0) ** 2)) / total
    left = n * (k - 1) - chi_squared
    p_f = float(fdtrc(k - 1, (k - 1) * (n - 1), (n - 1) * chi_squared / left)) if left > 1e-9 * n * k else 0.0
    return chi_squared, float(chdtrc(k - 1, chi_squared)), p_f
