"""Exact power of the paired tests, against other ways of computing it."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from scipy.integrate import quad
from statsmodels.stats.power import TTestPower

from prunebench.analysis.statistics.power import (
    MOST,
    detectable_difference,
    detectable_effects,
    difference_power,
    equivalence_power,
    needed_for_difference,
    needed_for_differences,
    needed_for_equivalence,
    needed_for_equivalences,
)

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("n", [2, 3, 5, 10, 50, 1000])
@pytest.mark.parametrize("level", [0.05, 0.002])
def test_power_of_the_difference_test_is_that_of_the_noncentral_t_distribution(n: int, level: float) -> None:
    critical = stats.t.ppf(1 - level / 2, n - 1)
    for difference in (0.0, 0.1, 0.5, 1.0):
        shift = difference * math.sqrt(n)
        expected = stats.nct.sf(critical, n - 1, shift) + stats.nct.cdf(-critical, n - 1, shift)
        assert difference_power(difference, 1.0, n, level) == pytest.approx(expected, abs=1e-10)


def by_conditioning_on_the_spread(difference: float, margin: float, n: int, level: float) -> float:
    """P(|mean| < m − t s/√n) as an integral over U = s/σ, the other order of integration."""
    df, root, critical = n - 1, math.sqrt(n), stats.t.ppf(1 - level, n - 1)

    def given_spread(u: float) -> float:
        reach = margin * root - critical * u
        within = stats.norm.cdf(reach - difference * root) - stats.norm.cdf(-reach - difference * root)
        return float(within * stats.chi.pdf(u * math.sqrt(df), df) * math.sqrt(df))

    top = min(margin * root / critical, stats.chi.isf(1e-15, df) / math.sqrt(df))
    return float(quad(given_spread, 0, top, epsabs=1e-11, limit=200)[0])


@pytest.mark.parametrize(("n", "level"), list(itertools.product([2, 3, 5, 10, 40], [0.05, 0.002])))
def test_power_of_the_equivalence_test_is_the_integral_over_the_spread(n: int, level: float) -> None:
    for difference, margin in ((0.0, 0.5), (0.0, 2.0), (0.5, 1.0), (1.0, 1.0), (-1.0, 4.0)):
        expected = by_conditioning_on_the_spread(difference, margin, n, level)
        assert equivalence_power(difference, margin, 1.0, n, level) == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize(("n", "margin"), [(3, 3.1), (5, 1.85), (8, 1.35), (10, 1.15)])
def test_equivalence_needs_the_margins_that_are_known_for_90_percent_power(n: int, margin: float) -> None:
    assert equivalence_power(0, margin, 1, n) == pytest.approx(0.9, abs=0.03)
    assert equivalence_power(0, margin - 0.1, 1, n) < 0.9


def test_power_of_a_test_of_nothing_is_its_level() -> None:
    assert difference_power(0, 1, 5, 0.05) == pytest.approx(0.05, abs=1e-12)
    assert equivalence_power(100, 100, 1, 5, 0.05) == pytest.approx(0.05, abs=1e-12)


@pytest.mark.parametrize(("n", "level"), [(3, 0.05), (5, 0.05), (10, 0.05), (30, 0.05), (10, 0.01), (30, 0.01)])
def test_the_detectable_difference_is_that_of_statsmodels(n: int, level: float) -> None:
    expected = TTestPower().solve_power(nobs=n, alpha=level, power=0.8, alternative="two-sided")
    assert detectable_difference(0.4, n, level) == pytest.approx(0.4 * float(np.squeeze(expected)), rel=1e-6)


def power_given_the_spread(effect: float, n: int, level: float) -> float:
    """By the integral over the spread, without the far tail of the other side."""
    critical, df = stats.t.isf(level / 2, n - 1), n - 1

    def given_spread(u: float) -> float:
        found = stats.norm.cdf(effect * math.sqrt(n) - critical * u)
        return float(found * stats.chi.pdf(u * math.sqrt(df), df) * math.sqrt(df))

    turn = effect * math.sqrt(n) / critical
    return float(
        sum(quad(given_spread, *ends, epsabs=1e-11, limit=500)[0] for ends in ((0, turn), (turn, 2 * turn + 1)))
    )


@pytest.mark.parametrize("n", [2, 3, 5, 10])
def test_the_detectable_difference_of_a_large_family_has_its_power(n: int) -> None:
    """The far tail of the other side is below 1e-9 here."""
    level = 0.05 / 25
    assert power_given_the_spread(detectable_difference(1, n, level), n, level) == pytest.approx(0.8, abs=1e-6)


def test_two_repetitions_detect_only_huge_differences() -> None:
    effect = detectable_difference(1, 2, 0.05 / 25)
    assert 100 < effect < 1000
    assert difference_power(effect, 1, 2, 0.05 / 25) == pytest.approx(0.8, abs=1e-8)


def test_differences_without_spread_are_detected_however_small() -> None:
    assert detectable_difference(0, 5) == 0


@pytest.mark.parametrize("difference", [0.2, 0.5, 1.0, 3.0])
def test_the_needed_repetitions_are_those_of_statsmodels(difference: float) -> None:
    exact = TTestPower().solve_power(effect_size=difference, alpha=0.05, power=0.8, alternative="two-sided")
    assert needed_for_difference(difference, 1) == math.ceil(float(np.squeeze(exact)))


@pytest.mark.parametrize(("difference", "margin"), [(0.0, 1.0), (0.3, 1.0), (-0.9, 1.5), (0.0, 0.12)])
def test_the_needed_repetitions_are_the_fewest_with_power(difference: float, margin: float) -> None:
    n = needed_for_equivalence(difference, margin, 1)
    assert n is not None
    assert equivalence_power(difference, margin, 1, n) >= 0.8
    assert all(equivalence_power(difference, margin, 1, fewer) < 0.8 for fewer in range(2, n))


def test_what_more_than_the_most_repetitions_would_not_settle_has_no_number() -> None:
    assert needed_for_difference(0.01, 1) is None
    assert needed_for_equivalence(0.999, 1.0, 1) is None
    assert difference_power(0.1, 1, MOST) > 0.8


unit = st.floats(0, 4)
levels = st.sampled_from([0.05, 0.01, 0.002])
sizes = st.integers(2, 60)


@settings(max_examples=40)
@given(unit, unit, sizes, levels)
def test_power_is_a_chance_that_grows_with_n_and_margin(difference: float, margin: float, n: int, level: float) -> None:
    found, equal = difference_power(difference, 1, n, level), equivalence_power(difference, margin, 1, n, level)
    assert 0 <= equal <= 1
    assert level - 1e-12 <= found <= 1
    assert difference_power(difference, 1, n + 1, level) >= found - 1e-12
    assert equivalence_power(difference, margin + 0.1, 1, n, level) >= equal - 1e-12


@settings(max_examples=40)
@given(unit, unit, sizes, levels, st.floats(1e-3, 1e3))
def test_only_ratios_to_the_spread_count(difference: float, margin: float, n: int, level: float, unit: float) -> None:
    assert difference_power(-difference * unit, unit, n, level) == pytest.approx(
        difference_power(difference, 1, n, level), abs=1e-10
    )
    assert equivalence_power(-difference * unit, margin * unit, unit, n, level) == pytest.approx(
        equivalence_power(difference, margin, 1, n, level), abs=1e-10
    )


@pytest.mark.parametrize(("spread", "n"), [(1.0, 1), (0.0, 5), (-1.0, 5), (math.nan, 5)])
def test_power_without_spread_or_repetitions_is_refused(spread: float, n: int) -> None:
    with pytest.raises(ValueError, match="at least two differences and a spread above zero"):
        difference_power(1, spread, n)
    with pytest.raises(ValueError, match="at least two differences and a spread above zero"):
        equivalence_power(0, 1, spread, n)


def searched(power_of: Callable[[int], float], power: float) -> int | None:
    """The fewest n with that power, by bisection from 2 to the most."""
    if power_of(MOST) < power:
        return None
    low, high = 1, MOST
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if power_of(middle) >= power else (middle, high)
    return high


@pytest.mark.parametrize("power", [0.8, 0.5, 0.95])
def test_what_many_tests_need_is_what_a_search_finds_for_each(power: float) -> None:
    """From two repetitions to none that are enough, at levels of families of any size."""
    generator = np.random.default_rng(0)
    reach = 10 ** generator.uniform(-1.2, 2, size=80)
    effect = reach * generator.uniform(-1.2, 1.2, size=80)
    effect[:3], reach[3] = (0.0, 1e-9, 1e9), 1e-300
    level = 0.05 / generator.integers(1, 300, size=80)
    differences = needed_for_differences(effect, level, power)
    equivalences = needed_for_equivalences(effect, reach, level, power)
    for i, (d, m, a) in enumerate(zip(effect.tolist(), reach.tolist(), level.tolist(), strict=True)):
        assert differences[i] == searched(lambda n, d=d, a=a: difference_power(d, 1, n, a), power)
        assert equivalences[i] == searched(lambda n, d=d, m=m, a=a: equivalence_power(d, m, 1, n, a), power)
    assert {None, 2} <= set(differences)
    assert {None, 2} <= set(equivalences)
    assert needed_for_differences(effect[:0], level[:0]) == []


def test_detectable_effects_have_the_power_each_at_its_level() -> None:
    n, level = (values.ravel() for values in np.meshgrid([2, 3, 5, 10, 40], [0.05 / 7, 0.05 / 400]))
    found = detectable_effects(n, level, 0.9)
    for one, size, own in zip(found.tolist(), n.tolist(), level.tolist(), strict=True):
        assert power_given_the_spread(one, size, own) == pytest.approx(0.9, abs=1e-6)
        assert detectable_difference(2.0, size, own, 0.9) == pytest.approx(2 * one, rel=1e-12)
    assert detectable_effects(n[:0], level[:0]).size == 0


def test_more_tests_than_are_integrated_together_are_all_integrated(monkeypatch: pytest.MonkeyPatch) -> None:
    effect, level = np.linspace(0.05, 3, 50), np.full(50, 0.01)
    whole = needed_for_differences(effect, level)
    monkeypatch.setattr("prunebench.analysis.statistics.power._AT_ONCE", 7)
    assert needed_for_differences(effect, level) == whole
