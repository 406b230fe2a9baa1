"""Area, compression at a given loss and Pareto front, against sums by hand, fine grids and double loops."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunebench.analysis.curves import Bounded, Point, area, front, one_point

RHOS = [1.25, 2.0, 4.0, 8.0, 16.0, 32.0]


def points(**by_compression):
    return [Point(float(name[1:]), accuracy) for name, accuracy in by_compression.items()]


def test_the_area_is_the_mean_accuracy_along_log_compression():
    # In units of ln 2: from 1 to 2 the mean is 85, from 2 to 8 it is 65 over two units.
    assert area(points(c1=90, c2=80, c8=50), 1, 8) == pytest.approx((85 + 2 * 65) / 3)
    assert area(points(c2=70.0, c4=70.0, c64=70.0), 2, 64) == pytest.approx(70)
    assert area(points(c8=50, c1=90, c2=80), 1, 8) == area(points(c1=90, c2=80, c8=50), 1, 8)


def test_an_area_between_measured_points_is_that_of_the_line_between_them():
    # 100 − 10 log2 ρ: the mean along log2 from 2 to 8 is its value at 4.
    assert area(points(c1=100, c16=60), 2, 8) == pytest.approx(80)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(1, 64), st.floats(0, 100)), min_size=2, max_size=8, unique_by=lambda p: round(p[0], 2)
    ),
    st.floats(0, 1), st.floats(0, 1),
)  # fmt: skip
def test_the_area_is_that_of_a_fine_grid(measured, a, b):
    xs = sorted(math.log(rho) for rho, _ in measured)
    low, high = sorted(xs[0] + (xs[-1] - xs[0]) * t for t in (a, b))
    if high - low < 1e-3:
        return
    found = area([Point(*point) for point in measured], math.exp(low), math.exp(high))
    if found is None:  # exp(log(ρ)) may be beyond the last point by a digit
        assert low <= xs[0] + 1e-9 or high >= xs[-1] - 1e-9
        return
    grid = np.linspace(low, high, 20_001)
    x, y = zip(*sorted((math.log(rho), accuracy) for rho, accuracy in measured), strict=True)
    assert found == pytest.approx(np.trapezoid(np.interp(grid, x, y), grid) / (high - low), abs=0.02)


def test_nothing_is_extrapolated():
    assert area(points(c2=80, c8=50), 1, 8) is None
    assert area(points(c2=80, c8=50), 2, 9) is None
    assert area(points(c2=80, c8=50), 2, 8) == pytest.approx(65)
    assert area([], 1, 2) is None


def test_a_missing_point_leaves_no_area_unless_it_is_not_needed():
    assert area(points(c1=90, c2=None, c8=50), 1, 8) is None
    assert area(points(c1=90, c8=None), 1, 4) is None
    assert area(points(c1=None, c2=80, c8=50, c16=None), 2, 8) == pytest.approx(65)


def test_beyond_an_impossible_point_all_are_chance():
    found = [Point(1, 90), Point(2, 80), Point(4, 10, impossible=True)]
    assert area(found, 1, 16) == pytest.approx((85 + 45 + 10 + 10) / 4)
    assert area([Point(1, 90), Point(2, 80), Point(4, 10)], 1, 16) is None
    assert area([Point(1, 90), Point(4, None, impossible=True)], 1, 16) is None


def test_the_loss_is_reached_between_two_compressions_on_the_line_in_log_compression():
    # From 0 at 4 to 4 at 16: one point is a quarter of the way in log, 4 · 4^(1/4).
    found = one_point([2, 4, 16], [[0, 0, 4]], 1)
    assert found.estimate == Bounded(pytest.approx(4 * 4**0.25))
    assert (found.low, found.high, found.n) == (None, None, 1)
    assert str(found) == "5.66"


def test_a_loss_that_is_reached_at_the_first_or_nowhere_is_censored():
    assert str(one_point([2, 4], [[1.5, 3]], 1)) == "< 2"
    assert str(one_point([2, 4], [[0, 0.9]], 1)) == "> 4"
    assert str(one_point([2, 4], [[1.0, 3]], 1)) == "2"
    assert str(one_point([2], [[3], [3]], 1)) == "< 2"
    assert str(one_point([2, 12345], [[0, 0]], 1)) == "> 12345"
    assert one_point([2, 4], [], 1) is None


def test_the_first_crossing_of_the_mean_counts_and_not_the_mean_of_crossings():
    found = one_point([1, 2, 4, 8], [[0, 2, 0, 4], [0, -2, 0, 4]], 1)
    assert found.estimate.value == pytest.approx(4 * 2**0.25)
    assert one_point([1, 2, 4], [[0, 3, 0]], 1).estimate.value == pytest.approx(2 ** (1 / 3))


def test_repetitions_without_spread_leave_an_interval_of_no_width():
    found = one_point([2, 4, 16], [[0, 0, 4]] * 3, 1)
    assert found.low.value == pytest.approx(found.estimate.value) == pytest.approx(found.high.value)
    assert {found.low.side, found.estimate.side, found.high.side} == {""}


def test_the_interval_holds_where_a_t_test_of_interpolated_losses_cannot_tell_them_from_the_loss():
    from scipy.stats import ttest_1samp

    rng = np.random.default_rng(3)
    losses = np.array([-0.5, -0.3, 0.0, 2.0, 6.0, 15.0]) + rng.normal(size=(5, 6)) * 0.7
    found = one_point(RHOS, losses.tolist(), 1.0)
    fine = np.linspace(math.log(RHOS[0]), math.log(RHOS[-1]), 5_001)
    there = np.array([np.interp(fine, np.log(RHOS), line) for line in losses])
    p = ttest_1samp(there, 1.0).pvalue
    more = there.mean(axis=0) > 1
    low = fine[np.argmax((p >= 0.05) | more)]
    high = fine[np.argmax((p < 0.05) & more)]
    step = fine[1] - fine[0]
    assert found.low.side == found.high.side == ""
    assert math.log(found.low.value) == pytest.approx(low, abs=step)
    assert math.log(found.high.value) == pytest.approx(high, abs=step)
    assert low < math.log(found.estimate.value) < high


def test_ends_of_the_interval_are_censored_too():
    noisy = [[-3, 1.5, 4], [3, 0.5, 0]]
    assert str(one_point([2, 4, 8], noisy, 1)) == "4 [< 2, > 8]"
    surely = one_point([2, 4], [[-9.0, -9.1], [-9.1, -9.0], [-9.0, -9.0]], 1)
    assert [end.side for end in (surely.estimate, surely.low, surely.high)] == [">", ">", ">"]
    assert str(surely) == "> 4"


def test_the_interval_covers_the_true_compression():
    rng = np.random.default_rng(0)
    true, spread = np.array([0, 0.2, 0.5, 3, 8, 20]), np.array([0.5, 0.5, 0.6, 1, 2, 6])
    crossing = math.exp(np.interp(1, true[2:4], np.log(RHOS[2:4])))
    runs, covered = 600, 0
    for _ in range(runs):
        found = one_point(RHOS, (true + rng.normal(size=(4, 6)) * spread).tolist(), 1.0)
        below = found.low.side == "<" or found.low.value <= crossing
        above = found.high.side == ">" or found.high.value >= crossing
        covered += below and above
    assert covered / runs >= 0.95 - 3 * math.sqrt(0.95 * 0.05 / runs)


@given(st.lists(st.tuples(*[st.integers(0, 4)] * 3), max_size=12), st.tuples(*[st.booleans()] * 3))
def test_the_front_is_what_nothing_dominates(values, higher):
    def at_least(x, y, up):
        return x >= y if up else x <= y

    expected = []
    for i, mine in enumerate(values):
        dominated = False
        for j, other in enumerate(values):
            if (
                i != j
                and other != mine
                and all(at_least(o, m, up) for o, m, up in zip(other, mine, higher, strict=True))
            ):
                dominated = True
        expected.append(not dominated)
    assert front(values, higher) == expected


def test_equal_points_are_both_on_the_front():
    assert front([(90, 5), (90, 5), (80, 5), (80, 4)], (True, False)) == [True, True, False, True]
