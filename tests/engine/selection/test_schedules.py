"""Schedules."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunebench.engine.selection.schedules import SCHEDULES, counts


def test_one_round_goes_straight_to_the_rounded_count() -> None:
    for schedule in SCHEDULES:
        assert counts(1000, 0.1, 1, schedule) == [100]
        assert counts(1000, 0.0126, 1, schedule) == [13]
        assert counts(1000, 0.0124, 1, schedule) == [12]
        assert counts(1000, 1e-9, 1, schedule) == [1]
        assert counts(1000, 1, 1, schedule) == [1000]


def test_counts_by_hand() -> None:
    assert counts(16, 1 / 16, 4, "exponential") == [8, 4, 2, 1]
    assert counts(1000, 0.5, 4, "linear") == [875, 750, 625, 500]
    # 1 − (1 − d)·(1 − (1 − e/n)³) with d = 1/5, e/n = 1/4, 1/2, 3/4: 1 − 0.8·(37, 56, 63)/64.
    assert counts(1000, 0.2, 4, "cubic") == [538, 300, 213, 200]


def test_densities_between_are_rounded_up() -> None:
    # 100·0.1^(1/2) = 31.6, 100·(1 − 0.85·1/2) = 57.5
    assert counts(100, 0.1, 2, "exponential") == [32, 10]
    assert counts(100, 0.15, 2, "linear") == [58, 15]


def test_rounds_that_would_prune_nothing_are_left_out() -> None:
    assert counts(4, 0.5, 100, "exponential") == [3, 2]
    assert counts(10, 1, 50, "cubic") == [10]


@given(
    total=st.integers(1, 10**6),
    density=st.floats(1e-6, 1, exclude_min=True),
    rounds=st.integers(1, 120),
    schedule=st.sampled_from(sorted(SCHEDULES)),
)
@settings(max_examples=300, deadline=None)
def test_counts_fall_strictly_and_end_at_the_rounded_target(
    total: int, density: float, rounds: int, schedule: str
) -> None:
    found = counts(total, density, rounds, schedule)
    assert found[-1] == max(1, round(density * total))
    assert 1 <= len(found) <= rounds
    assert all(a > b for a, b in zip([total + (found == [total]), *found], found, strict=False))


@given(total=st.integers(1000, 10**6), exponent=st.floats(0.1, 2.5), rounds=st.integers(2, 100))
@settings(max_examples=200, deadline=None)
def test_rounds_before_the_last_keep_what_the_published_loop_keeps(total: int, exponent: float, rounds: int) -> None:
    density = 10**-exponent
    for schedule, at in (
        ("exponential", lambda e: density ** (e / rounds)),
        ("linear", lambda e: 1 - (1 - density) * e / rounds),
    ):
        found = counts(total, density, rounds, schedule)
        for e in range(1, rounds):
            # The published code prunes the int((1 − d_e)·N) lowest scores. Next to an integer floats may fall on
            # either side of it.
            published = total - int((1 - at(e)) * total)
            clear = abs(total * at(e) - round(total * at(e))) > 1e-6
            if clear and found[-1] < published < total:
                assert published in found


@pytest.mark.parametrize("schedule", sorted(SCHEDULES))
def test_a_schedule_starts_dense_and_ends_at_the_density(schedule: str) -> None:
    at = SCHEDULES[schedule]
    assert at(0.03, 0) == 1
    assert math.isclose(at(0.03, 1), 0.03)
    between = [at(0.03, e / 10) for e in range(11)]
    assert between == sorted(between, reverse=True)


def test_exponential_keeps_the_same_share_every_round_and_linear_takes_the_same_number() -> None:
    exponential = [SCHEDULES["exponential"](0.01, e / 8) for e in range(9)]
    linear = [SCHEDULES["linear"](0.01, e / 8) for e in range(9)]
    assert all(math.isclose(b / a, 0.01 ** (1 / 8)) for a, b in itertools.pairwise(exponential))
    assert all(math.isclose(a - b, 0.99 / 8) for a, b in itertools.pairwise(linear))
