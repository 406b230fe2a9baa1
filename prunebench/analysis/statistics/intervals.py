"""Statistics of repetitions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Mean:
    """A mean with the half width of its confidence interval; None for a single value."""

    value: float
    half_width: float | None
    n: int


def mean_interval(values: Sequence[float], level: float = 0.95) -> Mean:
    """Student's t interval for the mean: x̄ ± t_(n−1) · s / √n.

    Raises:
        ValueError: no values.
    """
    if not values:
        raise ValueError("the mean of no values")
    n = len(values)
    if n == 1:
        return Mean(values[0], None, 1)
    mean = fmean(values)
    # statistics.stdev goes through fractions, which takes forty times as long.
    variance = math.fsum([(value - mean) ** 2 for value in values]) / (n - 1)
    return Mean(mean, _quantile(n - 1, (1 + level) / 2) * math.sqrt(variance / n), n)


@lru_cache(maxsize=1024)
def _quantile(df: int, p: float) -> float:
    """Of Student's t: the same for all means of as many values."""
    from scipy.special import stdtrit  # scipy.stats takes five times as long to import

    return float(stdtrit(df, p))
