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
from statistics import fmean
from typing import TYPE_CHECKING, Literal, NamedTuple

from prunebench.analysis.statistics.holm import adjusted, step_levels
from prunebench.analysis.statistics.power import detectable_effects, needed_for_differences, needed_for_equivalences

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Counts = NDArray[np.int_]
    Interval = tuple[float, float]

Text = Literal[
    "immaterial",
    "does not depend",
    "does not depend (identical mask)",
    "depends",
    "depends, size unsettled",
    "cannot tell",
]

_AT_ONCE = 1 << 20
"""Numbers in the largest array of families that are tested together, tests × tests of each: 8 MiB."""


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


class Family(NamedTuple):
    """Comparisons that are tested together: all arms × methods of one task and density.

    `resolution` is the metric's smallest step, one over the test samples for an accuracy. A standard deviation below it
    is taken to be one step: where steps are coarse, two or three repetitions are equal by chance too often to be exact.
    """

    comparisons: Sequence[Comparison]
    margin: float
    resolution: float = 0.0


def verdicts(
    comparisons: Sequence[Comparison], margin: float, alpha: float = 0.05, resolution: float = 0.0
) -> list[Verdict]:
    """Of one family.

    Comparisons of identical masks are no part of it, and neither are those with fewer than two differences, which
    nothing can be told of. Differences that are all equal are taken as exact: zero or not, within ±margin or not.

    Raises:
        ValueError: a margin that is not above zero, an α outside (0, ½), a resolution below zero, or a difference that
            is not finite.
    """
    (found,) = verdicts_of([Family(comparisons, margin, resolution)], alpha)
    return found


def verdicts_of(families: Sequence[Family], alpha: float = 0.05) -> list[list[Verdict]]:
    """`verdicts` of many families, which are tested each by itself and computed together."""
    _check(families, alpha)
    tested = [
        [one.differences for one in family.comparisons if len(one.differences) > 1 and not one.identical]
        for family in families
    ]
    alike: dict[int, list[int]] = {}
    for i, samples in enumerate(tested):
        if samples:
            alike.setdefault(len(samples), []).append(i)
    found: dict[int, Iterator[Verdict]] = {}
    for tests, group in alike.items():
        step = max(1, _AT_ONCE // tests**2)
        for start in range(0, len(group), step):
            part = group[start : start + step]
            margins, resolutions = [families[i].margin for i in part], [families[i].resolution for i in part]
            every = list(_tested([tested[i] for i in part], margins, resolutions, alpha))
            found |= {i: iter(every[place * tests : (place + 1) * tests]) for place, i in enumerate(part)}
    return [
        [
            next(found[i]) if len(one.differences) > 1 and not one.identical else _untested(one)
            for one in family.comparisons
        ]
        for i, family in enumerate(families)
    ]


def _check(families: Sequence[Family], alpha: float) -> None:
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha lies between 0 and ½, not at {alpha}")
    for comparisons, margin, resolution in families:
        if not (margin > 0 and math.isfinite(margin)):
            raise ValueError(f"a margin is above zero, not {margin}")
        if not (resolution >= 0 and math.isfinite(resolution)):
            raise ValueError(f"a resolution is a step of the metric, or zero, not {resolution}")
        if not all(all(map(math.isfinite, comparison.differences)) for comparison in comparisons):
            raise ValueError("a difference that is not finite: leave out repetitions without a value")


def _tested(
    samples: Sequence[Sequence[Sequence[float]]], margins: Sequence[float], resolutions: Sequence[float], alpha: float
) -> Iterator[Verdict]:
    """Of families with equally many tests, `[families][tests][differences]`: one family after the other."""
    import numpy as np

    every = [sample for family in samples for sample in family]
    shape = len(samples), len(samples[0])
    mean, spread = moments(every)
    n = np.array([len(sample) for sample in every])
    spread = np.maximum(spread, np.repeat(resolutions, shape[1]))
    margin = np.repeat(margins, shape[1])
    found = decide(mean.reshape(shape), spread.reshape(shape), n.reshape(shape), margin.reshape(shape), alpha)
    text, level_difference, level_equivalence = (
        found.text.ravel(), found.level_difference.ravel(), found.level_equivalence.ravel()
    )  # fmt: skip
    open_ = (text == "cannot tell") | (text == "depends, size unsettled")
    numbers = (
        mean.tolist(),
        n.tolist(),
        _intervals(mean, spread, n, np.full_like(mean, 2 * alpha)),
        _intervals(mean, spread, n, level_difference),
        found.p_difference.ravel().tolist(),
        found.p_equivalence.ravel().tolist(),
        _detectable(spread, n, level_difference).tolist(),
        _needed(mean, spread, margin, level_difference, level_equivalence, open_),
    )
    return map(Verdict, text.tolist(), *numbers)


def moments(samples: Sequence[Sequence[float]]) -> tuple[Floats, Floats]:
    """Means and standard deviations of samples of two or more, `[samples]`: exactly zero where all are equal."""
    import numpy as np

    means, spreads = np.array([_mean(sample) for sample in samples]), np.empty(len(samples))
    sizes = np.array([len(sample) for sample in samples])
    for n in np.unique(sizes).tolist():
        alike = np.flatnonzero(sizes == n)
        values = np.array([samples[i] for i in alike.tolist()], dtype=np.float64)
        equal = np.ptp(values, axis=1) == 0
        away = values - means[alike, None]
        # In units of the largest, whose square is a number whatever the metric's are.
        unit = np.where(equal, 1.0, np.abs(away).max(axis=1))
        away /= unit[:, None]
        # The mean is rounded: the second term is what that adds.
        squares = np.sum(away**2, axis=1) - np.sum(away, axis=1) ** 2 / n
        spreads[alike] = np.where(equal, 0.0, unit * np.sqrt(squares / (n - 1)))
    return means, spreads


def _mean(values: Sequence[float]) -> float:
    """The double nearest to the mean: one that is rounded twice may be shown with another last digit."""
    near = fmean(values)
    return near + math.fsum((*values, *(-near for _ in values))) / len(values)


def decide(mean: Floats, spread: Floats, n: Counts, margin: Floats | float, alpha: float = 0.05) -> Decisions:
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
    return Verdict(text, _mean(differences) if differences else None, len(differences))


def _intervals(mean: Floats, spread: Floats, n: Counts, level: Floats) -> Iterator[Interval]:
    """The t intervals that leave out zero where a two-sided t test at `level` rejects it."""
    import numpy as np
    from scipy.special import stdtrit

    half = stdtrit(n - 1, 1 - level / 2) * spread / np.sqrt(n)
    return zip((mean - half).tolist(), (mean + half).tolist(), strict=True)


def _detectable(spread: Floats, n: Counts, level: Floats) -> Floats:
    """Tests of as many repetitions at one level share an effect; there are few levels."""
    import numpy as np

    kinds, which = np.unique(np.stack([n, level]), axis=1, return_inverse=True)
    return spread * detectable_effects(kinds[0].astype(int), kinds[1])[which.reshape(-1)]


def _needed(
    mean: Floats, spread: Floats, margin: Floats, level_difference: Floats, level_equivalence: Floats,
    open_: NDArray[np.bool_],
) -> list[int | None]:  # fmt: skip
    """Of those that are open, whose spread is above zero; None of others."""
    import numpy as np

    found: list[int | None] = [None] * len(mean)
    within = np.abs(mean) < margin
    equal, other = np.flatnonzero(open_ & within), np.flatnonzero(open_ & ~within)
    equivalence = needed_for_equivalences(
        mean[equal] / spread[equal], margin[equal] / spread[equal], level_equivalence[equal]
    )
    difference = needed_for_differences(mean[other] / spread[other], level_difference[other])
    for i, needed in zip([*equal.tolist(), *other.tolist()], [*equivalence, *difference], strict=True):
        found[i] = needed
    return found
