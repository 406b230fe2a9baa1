"""Looks of methods, and their names in charts."""

from __future__ import annotations

from itertools import pairwise
from xml.etree import ElementTree as ET

import pytest

from prunebench.report.looks import looks_of, one_line, shortened, swatch


def test_two_dozen_methods_differ_without_colour_and_ten_dozen_with_it():
    found = list(looks_of(f"m{i:03}" for i in range(120)).values())
    assert len({(look.shape, look.dash) for look in found[:24]}) == 24
    assert len({(look.colour, look.shape, look.dash) for look in found}) == 120


def test_neighbours_differ_in_colour_and_shape():
    found = list(looks_of(f"m{i:03}" for i in range(40)).values())
    assert all(a.colour != b.colour and a.shape != b.shape for a, b in pairwise(found))


def test_looks_depend_on_the_names_alone():
    names = ["synflow", "imp", "dense", "snip"]
    assert looks_of(names) == looks_of([*reversed(names), "imp"])
    assert [look.index for look in looks_of(names).values()] == [0, 1, 2, 3]


def test_the_dense_network_is_ink_and_moves_no_colour():
    with_dense, without = looks_of(["a", "dense", "z"]), looks_of(["a", "z"])
    assert with_dense["dense"].colour == "ink"
    assert with_dense["z"].colour == without["z"].colour


def test_a_swatch_is_small_valid_and_hidden_from_screen_readers():
    for look in looks_of(f"m{i}" for i in range(24)).values():
        root = ET.fromstring(swatch(look))
        assert root.get("aria-hidden") == "true"
        assert f"s-{look.colour}" in swatch(look)
        assert ("stroke-dasharray" in swatch(look)) == bool(look.dash)


def test_short_names_stay_and_long_ones_keep_both_ends():
    assert shortened("snip(mode=eval)") == "snip(mode=eval)"
    name = "targeted(end=0.5, events=1, start=0.5, target=large)"
    assert shortened(name) == "targeted(end=0…target=large)"
    assert len(shortened("x" * 200)) == 28


@pytest.mark.parametrize("name", ["two\nlines", "nul\x00", "\u202eevil", "tab\there", "zero\u200bwidth", "\ud800"])
def test_names_are_one_line_without_control(name):
    assert one_line(name).isprintable()
    assert shortened(name).isprintable()


def test_names_from_right_to_left_do_not_turn_what_follows():
    assert shortened("שיטה") == "\u2068שיטה\u2069"
