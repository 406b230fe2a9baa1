"""Ticks that people count in."""

from __future__ import annotations

import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prunebench.report.charts.axes import compressions, linear, logarithmic, round_step, short, symmetric, times


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([61.2, 69.9], ["60", "62", "64", "66", "68", "70"]),
        ([0.0, 0.31], ["0.0", "0.1", "0.2", "0.3", "0.4"]),
        ([-3.0, 11.0], ["−5", "0", "5", "10", "15"]),
    ],
)
def test_linear_axes_have_round_ticks_and_hold_all_values(values, ticks):
    axis = linear("", values)
    assert [text for _, text in axis.ticks] == ticks


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=9))
@example([0.0001, -300001.0])
def test_linear_axes_hold_all_values(values):
    axis = linear("", values)
    assert axis.low <= min(values) + 1e-6
    assert axis.high >= max(values) - 1e-6
    assert 2 <= len(axis.ticks) <= 9


def test_one_value_has_an_axis_about_it():
    axis = linear("", [70.0, 70.0])
    assert axis.low < 70 < axis.high


@pytest.mark.parametrize(("least", "step"), [(0.9, 1), (1.0, 1), (1.1, 2), (2.5, 5), (0.031, 0.05), (60, 100)])
def test_steps_are_round(least, step):
    assert round_step(least) == pytest.approx(step)


def test_compressions_have_ticks_where_they_were_measured():
    axis = compressions("", [2, 4, 8, 16, 32])
    assert [text for _, text in axis.ticks] == ["2×", "4×", "8×", "16×", "32×"]
    assert axis.low < 2 < 32 < axis.high


def test_compressions_that_are_too_near_share_a_tick():
    axis = compressions("", [1 / (1 - i / 100) for i in range(100)])
    values = [value for value, _ in axis.ticks]
    assert len(values) <= 10
    assert values[0] == 1


@pytest.mark.parametrize(("value", "text"), [(1.25, "1.25×"), (8, "8×"), (16733.3, "16\u202f733×"), (100, "100×")])
def test_compressions_in_words(value, text):
    assert times(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (20, "20"),
        (500, "500"),
        (20_000, "20k"),
        (2e6, "2M"),
        (1e-4, "10⁻⁴"),
        (-3e-5, "−3·10⁻⁵"),
        (0.01, "0.01"),
    ],
)
def test_short_numbers(value, text):
    assert short(value) == text


def test_log_axes_have_powers_of_ten_or_finer_ticks():
    assert [text for _, text in logarithmic("", [0.5, 20_000]).ticks] == ["1", "10", "100", "1000", "10k"]
    assert [value for value, _ in logarithmic("", [1, 12]).ticks] == pytest.approx([1, 2, 5, 10])


@given(st.floats(1e-6, 1e6), st.floats(1, 1e4))
def test_log_axes_hold_all_values_and_have_a_tick(low, factor):
    axis = logarithmic("", [low, low * factor])
    assert axis.low < low
    assert axis.high > low * factor
    assert all(axis.low <= value <= axis.high for value, _ in axis.ticks)
    assert axis.ticks


def test_symmetric_axes_are_linear_about_zero():
    axis = symmetric("", [-0.4, 0.2])
    assert axis.low == -axis.high
    assert axis.share(0) == pytest.approx(0.5)
    assert math.isclose(axis.share(axis.high), 1)
