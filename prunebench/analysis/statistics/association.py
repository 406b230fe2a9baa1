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

from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import TYPE_CHECKING

from prunebench.analysis.statistics.correlation import kendall, kendall_p, pearson, spearman

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from prunebench.analysis.statistics.resampling import Bootstrap

    Floats = NDArray[np.float64]
    Means = tuple[float, ...]
    """Of one variable, by configuration."""

FEWEST = 8
"""Configurations below which nothing is said: with 8, τ is told from zero (exact p < 0.05) from 0.64 on, where 23 of 28
pairs agree; with 5 only at 1, where all do."""

_ROUNDING = 1e-12
_AT_ONCE = 1 << 22
"""Numbers that an array of all resamples holds at most: 32 MiB."""


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
    if not all(clusters):
        raise ValueError("a configuration without a run has no mean: leave it out")
    of_x, of_y = (tuple(mean([run[i] for run in cluster]) for cluster in clusters) for i in (0, 1))
    (found,) = associations([(of_x, of_y)], level, resamples, seed)
    return found


def mean(values: Iterable[float]) -> float:
    """Of a configuration's runs, added in their order, so that equal runs have equal means."""
    found = list(values)
    return reduce(add, found) / len(found)


def associations(
    pairs: Sequence[tuple[Means, Means]], level: float = 0.95, resamples: int = 1000, seed: int = 0
) -> list[Association]:
    """Of each pair of variables, by their means over the same configurations. Equal variables are looked at once.

    Raises:
        ValueError: a mean that is not finite.
    """
    partners: dict[Means, dict[Means, None]] = {}
    for x, y in pairs:
        partners.setdefault(x, {})[y] = None
    blocks: dict[tuple[Means, ...], list[Means]] = {}
    for x, own in partners.items():
        blocks.setdefault(tuple(own), []).append(x)
    found: dict[tuple[Means, Means], Association] = {}
    for ys, xs in blocks.items():
        step = max(1, _AT_ONCE // (resamples * len(ys)))
        for i in range(0, len(xs), step):
            found |= _crossed(xs[i : i + step], ys, level, resamples, seed)
    return [found[pair] for pair in pairs]


def _crossed(
    xs: Sequence[Means], ys: Sequence[Means], level: float, resamples: int, seed: int
) -> dict[tuple[Means, Means], Association]:
    """Every x with every y, all of the same configurations."""
    import numpy as np

    n = len(xs[0])
    if n < FEWEST:
        few = Association(n, reason=f"{n} configuration{'s' * (n != 1)}: fewer than {FEWEST} decide nothing")
        return dict.fromkeys(((x, y) for x in xs for y in ys), few)
    first, second = (np.array(variables, dtype=np.float64) for variables in (xs, ys))
    if not (np.isfinite(first).all() and np.isfinite(second).all()):
        raise ValueError("a value that is not finite has no rank: leave out runs without one")
    moving = [np.flatnonzero(~_constant(values)).tolist() for values in (first, second)]
    same = "the {} is the same in all configurations".format
    found = {
        (x, y): Association(n, reason=same("second" if i in moving[0] else "first"))
        for i, x in enumerate(xs)
        for y in ys
    }
    if not all(moving):
        return found
    of_x, of_y = first[moving[0], None], second[None, moving[1]]
    from prunebench.analysis.statistics.resampling import cluster_bootstraps

    def over(statistic: Callable[[Floats, Floats, Floats], Floats]) -> list[Bootstrap]:
        return cluster_bootstraps(n, lambda counts: statistic(counts, of_x, of_y), level, resamples, seed)

    told = zip(over(kendall), kendall_p(of_x, of_y).ravel().tolist(), over(spearman), over(pearson), strict=True)
    for (i, j), numbers in zip(((i, j) for i in moving[0] for j in moving[1]), told, strict=True):
        found[xs[i], ys[j]] = Association(n, *numbers)
    return found


def _constant(values: Floats) -> NDArray[np.bool_]:
    """Which of `[variables, n]` are the same in all configurations, apart from rounding."""
    import numpy as np

    constant: NDArray[np.bool_] = np.ptp(values, axis=1) <= _ROUNDING * np.maximum(1.0, np.abs(values).max(axis=1))
    return constant
