"""How often associations are found where there are none, and what their intervals cover, by simulation.

Configurations are drawn from a binormal distribution of standard deviation 1, runs have noise of standard deviation s
that correlates within a run. Oracles: τ = (2/π) arcsin ρ (Greiner 1909) of the true means, and, of means of R runs,
with the correlation (ρ + ρ_w s²/R) / (1 + s²/R). Measured over 1500 trials each, in %, with a
standard error of 0.6 at 95 %:

    configurations × runs                       8 × 5  8 × 10  12 × 5  12 × 10  20 × 5  20 × 10
    ρ = 0, ρ_w = ½, s = 1
      p over means < 0.05                         3.7     2.5     5.5      4.9     5.1      4.3
      interval without zero                       5.0     4.3     5.9      5.6     5.3      4.5
      p over runs < 0.05                         41.3    60.9    49.9     68.9    61.7     80.6
    ρ = 0, ρ_w = 0.9, s = ½
      interval without zero                       4.1     4.3     5.0      5.5     4.6      3.9
      p over runs < 0.05                         44.0    61.7    47.7     63.9    51.4     68.5
    ρ = 0.6, ρ_w = 0, s = 1, τ of means 0.33, 0.37, of true ones 0.41
      covers that of means                       96.2    96.5    95.9     95.8    94.7     94.9
      covers the true one                        96.2    96.5    95.5     96.3    93.5     95.4
    ρ = 0.8, ρ_w = 0, s = ½, 0.54, 0.57 and 0.59
      covers the true one                        96.5    96.3    97.1     97.5    96.2     96.5
    ρ = 0.9, ρ_w = 0, s = 1, 0.54, 0.61 and 0.71
      covers that of means                       96.4    95.5    97.3     96.8    95.5     95.9
      covers the true one                        96.6    97.8    90.7     96.1    75.1     91.2
"""

from __future__ import annotations

import math
from functools import cache
from typing import NamedTuple

import numpy as np
import pytest
from scipy import stats

from prunebench.analysis.statistics.correlation import kendall
from prunebench.analysis.statistics.resampling import cluster_bootstrap

SIZES = [(8, 5), (8, 10), (12, 5), (12, 10), (20, 5), (20, 10)]
TRIALS = 150
RESAMPLES = 150


class Rates(NamedTuple):
    covered: float
    """Of the τ of means of as many runs."""
    covered_true: float
    """Of the τ of true means."""
    excluded: float
    """Intervals without zero."""
    p: float
    """Over means, below 0.05."""
    p_of_runs: float
    """Over all runs, below 0.05."""


def greiner(rho: float) -> float:
    return 2 / math.pi * math.asin(rho)


def simulated(n: int, runs: int, rho: float, within: float, noise: float, trials: int):
    generator = np.random.default_rng(0)
    between, inside = (np.linalg.cholesky([[1, r], [r, 1]]) for r in (rho, within))
    for _ in range(trials):
        centres = generator.normal(size=(n, 1, 2)) @ between.T
        yield centres + noise * generator.normal(size=(n, runs, 2)) @ inside.T


@cache
def rates(n: int, runs: int, rho: float, within: float, noise: float, trials: int = TRIALS) -> Rates:
    true = greiner(rho)
    seen = greiner((rho + within * noise**2 / runs) / (1 + noise**2 / runs))
    found = []
    for data in simulated(n, runs, rho, within, noise, trials):
        x, y = data.mean(axis=1).T
        interval = cluster_bootstrap(n, lambda counts, x=x, y=y: kendall(counts, x, y), resamples=RESAMPLES)
        low, high = interval.low, interval.high
        p, p_of_runs = (stats.kendalltau(*points).pvalue < 0.05 for points in ((x, y), data.reshape(-1, 2).T))
        found.append((low <= seen <= high, low <= true <= high, low > 0 or high < 0, p, p_of_runs))
    return Rates(*np.mean(found, axis=0).tolist())


def error(rate: float, trials: int = TRIALS) -> float:
    """Three and a half standard errors: many rates are compared."""
    return 3.5 * math.sqrt(rate * (1 - rate) / trials)


@pytest.mark.parametrize(("n", "runs"), SIZES)
def test_means_find_no_association_where_there_is_none_and_runs_do(n, runs):
    found = rates(n, runs, rho=0, within=0.5, noise=1)
    assert found.p < 0.05 + error(0.05)
    assert found.excluded < 0.05 + error(0.05)
    assert found.covered > 0.95 - error(0.95)
    assert found.p_of_runs > 0.3, "41 % and more: runs of one configuration are alike"


@pytest.mark.parametrize(("n", "runs"), SIZES[::2])
def test_intervals_cover_the_association_of_means(n, runs):
    found = rates(n, runs, rho=0.6, within=0, noise=1)
    assert found.covered > 0.95 - error(0.95)


def test_noise_hides_part_of_a_strong_association_and_the_interval_does_not_know():
    found = rates(20, 5, rho=0.9, within=0, noise=1)
    assert found.covered > 0.95 - error(0.95)
    assert found.covered_true < 0.95 - error(0.95)
    assert found.p > 0.9


def test_resampling_the_runs_as_well_counts_their_noise_twice():
    """Both levels drawn with replacement cover less of the τ of true means, since they move every interval to zero."""
    n, runs, rho, trials = 20, 5, 0.9, 60
    generator, true = np.random.default_rng(1), greiner(rho)
    whole, twice = [], []
    for data in simulated(n, runs, rho, 0, 1, trials):
        x, y = data.mean(axis=1).T
        interval = cluster_bootstrap(n, lambda counts, x=x, y=y: kendall(counts, x, y), resamples=RESAMPLES)
        whole.append((interval.low, interval.high))
        drawn = generator.integers(n, size=(RESAMPLES, n, 1)), generator.integers(runs, size=(RESAMPLES, n, runs))
        points = data[drawn].mean(axis=2)
        twice.append(np.quantile([concordance(one) for one in points], [0.025, 0.975]))
    assert np.mean(twice) < np.mean(whole) - 0.03
    covered = [np.mean([low <= true <= high for low, high in found]) for found in (twice, whole)]
    assert covered[0] < covered[1] - 0.2


def concordance(points) -> float:
    """τ without regard to ties, of points `[n, 2]`."""
    signs = np.sign(points[:, None] - points[None, :])
    return float(np.sum(signs[..., 0] * signs[..., 1]) / (len(points) * (len(points) - 1)))
