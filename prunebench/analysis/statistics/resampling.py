"""Bootstrap intervals: of one sample, and of clusters of runs."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Bootstrap:
    """A statistic with its interval, and in how many resamples it had no value (those are left out)."""

    value: float
    low: float
    high: float
    undefined: int = 0


def bootstrap(
    values: Sequence[float],
    statistic: Callable[..., Any],
    level: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
    method: Literal["BCa", "percentile"] = "BCa",
) -> Bootstrap:
    """Bootstrap interval of one sample (Efron 1987 for BCa, bias-corrected and accelerated).

    `statistic` takes an array, and an axis where it is vectorised. Values that are all equal give an interval of no
    width. Below some 20 values the interval covers less than its level: take a t interval for means.

    Raises:
        ValueError: fewer than two values, or a BCa interval that does not exist, since the statistic is the same
            whichever value is left out.
    """
    import warnings

    import numpy as np
    from scipy import stats

    sample = np.asarray(values, dtype=np.float64)
    if sample.size < 2:
        raise ValueError(f"a bootstrap interval needs at least two values, not {sample.size}")
    value = float(statistic(sample))
    if np.all(sample == sample[0]):
        return Bootstrap(value, value, value)
    with warnings.catch_warnings(), np.errstate(divide="ignore", invalid="ignore"):
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)  # said by the error below
        found = stats.bootstrap(
            (sample,),
            statistic,
            n_resamples=resamples,
            confidence_level=level,
            method=method,
            rng=np.random.default_rng(seed),
        ).confidence_interval
    if math.isnan(found.low) or math.isnan(found.high):
        raise ValueError(f"no {method} interval of these values: take percentiles")
    return Bootstrap(value, float(found.low), float(found.high))


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
    import numpy as np

    if clusters < 2:
        raise ValueError(f"a cluster bootstrap needs at least two clusters, not {clusters}")
    value = float(statistic(np.ones((1, clusters)))[0])
    if math.isnan(value):
        raise ValueError("the statistic has no value on these clusters")
    draws = statistic(_counts(clusters, resamples, seed))
    defined = draws[~np.isnan(draws)]
    if defined.size * 2 <= resamples:
        raise ValueError(f"the statistic has no value on {resamples - defined.size} of {resamples} resamples")
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    return Bootstrap(value, float(low), float(high), resamples - defined.size)


@lru_cache(maxsize=8)
def _counts(clusters: int, resamples: int, seed: int) -> NDArray[np.float64]:
    """How often each cluster is drawn, `[resamples, clusters]`: read-only, the same for all statistics."""
    import numpy as np

    drawn = np.random.default_rng(seed).multinomial(clusters, np.full(clusters, 1 / clusters), size=resamples)
    counts = drawn.astype(np.float64)
    counts.flags.writeable = False
    return counts
