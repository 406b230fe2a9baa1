"""Holm's step-down procedure: many tests, one level (Holm 1979, Scand. J. Stat. 6:65).

It keeps the chance of any false rejection at the level whatever the dependence between the tests, and so where all
differences of a family share one reference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def adjusted(p: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjusted p-values of families `[..., tests]`: a test is rejected at level α where its own is ≤ α."""
    import numpy as np

    order = np.argsort(p, axis=-1)
    stepped = np.take_along_axis(p, order, -1) * np.arange(p.shape[-1], 0, -1)
    result = np.empty_like(stepped)
    np.put_along_axis(result, order, np.minimum(np.maximum.accumulate(stepped, -1), 1.0), -1)
    return result


def step_levels(p: NDArray[np.float64], alpha: float) -> NDArray[np.float64]:
    """The level at which the procedure tested each of `[..., tests]`: α / (k − tests with a smaller p).

    The procedure stops at the first test that it does not reject; those behind it get the level of that step. An
    interval at 1 − level then excludes the null value exactly where the test is rejected. Equal p-values share one
    level, so that the order of tests is irrelevant.
    """
    import numpy as np

    k = p.shape[-1]
    smaller = np.sum(p[..., None, :] < p[..., :, None], axis=-1)
    rejected = adjusted(p) <= alpha
    stop = np.sum(rejected, axis=-1, keepdims=True)
    levels: NDArray[np.float64] = alpha / (k - np.where(rejected, smaller, np.minimum(stop, k - 1)))
    return levels
