"""Names beside a panel: near what they name, and apart."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunebench.report.charts.keys import spread


@given(
    st.lists(st.floats(-50, 350), min_size=1, max_size=40).map(sorted),
    st.floats(1, 14),
)
def test_spread_places_are_apart_in_order_and_inside_while_there_is_room(places, gap):
    found = spread(places, gap, 0.0, 300.0)
    assert len(found) == len(places)
    assert all(b - a >= gap - 1e-6 for a, b in pairwise(found))
    if (len(places) - 1) * gap <= 300:
        assert found[0] >= -1e-6
        assert found[-1] <= 300 + 1e-6


def test_places_that_are_apart_stay():
    assert spread([10, 40, 90], 13, 0, 100) == [10, 40, 90]


def test_a_crowd_stands_about_its_mean():
    assert spread([50, 50, 50], 10, 0, 100) == pytest.approx([40, 50, 60])
