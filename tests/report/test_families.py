"""Kinds of methods."""

from __future__ import annotations

import pytest

from prunebench import catalogue
from prunebench.records.presentation import Section
from prunebench.registry import METHODS
from prunebench.report.families import FAMILIES, family_of
from prunebench.report.headings import HEADINGS


@pytest.mark.parametrize(
    ("method", "family"),
    [
        ("imp(rewind=0.1)", "trains"),
        ("gmp", "trains"),
        ("snip(rounds=100)", "data"),
        ("wanda", "data"),
        ("synflow", "free"),
        ("random", "free"),
        ("dense", "control"),
        ("same-ratios", "control"),
        ("somebody-elses(p=1)", "other"),
        ("<script>", "other"),
    ],
)
def test_a_method_is_what_the_registry_says_it_needs(method, family):
    assert family_of(method) == family


def test_every_method_of_the_registry_has_a_family_with_words():
    catalogue.declare()
    found = {family_of(entry.name) for entry in METHODS}
    assert found == FAMILIES.keys() - {"other"}


def test_every_section_has_a_heading():
    assert HEADINGS.keys() == set(Section.__args__)
