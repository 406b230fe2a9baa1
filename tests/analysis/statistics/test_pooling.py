"""Tests that lean on other groups' spreads: against formulas, special cases, and simulated noise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq
from scipy.special import digamma, polygamma
from statsmodels.stats.multitest import multipletests

from prunebench.analysis.statistics.discoveries import discovery_rates
from prunebench.analysis.statistics.pooling import pooled_tests


def groups(matrix):
    """Differences `[groups, repetitions]` as groups."""
    return [dict(enumerate(line)) for line in np.asarray(matrix, float).tolist()]


def test_one_group_is_the_paired_t_test():
    values = [1.0, 2.5, 0.5, 3.0]
    (found,) = pooled_tests(groups([values]))
    assert found.p == pytest.approx(stats.ttest_1samp(values, 0).pvalue)
    assert found.spread == pytest.approx(np.std(values, ddof=1))
    assert found.error == pytest.approx(stats.sem(values))


def test_two_groups_without_a_common_part_are_tested_with_the_pooled_variance():
    # Residuals (1, 0, −1) and (1, −2, 1) are orthogonal and of unequal size.
    matrix = np.array([[4.0, 3.0, 2.0], [2.0, -1.0, 2.0]])
    pooled = (2 / 2 + 6 / 2) / 2
    repetitions = 2 * np.sum(np.mean([[1, 0, -1], [1, -2, 1]], axis=0) ** 2) / 2
    a = repetitions / 2
    df = pooled**2 / (a**2 / 2 + (pooled - a) ** 2 / 2)
    first, second = pooled_tests(groups(matrix))
    assert first.spread == pytest.approx(math.sqrt(pooled))
    assert second.spread == pytest.approx(math.sqrt(3.0)), "its own variance is the larger"
    assert first.freedom == pytest.approx(df)
    assert first.p == pytest.approx(2 * stats.t.sf(3 / math.sqrt(pooled / 3), df))


def test_what_all_groups_share_leaves_the_degrees_of_freedom_of_one():
    noise = np.array([0.3, -1.2, 0.7, 0.2])
    found = pooled_tests(groups([noise + shift for shift in (0.0, 1.0, 5.0, 2.0)]))
    assert {round(test.freedom, 9) for test in found} == {3}


def test_independent_groups_of_one_spread_have_nearly_all_degrees_of_freedom():
    draws = np.random.default_rng(0).normal(size=(200, 5))
    draws /= draws.std(axis=1, ddof=1, keepdims=True)
    assert pooled_tests(groups(draws))[0].freedom > 0.8 * 200 * 4


def test_a_group_of_one_repetition_is_tested_by_the_spread_of_others():
    (single, *_) = pooled_tests([{0: 3.0}, *groups([[0.0, 1.0, -1.0], [1.0, 0.0, -1.0]])])
    assert single.n == 1
    assert single.spread == pytest.approx(1.0)
    assert single.p is not None


def test_where_every_group_is_of_one_repetition_nothing_is_tested():
    found = pooled_tests([{0: 3.0}, {0: -1.0}])
    assert [(test.mean, test.spread, test.p) for test in found] == [(3.0, None, None), (-1.0, None, None)]


def test_equal_differences_have_the_spread_of_a_step_or_none():
    (exact,) = pooled_tests(groups([[1.0, 1.0, 1.0]]))
    assert exact.p == 0.0
    (stepped,) = pooled_tests(groups([[1.0, 1.0, 1.0]]), step=0.5)
    assert stepped.spread == 0.5


def test_shrinking_follows_the_formulas_of_smyth():
    spreads = np.array([0.1, 0.3, 1.0, 3.0, 10.0, 0.2, 5.0])
    matrix = spreads[:, None] * np.array([-1.0, 0.2, 0.8]) * [[1], [-1], [1], [-1], [1], [-1], [1]]
    own = matrix.var(axis=1, ddof=1)
    logs = np.log(own) - digamma(1.0) + math.log(1.0)
    excess = logs.var(ddof=1) - polygamma(1, 1.0)
    prior = 2 * brentq(lambda y: polygamma(1, y) - excess, 1e-3, 1e3)
    pooled = own.mean()
    expected = np.maximum((prior * pooled + 2 * own) / (prior + 2), own)
    found = pooled_tests(groups(matrix))
    assert prior < 2, "the spreads differ by far more than three repetitions explain"
    assert [test.spread**2 for test in found] == pytest.approx(list(expected))
    assert {round(test.freedom, 6) for test in found} == {round(float(prior) + 2, 6)}


@pytest.mark.parametrize("shared", [0.0, 0.5])
@pytest.mark.parametrize(("count", "n"), [(15, 3), (30, 8)])
def test_noise_alone_is_discovered_in_at_most_five_of_a_hundred_comparisons(shared, count, n):
    """Spreads that differ fourfold, as those of methods do; part of the noise is that of a repetition."""
    rng = np.random.default_rng(3)
    spreads = np.geomspace(0.5, 2.0, count)[:, None]
    runs = 300
    alarms = 0
    for _ in range(runs):
        noise = math.sqrt(shared) * rng.normal(size=(1, n)) + math.sqrt(1 - shared) * rng.normal(size=(count, n))
        alarms += min(discovery_rates([test.p for test in pooled_tests(groups(spreads * noise))])) <= 0.05
    assert alarms <= stats.binom.ppf(0.99, runs, 0.05)


def test_one_pooled_spread_for_all_would_find_what_is_not_there():
    """Why variances are shrunk: the same noise, tested as if its spread were one."""
    rng = np.random.default_rng(3)
    spreads = np.geomspace(0.5, 2.0, 30)[:, None]
    alarms = 0
    for _ in range(200):
        draws = spreads * rng.normal(size=(30, 8))
        t = draws.mean(axis=1) / math.sqrt(draws.var(axis=1, ddof=1).mean() / 8)
        alarms += min(discovery_rates(list(2 * stats.t.sf(abs(t), 30 * 7)))) <= 0.05
    assert alarms > 0.15 * 200


@pytest.mark.parametrize(("count", "n", "effect"), [(15, 3, 5.5), (30, 8, 2.2), (12, 5, 3.5)])
def test_a_change_of_so_many_spreads_is_found_nine_times_of_ten(count, n, effect):
    """In one of the groups; in units of the standard deviation of a repetition's difference."""
    rng = np.random.default_rng(5)
    spreads = np.geomspace(0.7, 1.4, count)[:, None]
    found = 0
    for _ in range(200):
        draws = spreads * rng.normal(size=(count, n))
        draws[count // 2] -= effect
        found += discovery_rates([test.p for test in pooled_tests(groups(draws))])[count // 2] <= 0.05
    assert found >= 0.9 * 200


@pytest.mark.parametrize("seed", range(5))
def test_discovery_rates_are_those_of_statsmodels(seed):
    p = np.random.default_rng(seed).beta(0.3, 1, size=23).tolist()
    assert discovery_rates(p) == pytest.approx(list(multipletests(p, method="fdr_bh")[1]))
    assert discovery_rates([]) == []
