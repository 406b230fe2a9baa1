"""Bootstrap intervals: determinism, edges, and coverage where the truth is known."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from prunebench.analysis.statistics.resampling import bootstrap, cluster_bootstrap

SAMPLE = (0.3, -1.2, 2.2, 0.9, 0.1, 1.4, -0.4, 0.8)


@pytest.mark.parametrize("method", ["BCa", "percentile"])
def test_an_interval_is_scipys_and_depends_on_the_seed_alone(method: str) -> None:
    found = bootstrap(SAMPLE, np.mean, 0.9, 500, seed=3, method=method)
    expected = stats.bootstrap(
        (SAMPLE,), np.mean, n_resamples=500, confidence_level=0.9, method=method, rng=np.random.default_rng(3)
    ).confidence_interval
    assert (found.low, found.high) == (expected.low, expected.high)
    assert found.value == pytest.approx(sum(SAMPLE) / 8)
    assert found == bootstrap(SAMPLE, np.mean, 0.9, 500, seed=3, method=method)
    assert found != bootstrap(SAMPLE, np.mean, 0.9, 500, seed=4, method=method)


def test_equal_values_have_an_interval_of_no_width() -> None:
    found = bootstrap([2.5] * 4, np.mean)
    assert (found.value, found.low, found.high) == (2.5, 2.5, 2.5)


def test_a_sample_that_cannot_be_resampled_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two values, not 1"):
        bootstrap([1.0], np.mean)


def test_a_statistic_that_no_single_value_moves_has_no_bca_interval() -> None:
    values = [1.0, 1.0, 1.0, 1.0, 2.0]
    with pytest.raises(ValueError, match="no BCa interval"):
        bootstrap(values, np.median, resamples=200)
    assert bootstrap(values, np.median, resamples=200, method="percentile").low == 1


def weighted_mean(counts: np.ndarray) -> np.ndarray:
    """Of clusters whose means are 1.5, 4 and 2.5."""
    return counts @ np.array([1.5, 4.0, 2.5]) / counts.sum(axis=1)


def test_a_cluster_interval_depends_on_the_seed_alone() -> None:
    found = cluster_bootstrap(3, weighted_mean, resamples=100, seed=1)
    assert found.value == pytest.approx((1.5 + 4 + 2.5) / 3)
    assert found == cluster_bootstrap(3, weighted_mean, resamples=100, seed=1)
    assert any(found != cluster_bootstrap(3, weighted_mean, resamples=100, seed=seed) for seed in range(2, 6))
    assert 1.5 <= found.low < found.value < found.high <= 4


def test_a_cluster_interval_has_the_percentiles_of_all_draws_of_as_many_clusters() -> None:
    """All 4⁴ draws of four clusters are equally likely; a quarter is the step of their means."""
    values = np.array([0.0, 1.0, 3.0, 7.0])
    every = [values[list(draw)].mean() for draw in product(range(4), repeat=4)]
    found = cluster_bootstrap(4, lambda counts: counts @ values / counts.sum(axis=1), 0.8, 20_000)
    assert (found.low, found.high) == pytest.approx(np.quantile(every, [0.1, 0.9]), abs=0.25)


def test_as_many_clusters_are_drawn_as_there_are() -> None:
    seen: list[np.ndarray] = []

    def look(counts: np.ndarray) -> np.ndarray:
        seen.append(counts)
        return np.zeros(len(counts))

    cluster_bootstrap(5, look, resamples=400)
    one, drawn = seen
    assert one.tolist() == [[1.0] * 5]
    assert drawn.shape == (400, 5)
    assert set(drawn.sum(axis=1)) == {5.0}
    assert drawn.max() >= 3
    assert drawn.mean(axis=0) == pytest.approx(1, abs=0.2)


def first_share(counts: np.ndarray) -> np.ndarray:
    """Without a value where only one of three clusters was drawn."""
    alone = counts.max(axis=1) == 3
    return np.where(alone, math.nan, counts[:, 0] / 3)


def test_resamples_without_a_value_are_left_out_and_counted() -> None:
    """Three clusters: all the same cluster in 3 of 27 resamples."""
    found = cluster_bootstrap(3, first_share, resamples=540)
    assert found.undefined == pytest.approx(60, abs=3 * math.sqrt(540 / 9 * 8 / 9))
    assert (found.value, found.low, found.high) == pytest.approx((1 / 3, 0, 2 / 3))


def test_clusters_that_cannot_be_resampled_are_refused() -> None:
    with pytest.raises(ValueError, match="at least two clusters, not 1"):
        cluster_bootstrap(1, weighted_mean)
    with pytest.raises(ValueError, match="no value on these clusters"):
        cluster_bootstrap(3, lambda counts: np.full(len(counts), math.nan))
    with pytest.raises(ValueError, match=r"no value on \d+ of 50 resamples"):
        cluster_bootstrap(3, lambda counts: np.where(counts.max(axis=1) > 1, math.nan, 1.0), resamples=50)


def test_intervals_of_clustered_runs_cover_where_those_of_runs_do_not() -> None:
    """Twelve configurations of four runs, spread 1 between and 0.5 within, true mean 0, level 0.9.

    Bounds are three standard errors of 120 simulations; with twelve clusters percentiles cover a little less than 0.9.
    """
    trials, level = 120, 0.9
    generator = np.random.default_rng(0)
    runs = generator.normal(size=(trials, 12, 1)) + 0.5 * generator.normal(size=(trials, 12, 4))
    band = 3 * math.sqrt(level * (1 - level) / trials)

    def over(means: np.ndarray, seed: int) -> tuple[float, float]:
        found = cluster_bootstrap(12, lambda counts: counts @ means / 12, level, 200, seed)
        return found.low, found.high

    clustered = [over(one.mean(axis=1), i) for i, one in enumerate(runs)]
    covered = np.mean([low <= 0 <= high for low, high in clustered])
    assert covered == pytest.approx(level, abs=band)
    flat = [bootstrap(one.ravel().tolist(), np.mean, level, 80, i, "percentile") for i, one in enumerate(runs)]
    assert np.mean([found.low <= 0 <= found.high for found in flat]) < level - 2 * band
