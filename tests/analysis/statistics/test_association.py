"""Association over configuration means, against scipy and by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from prunebench.analysis.statistics import association as module
from prunebench.analysis.statistics import correlation
from prunebench.analysis.statistics.association import (
    FEWEST,
    association,
    associations,
    mean,
)
from prunebench.analysis.statistics.correlation import kendall, kendall_p, pearson, spearman

X = [0.1, 0.9, 0.4, 1.6, 1.1, 0.2, 2.0, 1.3]
Y = [3.0, 4.0, 3.5, 3.9, 5.0, 2.0, 6.0, 4.5]


def clusters(x, y, runs=3, spread=0.01):
    """Runs around each mean that leave it where it is."""
    offsets = np.linspace(-spread, spread, runs)
    return [[(a + o, b - o) for o in offsets] for a, b in zip(x, y, strict=True)]


def test_values_and_p_are_scipys_over_means():
    found = association(clusters(X, Y))
    assert (found.n, found.reason) == (8, "")
    assert (found.tau.value, found.p) == pytest.approx(tuple(stats.kendalltau(X, Y, method="exact")))
    assert found.spearman.value == pytest.approx(stats.spearmanr(X, Y).statistic)
    assert found.pearson.value == pytest.approx(stats.pearsonr(X, Y).statistic)


def test_tau_by_hand():
    """Of 28 pairs, one neighbouring transposition turns one: (27 − 1) / 28; as rare among 8! orders as 8 of them."""
    order = [0, 1, 2, 4, 3, 5, 6, 7]
    found = association(clusters(range(8), order))
    assert found.tau.value == pytest.approx(26 / 28)
    assert found.p == pytest.approx(2 * (1 + 7) / math.factorial(8))


def test_runs_count_by_the_mean_of_their_configuration_however_many_they_are():
    uneven = clusters(X, Y)
    uneven[0] = [(X[0] - 1, Y[0]), (X[0] + 1, Y[0])] * 20
    found, even = association(uneven), association([[(a, b)] for a, b in zip(X, Y, strict=True)])
    assert (found.tau, found.p) == (even.tau, even.p)
    assert found.pearson.value == pytest.approx(even.pearson.value)


def test_an_interval_depends_on_the_seed_alone_and_not_on_units():
    found = association(clusters(X, Y))
    scaled = association(clusters([1000 * x + 3 for x in X], [y / 1000 for y in Y], spread=0))
    assert (found.tau.low, found.tau.high) == (scaled.tau.low, scaled.tau.high)
    assert found.tau.low < found.tau.value < found.tau.high
    assert association(clusters(X, Y), seed=1).tau != found.tau
    upside_down = association(clusters(X, [-y for y in Y]))
    assert upside_down.tau.value == pytest.approx(-found.tau.value)


def expanded(counts, values):
    return np.repeat(values, counts.astype(int))


@pytest.mark.parametrize(
    ("statistic", "scipys"),
    [(kendall, stats.kendalltau), (spearman, stats.spearmanr), (pearson, stats.pearsonr)],
    ids=["kendall", "spearman", "pearson"],
)
def test_statistics_of_resamples_are_scipys_of_the_points_drawn(statistic, scipys):
    generator = np.random.default_rng(0)
    x, y = generator.normal(size=(2, 9))
    y[3], x[5] = y[2], x[6]
    counts = generator.multinomial(9, [1 / 9] * 9, size=40).astype(float)
    expected = [scipys(expanded(row, x), expanded(row, y)).statistic for row in counts]
    assert statistic(counts, x, y) == pytest.approx(np.array(expected))


@pytest.mark.parametrize("statistic", [kendall, spearman, pearson])
def test_a_resample_of_one_point_has_no_value(statistic):
    counts = np.array([[3.0, 0, 0], [1, 1, 1]])
    found = statistic(counts, np.array([1.0, 2.0, 3.0]), np.array([0.1, 0.3, 0.7]))
    assert math.isnan(found[0])
    assert found[1] > 0.9


def test_ties_take_the_normal_approximation():
    x = [round(value) for value in X]
    found = association(clusters(x, Y))
    assert (found.tau.value, found.p) == pytest.approx(tuple(stats.kendalltau(x, Y)))
    assert found.tau.value == pytest.approx(stats.kendalltau(x, Y, variant="b").statistic)


@pytest.mark.parametrize("n", [0, 1, 2, FEWEST - 1])
def test_fewer_than_eight_configurations_decide_nothing(n):
    found = association(clusters(X, Y)[:n])
    assert (found.n, found.tau, found.p, found.spearman, found.pearson) == (n, None, None, None, None)
    assert found.reason == f"{n} configuration{'' if n == 1 else 's'}: fewer than 8 decide nothing"
    assert association(clusters(X, Y)[:FEWEST]).p is not None


def test_what_is_the_same_in_all_goes_with_nothing():
    assert association(clusters([0.1 + 0.2] * 8, Y, spread=0)).reason == "the first is the same in all configurations"
    assert association(clusters(X, [5.0] * 8, runs=1)).reason == "the second is the same in all configurations"


def test_where_all_pairs_agree_the_interval_has_no_width():
    found = association(clusters(X, [math.exp(x) for x in X]))
    assert (found.tau.value, found.tau.low, found.tau.high) == (1, 1, 1)
    assert found.p == pytest.approx(2 / math.factorial(8))
    assert found.pearson.value < 1


def test_input_without_a_mean_is_refused():
    with pytest.raises(ValueError, match="without a run"):
        association([*clusters(X, Y), []])
    broken = clusters(X, Y)
    broken[3][0] = (math.nan, 1.0)
    with pytest.raises(ValueError, match="not finite"):
        association(broken)


@pytest.mark.parametrize("n", [3, 4, 8, 17, 33, 34, 60])
@pytest.mark.parametrize("digits", [(9, 9), (0, 9), (9, 0), (0, 0)])
def test_the_p_value_of_tau_is_scipy_s_with_and_without_ties(n, digits):
    source = np.random.default_rng(n)
    for strength in (0.0, 0.5, -3.0):
        x = source.normal(size=n)
        y = source.normal(size=n) + strength * x
        x, y = (np.round(values, places) for values, places in zip((x, y), digits, strict=True))
        if np.ptp(x) and np.ptp(y):
            assert kendall_p(x, y) == pytest.approx(float(stats.kendalltau(x, y).pvalue), rel=1e-9)


@pytest.mark.parametrize("n", [8, 33, 50])
@pytest.mark.parametrize("swapped", [0, 1, 2])
def test_the_p_value_of_orders_that_agree_or_nearly_do_is_exact(n, swapped):
    """Of n! orders one has no inversion, n − 1 have one and (n + 1)(n − 2)/2 have two (Knuth 1973, 5.1.1)."""
    x = np.arange(n, dtype=np.float64)
    y = x.copy()
    for i in range(swapped):
        y[[2 * i, 2 * i + 1]] = y[[2 * i + 1, 2 * i]]
    orders = [1, n - 1, (n + 1) * (n - 2) // 2][: swapped + 1]
    if swapped < 2 or n <= 33:
        assert kendall_p(x, y) == pytest.approx(2 * sum(orders) / math.factorial(n), rel=1e-12)
        assert kendall_p(x, -y) == kendall_p(x, y)


def variables(count, n, seed, digits=9):
    return [tuple(np.round(row, digits).tolist()) for row in np.random.default_rng(seed).normal(size=(count, n))]


def plain(x, y, statistic, resamples):
    """The bootstrap written out: one resample after the other, its points as often as they were drawn."""
    generator, n = np.random.default_rng(0), len(x)
    drawn = [generator.multinomial(n, np.full(n, 1 / n)) for _ in range(resamples)]
    points = [(expanded(counts, x), expanded(counts, y)) for counts in drawn]
    values = [statistic(*both).statistic for both in points if all(map(np.ptp, both))]
    return statistic(x, y).statistic, *np.quantile(values, [0.025, 0.975]), resamples - len(values)


@pytest.mark.parametrize("digits", [9, 0], ids=["no ties", "ties"])
def test_many_pairs_have_what_the_plain_bootstrap_of_each_has(digits):
    """Of three x and two y that share their work, and of fewer configurations that another pair has."""
    xs, ys = variables(3, 9, 1, digits), variables(2, 9, 2, digits)
    few = variables(2, 8, 3, digits)
    pairs = [*((x, y) for x in xs for y in ys), (few[0], few[1])]
    for pair, found in zip(pairs, associations(pairs, resamples=60), strict=True):
        assert found.n == len(pair[0])
        assert found.p == pytest.approx(stats.kendalltau(*pair).pvalue, rel=1e-9)
        for own, scipys in (
            (found.tau, stats.kendalltau),
            (found.spearman, stats.spearmanr),
            (found.pearson, stats.pearsonr),
        ):
            told = own.value, own.low, own.high, own.undefined
            assert told == pytest.approx(plain(*pair, scipys, 60), abs=1e-12)


def test_a_pair_among_many_is_what_it_is_alone(monkeypatch):
    xs, ys = variables(4, 12, 1), variables(3, 12, 2, 0)
    pairs = [(x, y) for y in ys for x in xs if (x, y) != (xs[1], ys[2])] * 2
    found = associations(pairs)
    assert found[: len(pairs) // 2] == found[len(pairs) // 2 :]
    for pair, one in zip(pairs, found, strict=True):
        alone = association([[point] for point in zip(*pair, strict=True)])
        assert (one.tau, one.p, one.spearman) == (alone.tau, alone.p, alone.spearman), "of whole numbers, and exact"
        assert (one.pearson.low, one.pearson.high) == pytest.approx((alone.pearson.low, alone.pearson.high), rel=1e-12)
    monkeypatch.setattr(module, "_AT_ONCE", 100)
    monkeypatch.setattr(correlation, "_AT_ONCE", 100)
    small = associations(pairs)
    assert [one.tau for one in small] == [one.tau for one in found], "however little memory there is"


def test_what_is_the_same_in_all_stops_no_other_pair():
    x, y = variables(2, 9, 0)
    flat, first, second = (
        (1.5,) * 9,
        "the first is the same in all configurations",
        "the second is the same in all configurations",
    )
    found = associations([(x, y), (flat, y), (x, flat), (flat, flat), (x[:5], y[:5])])
    assert [one.reason for one in found] == ["", first, second, first, "5 configurations: fewer than 8 decide nothing"]
    assert found[0].p == pytest.approx(stats.kendalltau(x, y).pvalue)
    assert associations([]) == []
    with pytest.raises(ValueError, match="not finite"):
        associations([(x, y), (x, (math.inf, *y[1:]))])


def test_p_values_of_a_block_are_those_of_its_pairs():
    generator = np.random.default_rng(0)
    x, y = np.round(generator.normal(size=(3, 1, 10)), 1), generator.normal(size=(1, 4, 10))
    expected = [[stats.kendalltau(a, b).pvalue for b in y[0]] for a in x[:, 0]]
    assert kendall_p(x, y) == pytest.approx(np.array(expected), rel=1e-9)


def test_a_mean_is_added_up_in_the_order_of_its_runs():
    values = [0.1, 0.2, 0.3, 1e16, -1e16]
    assert mean(iter(values)) == ((((0.1 + 0.2) + 0.3) + 1e16) - 1e16) / 5
    assert mean(values) == np.mean([[value, 0.0] for value in values], axis=0)[0]
