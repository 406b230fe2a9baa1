"""Bootstrap intervals of clusters of runs."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

_AT_ONCE = 500
"""Resamples that statistics get together: many small arrays take less time than few large ones."""


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """A statistic with its interval, and in how many resamples it had no value (those are left out)."""

    value: float
    low: float
    high: float
    undefined: int = 0


def cluster_bootstrap(
    clusters: int,
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Bootstrap:
    """Percentile interval that resamples clusters, each with all of its runs (Davison and Hinkley 1997, section 3.8).

    Runs of one configuration are no independent evidence on what holds across configurations; clusters are. Their runs
    are not drawn again: a cluster's mean has their noise already, which would count twice. `statistic` gets counts
    `[resamples, clusters]`, how often each cluster was drawn, and gives a value a row, NaN where it has none.

    Raises:
        ValueError: fewer than two clusters, or a statistic without a value on the clusters themselves or on most of the
            resamples.
    """
    (found,) = cluster_bootstraps(clusters, statistic, level, resamples, seed)
    return found


def cluster_bootstraps(
    clusters: int,
    statistics: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> list[Bootstrap]:
    """Those of many statistics of the same clusters, on the same draws: `statistics` gives `[..., resamples]`.

    Raises:
        ValueError: as `cluster_bootstrap`, where one of them has no interval.
    """
    import numpy as np

    if clusters < 2:
        raise ValueError(f"a cluster bootstrap needs at least two clusters, not {clusters}")
    values = statistics(np.ones((1, clusters))).reshape(-1)
    if np.isnan(values).any():
        raise ValueError("the statistic has no value on these clusters")
    counts = _counts(clusters, resamples, seed)
    parts = [statistics(counts[start : start + _AT_ONCE]) for start in range(0, resamples, _AT_ONCE)]
    draws = np.concatenate([part.reshape(len(values), -1) for part in parts], axis=1)
    draws.sort(axis=1)  # those without a value last
    undefined = np.isnan(draws).sum(axis=1)
    if (most := int(undefined.max())) * 2 >= resamples:
        raise ValueError(f"the statistic has no value on {most} of {resamples} resamples")
    low, high = (_quantile(draws, resamples - undefined, tail).tolist() for tail in ((1 - level) / 2, (1 + level) / 2))
    return [Bootstrap(*found) for found in zip(values.tolist(), low, high, undefined.tolist(), strict=True)]


def _quantile(ascending: NDArray[np.float64], known: NDArray[np.int_], share: float) -> NDArray[np.float64]:
    """Of the first `known` of each row, linear between two: to the bit what `numpy.quantile` finds without an order."""
    import numpy as np

    place = share * (known - 1)
    below = np.floor(place).astype(int)
    rows, part = np.arange(len(known)), place - below
    a, b = ascending[rows, below], ascending[rows, np.minimum(below + 1, known - 1)]
    found: NDArray[np.float64] = np.where(part < 0.5, a + (b - a) * part, b - (b - a) * (1 - part))
    return found


@lru_cache(maxsize=8)
def _counts(clusters: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """How often each cluster is drawn, `[resamples, clusters]`: read-only, the same for all statistics."""
    import numpy as np

    drawn = np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)
    counts = drawn.astype(np.float64)
    counts.flags.writeable = False
    return counts
