"""Bootstrap intervals: determinism, edges, and coverage where the truth is known."""

from __future__ import annotations

import math
from itertools import product

import numpy as np
import pytest
from scipy import stats

from prunebench.analysis.statistics.resampling import cluster_bootstrap, cluster_bootstraps


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
    flat = [
        stats.bootstrap(
            (one.ravel(),), np.mean, n_resamples=80, confidence_level=level, method="percentile",
            rng=np.random.default_rng(i),
        ).confidence_interval
        for i, one in enumerate(runs)
    ]  # fmt: skip
    assert np.mean([found.low <= 0 <= found.high for found in flat]) < level - 2 * band


def test_many_statistics_have_the_intervals_of_each_by_itself_resample_by_resample() -> None:
    """Written out: the same draws one after the other, and NumPy's percentiles of those that have a value."""
    values = np.random.default_rng(0).uniform(1, 2, size=(2, 3, 7))
    values[1, 2] = [0.0, 0.0, 0.0, 0.0, 0.0, 1.0, 2.0]

    def spread_to_mean(counts: np.ndarray) -> np.ndarray:
        """Without a value where all that was drawn is zero."""
        mean = values @ counts.T / 7
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.where(mean > 0, (values**2 @ counts.T / 7 - mean**2) / mean, math.nan)

    found = cluster_bootstraps(7, spread_to_mean, 0.9, 1203, seed=5)
    generator = np.random.default_rng(5)
    drawn = [generator.multinomial(7, np.full(7, 1 / 7)) for _ in range(1203)]
    for one, own in zip(found, values.reshape(6, 7), strict=True):
        samples = [np.repeat(own, counts) for counts in drawn]
        plain = [sample.var() / sample.mean() for sample in samples if sample.max() > 0]
        assert one.undefined == len(drawn) - len(plain)
        assert one.value == pytest.approx(own.var() / own.mean(), rel=1e-12)
        assert (one.low, one.high) == pytest.approx(np.quantile(plain, [0.05, 0.95]), rel=1e-9)
    assert found[-1].undefined > 0
    assert found[0].undefined == 0


@pytest.mark.parametrize("level", [0.5, 0.9, 0.95, 0.999])
@pytest.mark.parametrize("resamples", [2, 39, 500, 501, 1000])
def test_percentiles_are_those_of_numpy_to_the_bit(level: float, resamples: int) -> None:
    values = np.random.default_rng(3).normal(size=(4, 6))
    seen: list[np.ndarray] = []

    def look(counts: np.ndarray) -> np.ndarray:
        seen.append(values @ counts.T)
        return seen[-1]

    found = cluster_bootstraps(6, look, level, resamples)
    draws = np.concatenate(seen, axis=1)[:, 1:]  # the first is of the clusters themselves
    expected = np.quantile(draws, [(1 - level) / 2, (1 + level) / 2], axis=1)
    assert [one.low for one in found] == expected[0].tolist()
    assert [one.high for one in found] == expected[1].tolist()


def test_one_statistic_without_an_interval_refuses_them_all() -> None:
    def half(counts: np.ndarray) -> np.ndarray:
        return np.stack([counts[:, 0], np.where(counts.max(axis=1) > 1, math.nan, 1.0)])

    with pytest.raises(ValueError, match=r"no value on \d+ of 50 resamples"):
        cluster_bootstraps(3, half, resamples=50)
