"""Exact power of the paired t test and of the paired equivalence test, and what follows from it.

Both tests of n differences with mean δ and standard deviation σ, whose sample mean is δ + σZ/√n and whose sample
standard deviation is σU with νU² ~ χ²_ν, ν = n − 1, independent of Z ~ N(0, 1). With λ = δ√n/σ, M = m√n/σ and t the
critical value:

    difference    P(|Z + λ| > tU) = H(λ, ∞) + H(−λ, ∞)
    equivalence   P(|Z + λ| < M − tU) = H(M − λ, M) + H(M + λ, M)
    H(a, c) = P(tU < a + Z < c) = ∫₀ᶜ φ(y − a) F_χ²(ν y²/t²) dy

The first is a probability of the noncentral t distribution, the second Owen's (1965) and Phillips's (1990).
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

POWER = 0.8
"""The chance that a detectable difference, or a needed number of repetitions, stands for."""

MOST = 1000
"""The largest number of repetitions that is looked at."""

_TAIL = 1e-16
_REACH = 9.0  # standard deviations of Z: Φ(−9) = 1e-19


def difference_power(difference: float, spread: float, n: int, level: float = 0.05) -> float:
    """The chance that a two-sided paired t test at `level` finds a true mean difference of n normal differences.

    Raises:
        ValueError: fewer than two differences, or a spread (their true standard deviation) that is not above zero.
    """
    from scipy.special import stdtrit

    _check(spread, n)
    shift = difference * math.sqrt(n) / spread
    critical = float(stdtrit(n - 1, 1 - level / 2))
    return min(_mass(shift, math.inf, critical, n - 1) + _mass(-shift, math.inf, critical, n - 1), 1.0)


def equivalence_power(difference: float, margin: float, spread: float, n: int, level: float = 0.05) -> float:
    """The chance that two one-sided t tests, each at `level`, find a true mean difference within ±margin.

    Raises:
        ValueError: fewer than two differences, or a spread that is not above zero.
    """
    from scipy.special import stdtrit

    _check(spread, n)
    unit = math.sqrt(n) / spread
    bound, shift = margin * unit, difference * unit
    critical = float(stdtrit(n - 1, 1 - level))
    return min(_mass(bound - shift, bound, critical, n - 1) + _mass(bound + shift, bound, critical, n - 1), 1.0)


def detectable_difference(spread: float, n: int, level: float = 0.05, power: float = POWER) -> float:
    """The smallest true difference that a paired t test at `level` finds with `power`; zero without any spread."""
    return spread * _detectable_effect(n, level, power) if spread else 0.0


def needed_for_difference(difference: float, spread: float, level: float = 0.05, power: float = POWER) -> int | None:
    """The fewest repetitions for which a paired t test finds the difference with `power`; None above `MOST`."""
    return _fewest(lambda n: difference_power(difference, spread, n, level), power)


def needed_for_equivalence(
    difference: float, margin: float, spread: float, level: float = 0.05, power: float = POWER
) -> int | None:
    """The fewest repetitions for which two one-sided tests find equivalence with `power`; None above `MOST`."""
    return _fewest(lambda n: equivalence_power(difference, margin, spread, n, level), power)


def _check(spread: float, n: int) -> None:
    if n < 2 or not spread > 0:
        raise ValueError(f"power needs at least two differences and a spread above zero, not {n} and {spread}")


def _fewest(power_of: Callable[[int], float], power: float) -> int | None:
    """Bisection: power rises with n."""
    if power_of(MOST) < power:
        return None
    low, high = 1, MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(middle) >= power else (middle, high)
    return high


@lru_cache(maxsize=4096)
def _detectable_effect(n: int, level: float, power: float) -> float:
    """In standard deviations of the differences."""
    from scipy.optimize import brentq

    highest = 1.0
    while difference_power(highest, 1.0, n, level) < power:
        highest *= 2
    return float(brentq(lambda effect: difference_power(effect, 1.0, n, level) - power, 0.0, highest, xtol=1e-9))


def _mass(centre: float, cap: float, critical: float, df: int) -> float:
    """H(centre, cap): exact where F is 1 to double precision, Gauss–Legendre over where it rises."""
    import numpy as np
    from scipy.special import chdtr, ndtr

    first, last = (critical * quantile for quantile in _spread_range(df))
    flat = ndtr(cap - centre) - ndtr(last - centre) if cap > last else 0.0
    low, high = max(first, centre - _REACH), min(last, centre + _REACH, cap)
    if high <= low:
        return float(flat)
    nodes, weights = _nodes()
    half = (high - low) / 2
    y = low + half * (nodes + 1)
    density = np.exp(-((y - centre) ** 2) / 2) / math.sqrt(2 * math.pi)
    return float(flat + half * np.sum(weights * density * chdtr(df, df * (y / critical) ** 2)))


@lru_cache(maxsize=4096)
def _spread_range(df: int) -> tuple[float, float]:
    """Between which U lies, but for a chance of 1e-16 on either side."""
    from scipy.special import chdtri, gammaincinv

    return math.sqrt(2 * gammaincinv(df / 2, _TAIL) / df), math.sqrt(chdtri(df, _TAIL) / df)


@lru_cache(maxsize=1)
def _nodes() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    from numpy.polynomial.legendre import leggauss

    return leggauss(100)
