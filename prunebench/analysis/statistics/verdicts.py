"""What paired differences say: the ladder of verdicts on a family of comparisons.

Two questions are asked of each comparison. Is the mean difference within ±m (two one-sided t tests, Schuirmann 1987)?
Is it other than zero (paired t test)? Holm's procedure answers each for the whole family at α, so that, for normal
differences,

- the chance that any comparison whose true mean is m or more away from zero is called *does not depend* or *immaterial*
  is at most α, and
- the chance that any whose true mean is zero is called *depends*, of either size, or *immaterial* is at most α,

however the comparisons depend on each other and whatever the other true means are. The rungs only combine the two
answers; they test nothing again. *depends* says that there is a difference and that its estimate reaches m: a true
difference just below m is called so up to every other time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import mean as average
from statistics import stdev
from typing import TYPE_CHECKING, Literal, NamedTuple

from prunebench.analysis.statistics.holm import adjusted, step_levels
from prunebench.analysis.statistics.power import detectable_difference, needed_for_difference, needed_for_equivalence

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Interval = tuple[float, float]

Text = Literal[
    "immaterial",
    "does not depend",
    "does not depend (identical mask)",
    "depends",
    "depends, size unsettled",
    "cannot tell",
]


@dataclass(frozen=True, slots=True)
class Comparison:
    """An arm against its reference.

    `differences` are reference − arm, one a repetition in which both have a value and neither collapsed. `identical`:
    all masks are the reference's own, as a data-free scorer's under corrupted data, and there is nothing to test.
    """

    differences: tuple[float, ...]
    identical: bool = False


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison's family says of it; None is what was not tested, or has no value at this n.

    Attributes:
        text: the rung.
        mean: of the differences; None of none.
        n: how many differences.
        interval90: the t interval at 1 − 2α, not adjusted. It may lie inside ±m and yet, in a large family, leave the
            verdict open.
        interval95: the t interval at 1 − the level of the Holm step at which the difference test was made, α / (k − i)
            with i of k p-values smaller, or of the step at which the procedure stopped. It excludes zero exactly where
            the difference is established. It is the interval of one test: together, those of a family cover less.
        p_difference: of the paired t test, adjusted by Holm's procedure over the family's.
        p_equivalence: of the two one-sided tests, adjusted over the family's.
        detectable: the smallest true difference that a paired t test of n differences, at the level of `interval95`,
            finds with 80 % power if this sample's standard deviation is the true one. Zero for differences without
            spread.
        needed: the fewest repetitions in all with which a *cannot tell* or *depends, size unsettled* would be settled
            with 80 % power if this sample's mean and standard deviation are the true ones, at the level of the present
            Holm step: by the equivalence test where |mean| < m, by the difference test from there on. None above 1 000,
            and for what is settled. An estimate from few repetitions is as uncertain as their standard deviation.
    """

    text: Text
    mean: float | None
    n: int
    interval90: Interval | None = None
    interval95: Interval | None = None
    p_difference: float | None = None
    p_equivalence: float | None = None
    detectable: float | None = None
    needed: int | None = None


class Decisions(NamedTuple):
    """Of families `[..., tests]`: rungs, adjusted p-values, and the levels of the Holm steps."""

    text: NDArray[np.str_]
    p_difference: Floats
    p_equivalence: Floats
    level_difference: Floats
    level_equivalence: Floats


def verdicts(
    comparisons: Sequence[Comparison], margin: float, alpha: float = 0.05, resolution: float = 0.0
) -> list[Verdict]:
    """One family: all arms × methods of one task and density, tested together.

    Comparisons of identical masks are no part of it, and neither are those with fewer than two differences, which
    nothing can be told of. Differences that are all equal are taken as exact: zero or not, within ±margin or not.

    `resolution` is the metric's smallest step, one over the test samples for an accuracy. A standard deviation below it
    is taken to be one step: where steps are coarse, two or three repetitions are equal by chance too often to be exact.

    Raises:
        ValueError: a margin that is not above zero, an α outside (0, ½), a resolution below zero, or a difference that
            is not finite.
    """
    import numpy as np

    if not (margin > 0 and math.isfinite(margin)):
        raise ValueError(f"a margin is above zero, not {margin}")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha lies between 0 and ½, not at {alpha}")
    if not (resolution >= 0 and math.isfinite(resolution)):
        raise ValueError(f"a resolution is a step of the metric, or zero, not {resolution}")
    if not all(math.isfinite(value) for comparison in comparisons for value in comparison.differences):
        raise ValueError("a difference that is not finite: leave out repetitions without a value")
    result = [_untested(comparison) for comparison in comparisons]
    family = [
        i for i, comparison in enumerate(comparisons) if len(comparison.differences) > 1 and not comparison.identical
    ]
    if not family:
        return result
    samples = [comparisons[i].differences for i in family]
    means = [average(sample) for sample in samples]
    spreads = [max(stdev(sample), resolution) for sample in samples]
    sizes = [len(sample) for sample in samples]
    decisions = decide(np.array(means), np.array(spreads), np.array(sizes), margin, alpha)
    for i, mean, spread, n, text, *numbers in zip(
        family, means, spreads, sizes, *map(np.ndarray.tolist, decisions), strict=True
    ):
        p_difference, p_equivalence, level_difference, level_equivalence = numbers
        open_ = text in {"cannot tell", "depends, size unsettled"}
        result[i] = Verdict(
            text=text,
            mean=mean,
            n=n,
            interval90=_interval(mean, spread, n, 2 * alpha),
            interval95=_interval(mean, spread, n, level_difference),
            p_difference=p_difference,
            p_equivalence=p_equivalence,
            detectable=detectable_difference(spread, n, level_difference),
            needed=_needed(mean, spread, margin, level_difference, level_equivalence) if open_ else None,
        )
    return result


def decide(mean: Floats, spread: Floats, n: NDArray[np.int_], margin: float, alpha: float = 0.05) -> Decisions:
    """The ladder on families `[..., tests]` of sample means and standard deviations of n ≥ 2 differences."""
    import numpy as np
    from scipy.special import stdtr

    error, size, none = spread / np.sqrt(n), np.abs(mean), spread == 0
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        different = np.where(none, mean == 0, 2 * stdtr(n - 1, -size / error))
        equivalent = np.where(none, size >= margin, stdtr(n - 1, (size - margin) / error))
    p_difference, p_equivalence = adjusted(different), adjusted(equivalent)
    is_different, is_equivalent = p_difference <= alpha, p_equivalence <= alpha
    rungs: list[tuple[NDArray[np.bool_], Text]] = [
        (is_equivalent & is_different, "immaterial"),
        (is_equivalent, "does not depend"),
        (is_different & (size >= margin), "depends"),
        (is_different, "depends, size unsettled"),
    ]
    text = np.select([rung for rung, _ in rungs], [name for _, name in rungs], "cannot tell")
    return Decisions(text, p_difference, p_equivalence, step_levels(different, alpha), step_levels(equivalent, alpha))


def _untested(comparison: Comparison) -> Verdict:
    differences = comparison.differences
    text: Text = "does not depend (identical mask)" if comparison.identical else "cannot tell"
    return Verdict(text, average(differences) if differences else None, len(differences))


def _interval(mean: float, spread: float, n: int, level: float) -> Interval:
    """The t interval that leaves out zero where a two-sided t test at `level` rejects it."""
    from scipy.special import stdtrit

    half = float(stdtrit(n - 1, 1 - level / 2)) * spread / math.sqrt(n)
    return mean - half, mean + half


def _needed(mean: float, spread: float, margin: float, level_difference: float, level_equivalence: float) -> int | None:
    if abs(mean) < margin:
        return needed_for_equivalence(mean, margin, spread, level_equivalence)
    return needed_for_difference(mean, spread, level_difference)
