"""Whether configurations with more of one thing have more of another: rank correlation of their means.

Runs of one configuration tell how well its mean is known, not what holds across configurations: a p-value over all runs
as if they were independent finds an association where there is none in 41 to 81 % of simulations (8 to 20
configurations of 5 and 10 runs, whose noise correlates at ½ and is as large as the spread of configurations), one over
means in 2 to 6 %. So configurations are the sample, each counts once, and the interval resamples them whole. Of 95 %
intervals of τ, 94 to 97 % then cover the τ of configurations drawn likewise and measured with as many runs, from 8
configurations on; 4 to 6 % leave out a true zero. Resampling the runs of a drawn configuration as well counts their
noise twice and moves the interval towards zero.

What is measured is the association of means of so many runs. Noise that is independent in both brings τ nearer to zero
than that of the true means, and no interval mends this: with 5 runs, noise as large as the spread of configurations
makes 0.54 of 0.71. Configurations that somebody has chosen are a sample of none but those he might have chosen
likewise.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from prunebench.analysis.statistics.resampling import Bootstrap

    Floats = NDArray[np.float64]

FEWEST = 8
"""Configurations below which nothing is said: with 8, τ is told from zero (exact p < 0.05) from 0.64 on, where 23 of 28
pairs agree; with 5 only at 1, where all do."""

_ROUNDING = 1e-12
_EXACT = 33
"""Points up to which a p-value without ties is exact."""


@dataclass(frozen=True, slots=True)
class Association:
    """Of two variables over configurations; all None where `reason` says why.

    Attributes:
        n: configurations that have both.
        tau: Kendall's τ-b over configuration means.
        p: that τ is zero, two-sided: exact without ties, else by the normal approximation.
        spearman: ρ of the ranks of the means.
        pearson: r of the means, of a linear association only.
        reason: why there is nothing.

    Intervals are percentiles over resampled configurations. Where all pairs agree, or all points lie on a line, so do
    those of all resamples: the interval has no width and says nothing.
    """

    n: int
    tau: Bootstrap | None = None
    p: float | None = None
    spearman: Bootstrap | None = None
    pearson: Bootstrap | None = None
    reason: str = ""


def association(
    clusters: Sequence[Sequence[tuple[float, float]]], level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> Association:
    """Association of two variables over configurations, each with its runs: (x, y) a run.

    Raises:
        ValueError: a configuration without a run, or a value that is not finite.
    """
    import numpy as np

    if not all(clusters):
        raise ValueError("a configuration without a run has no mean: leave it out")
    n = len(clusters)
    if n < FEWEST:
        return Association(n, reason=f"{n} configuration{'s' * (n != 1)}: fewer than {FEWEST} decide nothing")
    x, y = np.array([np.mean(cluster, axis=0) for cluster in clusters], dtype=np.float64).T
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise ValueError("a value that is not finite has no rank: leave out runs without one")
    for name, values in (("first", x), ("second", y)):
        if np.ptp(values) <= _ROUNDING * max(1.0, float(np.abs(values).max())):
            return Association(n, reason=f"the {name} is the same in all configurations")
    from prunebench.analysis.statistics.resampling import cluster_bootstrap

    def over(statistic: Callable[[Floats, Floats, Floats], Floats]) -> Bootstrap:
        return cluster_bootstrap(n, lambda counts: statistic(counts, x, y), level, resamples, seed)

    return Association(n, over(kendall), kendall_p(x, y), over(spearman), over(pearson))


def kendall(counts: Floats, x: Floats, y: Floats) -> Floats:
    """τ-b of resamples `[resamples, n]`, how often each of n points was drawn: NaN where x or y is the same in all.

    τ_b = Σ s_x s_y / √(Σ s_x² · Σ s_y²) over pairs, s being the sign of a difference (Kendall 1945); a pair of points
    i, j is there c_i c_j times, and copies of one point are ties in both.
    """
    import numpy as np

    in_x, in_y = (np.sign(values[:, None] - values[None, :]) for values in (x, y))

    def total(signs: Floats) -> Floats:
        return np.asarray(np.sum(counts @ signs * counts, axis=1))

    return _ratio(total(in_x * in_y), total(np.abs(in_x)), total(np.abs(in_y)))


def kendall_p(x: Floats, y: Floats) -> float:
    """Two-sided p-value of τ_b = 0 (Kendall 1970, sections 4.8, 5.8 and 5.13).

    Without ties it is exact up to 33 points, and where all pairs but one go one way: of the n! orders of y, how many
    have as few pairs that go that way, counted by putting in one point after the other, the j-th in 0 … j − 1 of its
    pairs. Else by the normal approximation, its variance corrected for ties. `scipy.stats` has the same and takes as
    long to import as all else of a report.
    """
    import numpy as np
    from scipy.special import ndtr

    n = len(x)
    signs = np.triu(np.sign(x[:, None] - x[None, :]) * np.sign(y[:, None] - y[None, :]), 1)
    difference, pairs = float(signs.sum()), n * (n - 1) // 2
    ties = [counts[counts > 1].astype(np.float64) for counts in (np.unique(v, return_counts=True)[1] for v in (x, y))]
    fewest = round((pairs - abs(difference)) / 2)
    if not any(len(tied) for tied in ties) and (n <= _EXACT or fewest <= 1):
        chances = np.zeros(fewest + 1)
        chances[0] = 1.0
        for j in range(2, n + 1):
            below = np.cumsum(chances)
            chances = below.copy()
            chances[j:] -= below[:-j]
            chances /= j
        return min(1.0, 2 * float(chances.sum())) if 2 * fewest < pairs else 1.0
    single, triple, five = (
        [float(np.sum(tied * (tied - 1) * factor)) for tied, factor in zip(ties, factors, strict=True)]
        for factors in (
            [np.ones_like(tied) for tied in ties], [tied - 2 for tied in ties], [2 * tied + 5 for tied in ties]
        )
    )  # fmt: skip
    m = n * (n - 1.0)
    variance = (m * (2 * n + 5) - sum(five)) / 18 + math.prod(single) / (2 * m) + math.prod(triple) / (9 * m * (n - 2))
    return float(2 * ndtr(-abs(difference) / math.sqrt(variance)))


def spearman(counts: Floats, x: Floats, y: Floats) -> Floats:
    """Pearson's r of the ranks of each resample, equal values sharing the mean of theirs."""
    import numpy as np

    def ranks(values: Floats) -> Floats:
        difference = values[:, None] - values[None, :]
        return np.asarray(counts @ ((difference < 0) + 0.5 * (difference == 0)))

    return pearson(counts, ranks(x), ranks(y))


def pearson(counts: Floats, x: Floats, y: Floats) -> Floats:
    """Pearson's r of resamples `[resamples, n]` of points `[n]`, or `[resamples, n]` where they differ.

    Σ c·xy − Σ c·x Σ c·y / n and the like: points are centred before, so that nothing cancels, and ranks are exact.
    """
    import numpy as np

    def total(values: Floats) -> Floats:
        return np.asarray(counts @ values if values.ndim == 1 else np.einsum("rn,rn->r", counts, values))

    n = counts.sum(axis=1)
    if x.ndim == 1:
        x, y = x - x.mean(), y - y.mean()
    of_x, of_y = total(x), total(y)
    return _ratio(total(x * y) - of_x * of_y / n, total(x * x) - of_x**2 / n, total(y * y) - of_y**2 / n)


def _ratio(together: Floats, of_x: Floats, of_y: Floats) -> Floats:
    """Ratio to √(of_x · of_y); NaN where either is zero, apart from rounding."""
    import numpy as np

    none = (of_x <= _ROUNDING * max(1e-300, float(of_x.max()))) | (of_y <= _ROUNDING * max(1e-300, float(of_y.max())))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(none, math.nan, together / np.sqrt(of_x * of_y))
    return np.clip(ratio, -1.0, 1.0)
