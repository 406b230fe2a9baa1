"""How often verdicts are wrong, and how often they are found, by simulation.

Bounds are three standard errors of the simulation, three and a half where many rates are compared at once.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest

from prunebench.analysis.statistics.intervals import mean_interval
from prunebench.analysis.statistics.power import difference_power, equivalence_power
from prunebench.analysis.statistics.verdicts import Comparison, decide, verdicts

if TYPE_CHECKING:
    from numpy.typing import NDArray

FAMILIES = 4000
SIZES = [3, 5, 8, 10]
WIDTHS = [1, 10, 25]


def texts(samples: NDArray[np.float64], margin: float, resolution: float = 0.0) -> NDArray[np.str_]:
    """Verdicts of families `[families, comparisons]` from `[families, comparisons, repetitions]`."""
    n = np.full(samples.shape[:2], samples.shape[-1])
    return decide(samples.mean(-1), np.maximum(samples.std(-1, ddof=1), resolution), n, margin).text


def says_different(found: NDArray[np.str_]) -> NDArray[np.bool_]:
    return np.isin(found, ["depends", "depends, size unsettled", "immaterial"])


def says_equivalent(found: NDArray[np.str_]) -> NDArray[np.bool_]:
    return np.isin(found, ["does not depend", "immaterial"])


def error(rate: float, trials: int, times: float = 3.0) -> float:
    return times * math.sqrt(rate * (1 - rate) / trials)


def first_step(width: int) -> float:
    """The chance that Holm's first step rejects any of as many true, independent hypotheses."""
    return 1 - (1 - 0.05 / width) ** width


def test_decisions_on_arrays_are_the_verdicts_of_single_families() -> None:
    generator = np.random.default_rng(1)
    samples = generator.normal(generator.choice([0.0, 0.5, 1.0, 4.0], (60, 6, 1)), 0.4, (60, 6, 5))
    found = texts(samples, 1.0)
    for family, row in zip(samples, found, strict=True):
        alone = verdicts([Comparison(tuple(sample)) for sample in family.tolist()], 1.0)
        assert [verdict.text for verdict in alone] == row.tolist()
    assert len(set(found.ravel().tolist())) == 5


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("width", WIDTHS)
def test_no_difference_is_called_one_in_five_percent_of_families(n: int, width: int) -> None:
    """True differences of zero and a margin far below the spread, where equivalence never comes first."""
    samples = np.random.default_rng(n * 100 + width).normal(size=(FAMILIES, width, n))
    false = says_different(texts(samples, 1e-3)).any(axis=1).mean()
    assert false == pytest.approx(first_step(width), abs=error(0.05, FAMILIES))
    assert false <= 0.05 + error(0.05, FAMILIES)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_difference_of_the_margin_is_called_none_in_five_percent_of_families(n: int, width: int) -> None:
    """The worst case: true differences of exactly ±m. A wide margin spends the level, a narrow one less."""
    generator = np.random.default_rng(n * 100 + width + 1)
    noise = generator.normal(size=(FAMILIES, width, n))
    sides = generator.choice([-1.0, 1.0], size=(FAMILIES, width, 1))
    wide, narrow = (
        says_equivalent(texts(noise + margin * sides, margin)).any(axis=1).mean() for margin in (1000.0, 0.5)
    )
    assert wide == pytest.approx(first_step(width), abs=error(0.05, FAMILIES))
    assert narrow <= 0.05 + error(0.05, FAMILIES)


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("shared", [False, True], ids=["own reference", "one reference"])
@pytest.mark.parametrize("margin", [1.0, 3.0])
def test_mixed_families_keep_both_errors(n: int, shared: bool, margin: float) -> None:
    """Zero, small, marginal and large differences together; arms that share a reference have correlated ones."""
    generator = np.random.default_rng(n)
    truth = np.array([0.0] * 8 + [0.4] * 2 + [1.0] * 4 + [-1.0] * 4 + [1.5, 8.0, 8.0, 40.0, -40.0, 40.0]) * margin
    reference = generator.normal(size=(FAMILIES, 1 if shared else truth.size, n))
    samples = truth[:, None] + (reference - generator.normal(size=(FAMILIES, truth.size, n))) / math.sqrt(2)
    found = texts(samples, margin)
    assert says_different(found)[:, truth == 0].any(axis=1).mean() <= 0.05 + error(0.05, FAMILIES)
    assert says_equivalent(found)[:, abs(truth) >= margin].any(axis=1).mean() <= 0.05 + error(0.05, FAMILIES)


def test_without_holm_a_family_would_be_wrong_more_often_than_not() -> None:
    """What the simulations above would find in a ladder that took every comparison by itself."""
    samples = np.random.default_rng(5).normal(size=(2000, 25, 5))
    single = texts(samples.reshape(-1, 1, 5), 1e-3).reshape(2000, 25)
    assert says_different(single).any(axis=1).mean() == pytest.approx(1 - 0.95**25, abs=error(0.72, 2000))


@pytest.mark.parametrize("n", [2, 3, 5])
@pytest.mark.parametrize("steps", [1, 3, 10], ids="spread of {} steps".format)
def test_metrics_with_coarse_steps_keep_both_errors_when_their_step_is_known(n: int, steps: int) -> None:
    """Accuracies on a few hundred test samples: reference and arm are whole numbers of steps."""
    generator = np.random.default_rng(n + 10 * steps)
    pair = np.round(50.3 + generator.normal(size=(2, 2000, 25, n)) * steps / math.sqrt(2))
    differences = pair[0] - pair[1]
    margin = 3.0 * steps
    for resolution, bound in ((1.0, 0.05 + error(0.05, 2000)), (0.0, 1.0)):
        false_difference = says_different(texts(differences, 1e-3, resolution)).any(axis=1).mean()
        false_equivalence = says_equivalent(texts(differences + margin, margin, resolution)).any(axis=1).mean()
        assert max(false_difference, false_equivalence) <= bound
    if n == 2:
        assert false_difference > 0.3


@pytest.mark.parametrize("n", SIZES)
def test_power_is_as_computed(n: int) -> None:
    trials = 10_000
    noise = np.random.default_rng(n + 7).normal(size=(trials, 1, n))
    for difference in (0.5, 1.0, 2.0):
        expected = difference_power(difference, 1.0, n)
        found = says_different(texts(noise + difference, 1e-3)).mean()
        assert found == pytest.approx(expected, abs=error(expected, trials, 3.5))
    for difference, margin in ((0.0, 1.0), (0.0, 2.0), (0.5, 2.0), (1.0, 2.5)):
        expected = equivalence_power(difference, margin, 1.0, n)
        found = says_equivalent(texts(noise + difference, margin)).mean()
        assert found == pytest.approx(expected, abs=error(expected, trials, 3.5))


@pytest.mark.parametrize("n", [5, 8, 10])
def test_one_comparison_in_a_family_that_is_settled_otherwise_has_the_power_of_its_step(n: int) -> None:
    """Ten huge differences are rejected first; the eleventh is then tested at the whole level."""
    trials = 10_000
    samples = np.random.default_rng(n + 3).normal(size=(trials, 11, n))
    samples[:, :10] += 1e4
    samples[:, 10] += 1.0
    expected = difference_power(1.0, 1.0, n)
    assert says_different(texts(samples, 1e-3))[:, 10].mean() == pytest.approx(expected, abs=error(expected, trials))


@pytest.mark.parametrize("n", [2, *SIZES])
@pytest.mark.parametrize("level", [0.9, 0.95])
def test_t_intervals_cover_at_their_level(n: int, level: float) -> None:
    trials = 1500
    samples = np.random.default_rng(n).normal(7.0, 2.0, size=(trials, n))
    found = [mean_interval(sample, level) for sample in samples.tolist()]
    covered = [abs(one.value - 7) <= one.half_width for one in found if one.half_width is not None]
    assert np.mean(covered) == pytest.approx(level, abs=error(level, trials, 3.5))


def test_the_intervals_of_a_verdict_cover_at_their_levels() -> None:
    """A family of one: 90 % and 95 %."""
    trials = 600
    samples = np.random.default_rng(11).normal(2.0, 1.0, size=(trials, 5))
    found = [verdicts([Comparison(tuple(sample))], 1.0)[0] for sample in samples.tolist()]
    for level, intervals in ((0.9, [one.interval90 for one in found]), (0.95, [one.interval95 for one in found])):
        covered = [low <= 2.0 <= high for low, high in filter(None, intervals)]
        assert np.mean(covered) == pytest.approx(level, abs=error(level, trials))
