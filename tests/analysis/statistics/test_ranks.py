"""Ranks across tasks, against Demšar's published values, scipy and scikit-posthocs."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scikit_posthocs import posthoc_nemenyi_friedman
from scipy.stats import friedmanchisquare, rankdata, studentized_range

from prunebench.analysis.statistics.ranks import (
    cliques,
    critical_difference,
    mean_ranks,
    nemenyi,
    range_tail,
    ranking,
    tied_ranks,
)


def test_tied_tasks_are_ranked_as_scipy_ranks_them() -> None:
    """Fourteen tasks by four methods, in steps that make ties frequent."""
    values = np.random.default_rng(14).integers(0, 5, (14, 4)) / 4
    found = ranking(values.tolist(), higher_is_better=True)
    assert found.mean_ranks == pytest.approx(tuple(rankdata(-values, axis=1).mean(axis=0)))
    assert found.chi_squared == pytest.approx(friedmanchisquare(*values.T).statistic)
    assert found.p == pytest.approx(friedmanchisquare(*values.T).pvalue)


def test_the_published_critical_differences_of_four_methods_on_fourteen_tasks() -> None:
    """Demšar 2006, Statistical comparisons of classifiers over multiple data sets."""
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, 0.1) == pytest.approx(1.12, abs=0.005)


@pytest.mark.parametrize(
    ("k", "q"),
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031), (9, 3.102), (10, 3.164)],
)
def test_critical_values_are_the_published_ones(k: int, q: float) -> None:
    """Demšar 2006, Table 5 (a), α = 0.05."""
    assert critical_difference(k, 20) == pytest.approx(q * math.sqrt(k * (k + 1) / 120), rel=3e-4)


@pytest.mark.parametrize("k", [2, 3, 7, 40, 150])
def test_the_span_of_normals_is_scipys(k: int) -> None:
    for q in (0.0, 1e-3, 0.5, 2.0, 3.3, 4.7, 6.5, 9.0, 14.0):
        assert range_tail(q, k) == pytest.approx(studentized_range.sf(q, k, math.inf), abs=1e-10)
    for alpha in (0.001, 0.05, 0.5):
        error = math.sqrt(k * (k + 1) / (6 * 20))
        quantile = studentized_range.ppf(1 - alpha, k, math.inf)
        assert critical_difference(k, 20, alpha) == pytest.approx(quantile / math.sqrt(2) * error, rel=1e-6)


def test_the_span_of_two_normals_is_that_of_their_difference() -> None:
    """√2 times a standard normal: beyond √2 · 1.959964 in 5 % of all cases."""
    assert range_tail(math.sqrt(2) * 1.959963984540054, 2) == pytest.approx(0.05, abs=1e-14)


def test_ties_share_ranks_as_scipys_do() -> None:
    values = np.random.default_rng(3).integers(0, 4, (50, 9)).astype(float)
    values[values == 3] = math.inf
    assert (tied_ranks(values) == rankdata(values, axis=1)).all()
    assert (tied_ranks(values[0]) == rankdata(values[0])).all()


def test_f_is_the_published_formula_on_a_table_without_ties() -> None:
    """χ² of ranks 1 2 3 four times and 2 1 3 once is 8.4 − …: worked from the rank sums 6, 9, 15."""
    values = [[1.0, 2.0, 3.0]] * 4 + [[2.0, 1.0, 3.0]]
    found = ranking(values, higher_is_better=False)
    chi_squared = 12 / (5 * 3 * 4) * (6**2 + 9**2 + 15**2) - 3 * 5 * 4
    assert found.chi_squared == pytest.approx(chi_squared) == pytest.approx(8.4)
    f = 4 * 8.4 / (5 * 2 - 8.4)
    assert found.p == pytest.approx(math.exp(-8.4 / 2))  # χ² with two degrees of freedom
    assert found.p_f == pytest.approx((1 + 2 * f / 8) ** -4)  # F with 2 and 8


@pytest.mark.parametrize("k", [3, 5, 12])
def test_friedman_and_nemenyi_are_those_of_scipy_and_scikit_posthocs(k: int) -> None:
    values = np.random.default_rng(k).normal(size=(9, k)).round(1) + np.arange(k) * 0.3
    found = ranking(values.tolist(), higher_is_better=True)
    expected = friedmanchisquare(*values.T)
    assert (found.chi_squared, found.p) == (pytest.approx(expected.statistic), pytest.approx(expected.pvalue))
    assert np.array(found.pairwise) == pytest.approx(posthoc_nemenyi_friedman(values).to_numpy(), abs=1e-9)


def test_pairs_differ_where_their_ranks_lie_a_critical_difference_apart() -> None:
    difference = critical_difference(4, 14)
    p = nemenyi([1.0, 1.0 + difference, 1.0 + 0.99 * difference, 4.0], 14)
    assert p[0][1] == pytest.approx(0.05, abs=1e-6)
    assert p[0][2] > 0.05 > p[0][3]


def test_best_is_first_in_the_metrics_direction_and_equals_share_ranks() -> None:
    values = [[0.9, 0.5, 0.5, 0.1], [0.8, 0.7, 0.6, 0.5]]
    assert mean_ranks(values, higher_is_better=True) == (1.0, 2.25, 2.75, 4.0)
    assert mean_ranks(values, higher_is_better=False) == (4.0, 2.75, 2.25, 1.0)


@pytest.mark.parametrize("higher", [True, False])
def test_missing_values_are_ranked_last_together(higher: bool) -> None:
    assert mean_ranks([[None, 0.2, math.nan, 0.2]], higher) == (3.5, 1.5, 3.5, 1.5)
    assert mean_ranks([[None, None]], higher) == (1.5, 1.5)


def test_methods_that_never_differ_have_no_evidence_against_them() -> None:
    found = ranking([[1.0, 1.0, 1.0]] * 5, higher_is_better=True)
    assert (found.chi_squared, found.p, found.p_f) == (0, 1, 1)
    assert found.pairwise == ((1.0,) * 3,) * 3
    assert found.cliques == ((0, 1, 2),)


def test_an_order_that_never_changes_is_the_strongest_evidence() -> None:
    found = ranking([[3.0, 2.0, 1.0]] * 12, higher_is_better=True)
    assert found.chi_squared == pytest.approx(24)
    assert found.p_f == 0
    assert found.mean_ranks == (1, 2, 3)
    assert found.critical_difference == pytest.approx(2.343 * math.sqrt(12 / 72), rel=1e-3)
    assert found.cliques == ()


def test_two_methods_are_enough() -> None:
    """Friedman's test of two methods is the sign test's normal approximation: z² = (6 − 1)² / 7."""
    found = ranking([[1.0, 2.0]] * 6 + [[2.0, 1.0]], higher_is_better=True)
    assert found.chi_squared == pytest.approx(25 / 7)
    assert found.p == pytest.approx(math.erfc(math.sqrt(25 / 14)))
    assert found.pairwise[0][1] == pytest.approx(found.p, rel=1e-6)


def test_cliques_are_maximal_and_overlap() -> None:
    assert cliques([1.0, 1.5, 2.4, 4.0, 4.1], 1.0) == ((0, 1), (1, 2), (3, 4))
    assert cliques([4.1, 2.4, 1.5, 1.0, 4.0], 1.0) == ((3, 2), (2, 1), (4, 0))
    assert cliques([1.0, 1.2, 1.4], 1.0) == ((0, 1, 2),)
    assert cliques([1.0, 2.0, 3.0], 1.0) == ()


@settings(max_examples=40)
@given(st.lists(st.integers(0, 20).map(lambda quarters: quarters / 4), min_size=2, max_size=7), st.floats(0.1, 3))
def test_cliques_are_the_maximal_sets_without_a_pair_that_differs(means: list[float], difference: float) -> None:
    found = [set(clique) for clique in cliques(means, difference)]
    for i, one in enumerate(means):
        for j, other in enumerate(means):
            together = any({i, j} <= clique for clique in found)
            assert i == j or together == (abs(one - other) < difference)
    assert not any(one < other for one in found for other in found)


tables = st.integers(2, 5).flatmap(
    lambda k: st.lists(
        st.lists(st.one_of(st.none(), st.integers(0, 5)), min_size=k, max_size=k), min_size=5, max_size=9
    )
)


@settings(max_examples=40)
@given(tables)
def test_ranks_of_a_table_add_up_and_mirror_with_the_direction(values: list[list[float | None]]) -> None:
    found = ranking(values, higher_is_better=True)
    k = len(values[0])
    assert sum(found.mean_ranks) == pytest.approx(k * (k + 1) / 2)
    assert 0 <= found.p <= 1
    assert 0 <= found.p_f <= 1
    mirrored = [[None if value is None else -value for value in row] for row in values]
    assert ranking(mirrored, higher_is_better=False) == found


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([[1.0, 2.0]] * 4, "at least 5 tasks, not 4"),
        ([[1.0]] * 5, "at least two methods, not 5 tasks and 1"),
        ([], "at least two methods, not 0 tasks and 0"),
        ([[1.0, 2.0]] * 5 + [[1.0]], "of every method"),
        ([[1.0, math.inf]] * 5, "infinite value has no rank"),
    ],
)
def test_tables_that_cannot_be_ranked_are_refused(values: list[list[float | None]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ranking(values, higher_is_better=True)


@pytest.mark.parametrize(("k", "n"), [(4, 5), (8, 6), (8, 12)])
def test_equal_methods_are_told_apart_in_five_percent_of_leaderboards(k: int, n: int) -> None:
    """Three standard errors; Nemenyi's approximation is conservative with few tasks."""
    trials = 4000
    ranks = np.random.default_rng(k * n).normal(size=(trials, n, k)).argsort(axis=-1).argsort(axis=-1).mean(axis=1)
    false = (np.ptp(ranks, axis=1) >= critical_difference(k, n)).mean()
    assert 0.01 < false <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / trials)
