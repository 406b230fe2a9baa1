"""Holm's procedure: adjusted p-values, and at which level each test was made."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from prunebench.analysis.statistics.holm import adjusted, step_levels

families = st.lists(st.one_of(st.floats(0, 1), st.sampled_from([0.0, 0.001, 0.01, 0.05, 1.0])), min_size=1, max_size=12)


def test_adjusted_p_values_are_those_of_statsmodels() -> None:
    generator = np.random.default_rng(0)
    for width in (1, 2, 5, 25):
        p = np.round(generator.random(width) ** 4, 2)  # with ties
        found = multipletests(p, alpha=0.05, method="holm")
        assert adjusted(p) == pytest.approx(found[1], abs=1e-15)
        assert np.array_equal(adjusted(p) <= 0.05, found[0])


@settings(max_examples=40)
@given(families)
def test_adjusted_p_values_are_the_definition(p: list[float]) -> None:
    """The largest of (k − #smaller) · p over all p-values that are no larger, at most one."""
    stepped = [min(1.0, max((len(p) - sum(r < q for r in p)) * q for q in p if q <= own)) for own in p]
    assert adjusted(np.array(p)) == pytest.approx(stepped, abs=1e-15)


def test_the_steps_of_a_family_worked_by_hand() -> None:
    """0.01 ≤ 0.05/4; 0.015 ≤ 0.05/3; 0.03 > 0.05/2 stops, and 0.04 stays behind it though it is below 0.05."""
    p = np.array([0.03, 0.01, 0.04, 0.015])
    assert adjusted(p) == pytest.approx([0.06, 0.04, 0.06, 0.045])
    assert step_levels(p, 0.05) == pytest.approx([0.05 / 2, 0.05 / 4, 0.05 / 2, 0.05 / 3])


def test_equal_p_values_are_tested_at_one_level() -> None:
    assert step_levels(np.array([0.004, 0.004, 0.9]), 0.05) == pytest.approx([0.05 / 3, 0.05 / 3, 0.05])


def test_the_last_of_a_family_that_is_all_rejected_is_tested_at_the_whole_level() -> None:
    assert step_levels(np.array([0.001, 0.04]), 0.05) == pytest.approx([0.025, 0.05])


@settings(max_examples=40)
@given(families)
def test_a_test_is_rejected_where_its_own_p_value_is_at_most_its_level(p: list[float]) -> None:
    values = np.array(p)
    clear = np.abs(values / step_levels(values, 0.05) - 1) > 1e-9  # the last digit of a product decides the others
    assert np.array_equal((values <= step_levels(values, 0.05))[clear], (adjusted(values) <= 0.05)[clear])


@settings(max_examples=40)
@given(st.lists(st.lists(st.floats(0, 1), min_size=4, max_size=4), min_size=1, max_size=5))
def test_families_in_one_array_are_adjusted_each_by_itself(p: list[list[float]]) -> None:
    values = np.array(p)
    assert np.array_equal(adjusted(values), np.stack([adjusted(row) for row in values]))
    assert np.array_equal(step_levels(values, 0.05), np.stack([step_levels(row, 0.05) for row in values]))
