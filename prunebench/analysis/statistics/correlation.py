"""Correlations of points that were drawn again: of many resamples, and of many pairs of variables, at once."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_ROUNDING = 1e-12
_EXACT = 33
"""Points up to which a p-value without ties is exact."""
_AT_ONCE = 1 << 20
"""Numbers that an array of pairs of points holds where all resamples would be too many: 8 MiB."""


def kendall(counts: Floats, x: Floats, y: Floats) -> Floats:
    """τ-b of resamples `[..., resamples]`: NaN where x or y is the same in all.

    τ_b = Σ s_x s_y / √(Σ s_x² · Σ s_y²) over pairs, s being the sign of a difference (Kendall 1945); a pair of points
    i, j is there c_i c_j times, and copies of one point are ties in both. All sums are of whole numbers, and exact.

    Args:
        counts: how often each of n points was drawn, `[resamples, n]`.
        x: `[..., n]`, as y; they broadcast against each other.
        y: see x.
    """
    import numpy as np

    in_x, in_y = _signs(x), _signs(y)
    return _ratio(*_over_pairs(counts, in_x * in_y, np.abs(in_x), np.abs(in_y)))


def _signs(values: Floats) -> Floats:
    """Of the differences of all pairs of points: `[..., n]` to `[..., n(n − 1)/2]`."""
    import numpy as np

    first, second = np.triu_indices(values.shape[-1], 1)
    return np.asarray(np.sign(values[..., first] - values[..., second]))


def _over_pairs(counts: Floats, *signs: Floats) -> list[Floats]:
    """Σ_{i<j} c_i c_j s_ij of each `[..., n(n − 1)/2]`, by resample: `[..., resamples]`."""
    import numpy as np

    resamples, n = counts.shape
    pairs = n * (n - 1) // 2
    drawn, step = np.ascontiguousarray(counts.T), max(1, _AT_ONCE // pairs)
    found = [np.empty((*own.shape[:-1], resamples)) for own in signs]
    for start in range(0, resamples, step):
        part = slice(start, start + step)
        both = drawn[:, part]
        together = np.empty((pairs, both.shape[1]))
        for i, end in enumerate(np.cumsum(np.arange(n - 1, 0, -1)).tolist()):
            np.multiply(both[i], both[i + 1 :], out=together[end - (n - 1 - i) : end])
        for total, own in zip(found, signs, strict=True):
            total[..., part] = own @ together
    return found


def kendall_p(x: Floats, y: Floats) -> Floats:
    """Two-sided p-values of τ_b = 0 of points `[..., n]` (Kendall 1970, sections 4.8, 5.8 and 5.13).

    Without ties they are exact up to 33 points, and where all pairs but one go one way. Else by the normal
    approximation, its variance corrected for ties. `scipy.stats` has the same and takes as long to import as all else
    of a report.
    """
    import numpy as np
    from scipy.special import ndtr

    n = x.shape[-1]
    difference, pairs = np.abs(np.sum(_signs(x) * _signs(y), axis=-1)), n * (n - 1) // 2
    fewest = np.rint((pairs - difference) / 2).astype(int)
    # A group of t equals counts t times, once for each of them.
    ties = [np.sum(values[..., :, None] == values[..., None, :], axis=-1, dtype=np.float64) for values in (x, y)]
    single, triple, five = (
        [np.sum((tied - 1) * factor, axis=-1) for tied, factor in zip(ties, factors, strict=True)]
        for factors in (
            [np.ones_like(tied) for tied in ties], [tied - 2 for tied in ties], [2 * tied + 5 for tied in ties]
        )
    )  # fmt: skip
    m = n * (n - 1.0)
    variance = (
        (m * (2 * n + 5) - (five[0] + five[1])) / 18
        + single[0] * single[1] / (2 * m)
        + triple[0] * triple[1] / (9 * m * (n - 2))
    )
    exact = (single[0] + single[1] == 0) & ((n <= _EXACT) | (fewest <= 1))
    known = _exact_p(n)
    return np.asarray(
        np.where(exact, known[np.minimum(fewest, len(known) - 1)], 2 * ndtr(-difference / np.sqrt(variance)))
    )


@lru_cache(maxsize=64)
def _exact_p(n: int) -> Floats:
    """By how many pairs of n points without ties go the rarer way: up to half of them, or 1 from 34 points on.

    Of the n! orders of y, how many have as few pairs that go that way, counted by putting in one point after the other,
    the j-th in 0 … j − 1 of its pairs.
    """
    import numpy as np

    pairs = n * (n - 1) // 2
    most = pairs // 2 if n <= _EXACT else 1
    chances = np.zeros(most + 1)
    chances[0] = 1.0
    for j in range(2, n + 1):
        below = np.cumsum(chances)
        chances = below.copy()
        chances[j:] -= below[:-j]
        chances /= j
    p = np.minimum(1.0, 2 * np.cumsum(chances))
    return np.asarray(np.where(2 * np.arange(most + 1) < pairs, p, 1.0))


def spearman(counts: Floats, x: Floats, y: Floats) -> Floats:
    """Pearson's r of the ranks of each resample, equal values sharing the mean of theirs; see `kendall`.

    A point's rank, less the mean of all, is half of how many more of those drawn lie below it than above. All sums are
    of whole numbers, and exact.
    """
    import numpy as np

    drawn = np.ascontiguousarray(counts.T)

    def ranks(values: Floats) -> Floats:
        """`[..., n, resamples]`: twice as much."""
        return np.asarray(np.sign(values[..., :, None] - values[..., None, :]) @ drawn)

    def total(a: Floats, b: Floats) -> Floats:
        return np.asarray(np.einsum("...nr,...nr->...r", a, b))

    of_x, of_y = ranks(x), ranks(y)
    in_x = drawn * of_x
    return _ratio(total(in_x, of_y), total(in_x, of_x), total(drawn * of_y, of_y))


def pearson(counts: Floats, x: Floats, y: Floats) -> Floats:
    """Pearson's r of resamples; see `kendall`.

    Σ c·xy − Σ c·x Σ c·y / n and the like: points are centred before, so that nothing cancels.
    """
    import numpy as np

    drawn, n = np.ascontiguousarray(counts.T), counts.sum(axis=1)
    x, y = (values - values.mean(axis=-1, keepdims=True) for values in (x, y))
    of_x, of_y = x @ drawn, y @ drawn
    return _ratio((x * y) @ drawn - of_x * of_y / n, (x * x) @ drawn - of_x**2 / n, (y * y) @ drawn - of_y**2 / n)


def _ratio(together: Floats, of_x: Floats, of_y: Floats) -> Floats:
    """Ratio to √(of_x · of_y), `[..., resamples]`; NaN where either is zero, apart from rounding."""
    import numpy as np

    def zero(values: Floats) -> NDArray[np.bool_]:
        none: NDArray[np.bool_] = values <= _ROUNDING * np.maximum(1e-300, values.max(axis=-1, keepdims=True))
        return none

    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(zero(of_x) | zero(of_y), math.nan, together / np.sqrt(of_x * of_y))
    return np.clip(ratio, -1.0, 1.0)
