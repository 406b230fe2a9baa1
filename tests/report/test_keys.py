"""What cells are sorted by."""

from __future__ import annotations

import pytest

from prunebench.report.keys import sort_key


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("67.6 ± 1.1", 67.6),
        ("-0.28 ± 0.75", -0.28),
        ("−3", -3),
        ("+1.00 ± 0.54", 1),
        ("2\u202f085", 2085),
        ("1\u202f234\u202f567", 1_234_567),
        ("1.9e-14", 1.9e-14),
        ("0.04 → -0.61", -0.61),
        ("5 (4/5 cells)", 5),
        ("9/10", 9),
        ("4.35 [< 2, 5.54]", 4.35),
        ("50 %", 50),
        ("4 of 7", 4),
        ("0", 0),
    ],
)
def test_a_cell_is_sorted_by_the_number_it_begins_with(text, value):
    assert sort_key(text) == value


@pytest.mark.parametrize("text", ["–", "", "collapsed", "impossible (3/5)", "cannot tell", "identical"])
def test_words_have_no_key(text):
    assert sort_key(text) is None


def test_bounds_stand_beside_their_number():
    below, at, above = sort_key("<0.001"), sort_key("0.001"), sort_key("> 0.001")
    assert 0.000999 < below < at < above < 0.001001
    assert sort_key("< 2 [< 2, 2.83]") < 2 < sort_key("> 2")
