"""Exact power of the paired t test and of the paired equivalence test, and what follows from it.

Both tests of n differences with mean δ and standard deviation σ, whose sample mean is δ + σZ/√n and whose sample
standard deviation is σU with νU² ~ χ²_ν, ν = n − 1, independent of Z ~ N(0, 1). With λ = δ√n/σ, M = m√n/σ and t the
critical value:

    difference    P(|Z + λ| > tU) = H(λ, ∞) + H(−λ, ∞)
    equivalence   P(|Z + λ| < M − tU) = H(M − λ, M) + H(M + λ, M)
    H(a, c) = P(tU < a + Z < c) = ∫₀ᶜ φ(y − a) F_χ²(ν y²/t²) dy

The first is a probability of the noncentral t distribution, the second Owen's (1965) and Phillips's (1990). Only
effects count, differences and margins in standard deviations.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int_]

POWER = 0.8
"""The chance that a detectable difference, or a needed number of repetitions, stands for."""

MOST = 1000
"""The largest number of repetitions that is looked at."""

_TAIL = 1e-16
_REACH = 9.0  # standard deviations of Z: Φ(−9) = 1e-19
_NEARLY_ONE = 1 - 1e-15
_ROOT = 1e-12  # of Φ⁻¹(power)
_AT_ONCE = 2048
"""Tests that are integrated together: arrays of 1 MiB."""


def difference_power(difference: float, spread: float, n: int, level: float = 0.05) -> float:
    """The chance that a two-sided paired t test at `level` finds a true mean difference of n normal differences.

    Raises:
        ValueError: fewer than two differences, or a spread (their true standard deviation) that is not above zero.
    """
    import numpy as np

    _check(spread, n)
    return float(_difference_power(np.array([difference / spread]), np.array([n]), np.array([level]))[0])


def equivalence_power(difference: float, margin: float, spread: float, n: int, level: float = 0.05) -> float:
    """The chance that two one-sided t tests, each at `level`, find a true mean difference within ±margin.

    Raises:
        ValueError: fewer than two differences, or a spread that is not above zero.
    """
    import numpy as np

    _check(spread, n)
    effect, reach = np.array([difference / spread]), np.array([margin / spread])
    return float(_equivalence_power(effect, reach, np.array([n]), np.array([level]))[0])


def detectable_difference(spread: float, n: int, level: float = 0.05, power: float = POWER) -> float:
    """The smallest true difference that a paired t test at `level` finds with `power`; zero without any spread."""
    import numpy as np

    return spread * float(detectable_effects(np.array([n]), np.array([level]), power)[0]) if spread else 0.0


def needed_for_difference(difference: float, spread: float, level: float = 0.05, power: float = POWER) -> int | None:
    """The fewest repetitions for which a paired t test finds the difference with `power`; None above `MOST`."""
    import numpy as np

    return needed_for_differences(np.array([difference / spread]), np.array([level]), power)[0]


def needed_for_equivalence(
    difference: float, margin: float, spread: float, level: float = 0.05, power: float = POWER
) -> int | None:
    """The fewest repetitions for which two one-sided tests find equivalence with `power`; None above `MOST`."""
    import numpy as np

    effect, reach = np.array([difference / spread]), np.array([margin / spread])
    return needed_for_equivalences(effect, reach, np.array([level]), power)[0]


def detectable_effects(n: Counts, level: Floats, power: float = POWER) -> Floats:
    """The smallest true differences, in standard deviations, that t tests `[tests]` at their levels find with `power`.

    By the Illinois method, on what is nearly a line: Φ⁻¹(power) over the effect.
    """
    import numpy as np
    from scipy.special import ndtri, stdtrit

    wanted = float(ndtri(power))

    def above(effect: Floats) -> Floats:
        return np.asarray(ndtri(np.minimum(_difference_power(effect, n, level), _NEARLY_ONE)) - wanted)

    low, high = np.zeros(len(n)), (stdtrit(n - 1, 1 - level / 2) + wanted) / np.sqrt(n)
    while np.any(short := (over := above(high)) < 0):
        low, high = np.where(short, high, low), np.where(short, 2 * high, high)
    under, last = above(low), np.zeros(len(n))
    result, left = np.empty(len(n)), np.ones(len(n), dtype=bool)
    while left.any():
        effect = high - over * (high - low) / (over - under)
        found = above(effect)
        result[left] = effect[left]
        left &= np.abs(found) >= _ROOT
        less = found < 0
        low, high = np.where(less, effect, low), np.where(less, high, effect)
        # The value of an end that stays twice is halved, so that it does not stay for ever.
        over, under = (
            np.where(less, np.where(last < 0, over / 2, over), found),
            np.where(less, found, np.where(last > 0, under / 2, under)),
        )
        last = np.where(less, -1.0, 1.0)
    return result


def needed_for_differences(effect: Floats, level: Floats, power: float = POWER) -> list[int | None]:
    """`needed_for_difference` of many effects `[tests]`, each at its own level."""
    import numpy as np
    from scipy.special import ndtri

    guess = _guessed(np.abs(effect), np.full_like(effect, math.inf), ndtri(1 - level / 2), power)
    return _fewest(lambda which, n: _difference_power(effect[which], n, level[which]), guess, power)


def needed_for_equivalences(effect: Floats, reach: Floats, level: Floats, power: float = POWER) -> list[int | None]:
    """`needed_for_equivalence` of many effects and margins `[tests]`, each at its own level."""
    import numpy as np
    from scipy.special import ndtri

    guess = _guessed(reach - np.abs(effect), reach + np.abs(effect), ndtri(1 - level), power)
    return _fewest(lambda which, n: _equivalence_power(effect[which], reach[which], n, level[which]), guess, power)


def _check(spread: float, n: int) -> None:
    if n < 2 or not spread > 0:
        raise ValueError(f"power needs at least two differences and a spread above zero, not {n} and {spread}")


def _difference_power(effect: Floats, n: Counts, level: Floats) -> Floats:
    """See `difference_power`: of tests `[tests]`."""
    import numpy as np
    from scipy.special import stdtrit

    shift = np.abs(effect) * np.sqrt(n)
    critical = np.asarray(stdtrit(n - 1, 1 - level / 2), dtype=np.float64)
    return _mass(shift, -shift, np.full_like(shift, math.inf), critical, n - 1)


def _equivalence_power(effect: Floats, reach: Floats, n: Counts, level: Floats) -> Floats:
    """See `equivalence_power`: of tests `[tests]`."""
    import numpy as np
    from scipy.special import stdtrit

    shift, bound = np.abs(effect) * np.sqrt(n), reach * np.sqrt(n)
    critical = np.asarray(stdtrit(n - 1, 1 - level), dtype=np.float64)
    return _mass(bound - shift, bound + shift, bound, critical, n - 1)


def _guessed(near: Floats, far: Floats, critical: Floats, power: float) -> Counts:
    """Where Φ(√n·near − z) + Φ(√n·far − z) − 1 = power, and z²/2 more (Guenther 1981): right, or off by one or two."""
    import numpy as np
    from scipy.special import ndtr, ndtri

    near, far = np.clip(near, 1e-6, 1e6), np.clip(far, 1e-6, 1e6)
    root = (critical + float(ndtri(power))) / near
    for _ in range(4):
        ends = [root * side - critical for side in (near, far)]
        slope = sum(side * np.exp(-(end**2) / 2) for side, end in zip((near, far), ends, strict=True))
        missing = power + 1 - ndtr(ends[0]) - ndtr(ends[1])
        root = np.clip(root + missing * math.sqrt(2 * math.pi) / np.maximum(slope, 1e-9), 0, math.sqrt(MOST))
    return np.clip(np.ceil(root**2 + critical**2 / 2), 2, MOST).astype(int)


def _fewest(power_of: Callable[[Counts, Counts], Floats], guess: Counts, power: float) -> list[int | None]:
    """The fewest n for `power` of each test, from a guess on: power rises with n.

    Args:
        power_of: of some tests, by index, with n repetitions each.
        guess: 2 to `MOST`, `[tests]`.
        power: to be reached.
    """
    import numpy as np

    low, high = np.ones_like(guess), np.full_like(guess, MOST + 1)
    n, step, left = guess.copy(), 1, np.arange(len(guess))
    while left.size:
        enough = power_of(left, n) >= power
        high[left[enough]], low[left[~enough]] = n[enough], n[~enough]
        left = left[high[left] - low[left] > 1]
        below, above = low[left], high[left]
        # Where one end is open, ever longer steps from the other.
        n = np.where(
            below == 1,
            np.maximum(above - step, 2),
            np.where(above > MOST, np.minimum(below + step, MOST), (below + above) // 2),
        )
        step *= 2
    return [found if found <= MOST else None for found in high.tolist()]


def _mass(near: Floats, far: Floats, cap: Floats, critical: Floats, df: Counts) -> Floats:
    """H(near, cap) + H(far, cap) of `[tests]`: exact where F is 1 to double precision, Gauss–Legendre where it rises.

    `far` lies outside of 0 … cap, at or beyond the end that is nearer to `near`, or is it, so that nothing of its
    density lies where nothing of the other's is.
    """
    import numpy as np

    found = np.empty(len(near))
    for start in range(0, len(near), _AT_ONCE):
        part = slice(start, start + _AT_ONCE)
        found[part] = _masses(near[part, None], far[part, None], cap[part, None], critical[part, None], df[part, None])
    return np.minimum(found, 1.0)


def _masses(near: Floats, far: Floats, cap: Floats, critical: Floats, df: Counts) -> Floats:
    """See `_mass`; all `[tests, 1]`."""
    import numpy as np
    from scipy.special import chdtr, ndtr

    degrees, which = np.unique(df, return_inverse=True)
    ends = np.array([_spread_range(one) for one in degrees.tolist()])[which.reshape(-1)]
    first, last = critical * ends[:, :1], critical * ends[:, 1:]
    beyond = ndtr(cap - near) - ndtr(last - near) + ndtr(cap - far) - ndtr(last - far)
    flat = np.where(cap > last, beyond, 0.0)
    low = np.maximum(first, near - _REACH)
    half = np.maximum(np.minimum(np.minimum(last, near + _REACH), cap) - low, 0.0) / 2
    nodes, weights = _nodes()
    y = low + half * (nodes + 1)
    density = (np.exp(-((y - near) ** 2) / 2) + np.exp(-((y - far) ** 2) / 2)) / math.sqrt(2 * math.pi)
    rising = half[:, 0] * np.sum(weights * density * chdtr(df, df * (y / critical) ** 2), axis=1)
    return np.asarray(flat[:, 0] + rising)


@lru_cache(maxsize=4096)
def _spread_range(df: int) -> tuple[float, float]:
    """Between which U lies, but for a chance of 1e-16 on either side."""
    from scipy.special import chdtri, gammaincinv

    return math.sqrt(2 * gammaincinv(df / 2, _TAIL) / df), math.sqrt(chdtri(df, _TAIL) / df)


@lru_cache(maxsize=1)
def _nodes() -> tuple[Floats, Floats]:
    from numpy.polynomial.legendre import leggauss

    return leggauss(48)  # as near to the integral as 300: 3e-14
