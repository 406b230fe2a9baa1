"""Bootstrap intervals: determinism, edges, and coverage where the truth is known."""

from __future__ import annotations

import math

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


def mean_of_means(clusters: list[np.ndarray]) -> float:
    return sum(cluster.sum() / len(cluster) for cluster in clusters) / len(clusters)


def test_a_cluster_interval_depends_on_the_seed_alone() -> None:
    clusters = [[1.0, 2.0], [4.0], [2.0, 3.0, 2.5]]
    found = cluster_bootstrap(clusters, mean_of_means, resamples=100, seed=1)
    assert found.value == pytest.approx((1.5 + 4 + 2.5) / 3)
    assert found == cluster_bootstrap(clusters, mean_of_means, resamples=100, seed=1)
    assert found != cluster_bootstrap(clusters, mean_of_means, resamples=100, seed=2)
    assert 1 <= found.low < found.value < found.high <= 4


def test_clusters_are_drawn_whole_and_then_their_runs() -> None:
    """Runs tell their cluster by the whole part and their number by the fraction; rows stay together."""
    clusters = [[[10 * c + r, -(10 * c + r)] for r in range(c + 1)] for c in range(1, 4)]
    seen: set[tuple[tuple[int, ...], ...]] = set()

    def look(drawn: list[np.ndarray]) -> float:
        assert len(drawn) == 3
        for cluster in drawn:
            (which,) = set((cluster[:, 0] // 10).tolist())
            assert cluster.shape == (which + 1, 2)
            assert np.array_equal(cluster[:, 0], -cluster[:, 1])
        seen.add(tuple(tuple(cluster[:, 0].astype(int).tolist()) for cluster in drawn))
        return 0.0

    cluster_bootstrap(clusters, look, resamples=300)
    firsts = [tuple(run[0] // 10 for run in draw) for draw in seen]
    assert {(1, 1, 1), (3, 3, 3), (2, 1, 3)} <= set(firsts)
    assert any(len(set(cluster)) == 1 for draw in seen for cluster in draw)
    assert any(len(set(cluster)) == len(cluster) for draw in seen for cluster in draw)


def kendall(clusters: list[np.ndarray]) -> float:
    """τ over cluster means; without a value where one variable is the same in all."""
    means = np.array([cluster.mean(axis=0) for cluster in clusters])
    if np.ptp(means[:, 0]) == 0 or np.ptp(means[:, 1]) == 0:
        return math.nan
    return float(stats.kendalltau(means[:, 0], means[:, 1]).statistic)


def test_resamples_without_a_value_are_left_out_and_counted() -> None:
    """Three clusters of one run: all the same cluster in 3 of 27 resamples."""
    found = cluster_bootstrap([[[1, 1]], [[2, 2]], [[3, 3]]], kendall, resamples=540)
    assert (found.value, found.low, found.high) == pytest.approx((1, 1, 1))
    assert found.undefined == pytest.approx(60, abs=3 * math.sqrt(540 / 9 * 8 / 9))


def test_clusters_that_cannot_be_resampled_are_refused() -> None:
    with pytest.raises(ValueError, match="at least two clusters"):
        cluster_bootstrap([[1.0, 2.0]], mean_of_means)
    with pytest.raises(ValueError, match="each with a run"):
        cluster_bootstrap([[1.0], []], mean_of_means)
    with pytest.raises(ValueError, match="no value on these clusters"):
        cluster_bootstrap([[[1, 1]], [[1, 2]]], kendall)
    with pytest.raises(ValueError, match=r"no value on \d+ of 50 resamples"):
        cluster_bootstrap([[0.0], [1.0]], lambda c: 1.0 if c[0][0] < c[1][0] else math.nan, resamples=50)


def test_intervals_of_clustered_runs_cover_where_those_of_runs_do_not() -> None:
    """Twelve configurations of four runs, spread 1 between and 0.5 within, true mean 0, level 0.9.

    Bounds are three standard errors of 120 simulations; with twelve clusters percentiles cover a little less than 0.9.
    """
    trials, level = 120, 0.9
    generator = np.random.default_rng(0)
    runs = generator.normal(size=(trials, 12, 1)) + 0.5 * generator.normal(size=(trials, 12, 4))
    band = 3 * math.sqrt(level * (1 - level) / trials)
    clustered = [cluster_bootstrap(list(one), mean_of_means, level, 80, seed=i) for i, one in enumerate(runs)]
    covered = np.mean([found.low <= 0 <= found.high for found in clustered])
    assert covered == pytest.approx(level, abs=band)
    flat = [bootstrap(one.ravel().tolist(), np.mean, level, 80, i, "percentile") for i, one in enumerate(runs)]
    assert np.mean([found.low <= 0 <= found.high for found in flat]) < level - 2 * band
