"""Seeds."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunebench.seeding import seed_of

small = st.integers(0, 50)
names = st.tuples(st.text(max_size=8), small, st.none() | small, small)


def seed(name):
    purpose, repetition, epoch, root = name
    return seed_of(purpose, repetition, epoch=epoch, root=root)


@given(names, names)
@settings(deadline=None)
def test_streams_share_a_seed_only_if_every_part_of_their_names_is_equal(one, other):
    assert (seed(one) == seed(other)) is (one == other)


@given(st.text(max_size=8), small, st.none() | small, small)
@settings(deadline=None)
def test_a_change_of_one_part_changes_the_seed(purpose, repetition, epoch, root):
    changed = [
        seed_of(purpose, repetition, epoch=epoch, root=root),
        seed_of(purpose + "x", repetition, epoch=epoch, root=root),
        seed_of(purpose, repetition + 1, epoch=epoch, root=root),
        seed_of(purpose, repetition, epoch=0 if epoch is None else epoch + 1, root=root),
        seed_of(purpose, repetition, epoch=epoch, root=root + 1),
    ]
    assert len(set(changed)) == len(changed)


def test_parts_do_not_run_into_each_other():
    assert len({seed_of("a", 11), seed_of("a1", 1), seed_of("a", 1, epoch=1), seed_of("a", 1, root=1)}) == 4


def test_seeds_do_not_depend_on_the_order_in_which_they_are_asked_for():
    asked = list(itertools.product(("initialisation", "data"), range(3), (None, 0, 1)))
    forwards = {name: seed_of(name[0], name[1], epoch=name[2]) for name in asked}
    backwards = {name: seed_of(name[0], name[1], epoch=name[2]) for name in reversed(asked)}
    assert forwards == backwards


@given(names)
@settings(deadline=None)
def test_a_seed_fits_every_generator(name):
    assert 0 <= seed(name) < 2**63


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (("initialisation", 0, None, 0), 1339883500056229191),
        (("initialisation", 1, None, 0), 2036019740281453819),
        (("mask/random", 0, None, 0), 2711943463184217232),
        (("data", 2, 7, 0), 3413913989066427565),
        (("data", 2, 7, 1), 432358308955273007),
    ],
)
def test_seeds_are_the_same_for_ever(name, value):
    assert seed(name) == value  # another value means other initial weights and masks in every stored baseline


def test_the_root_seed_of_all_suites_is_zero():
    assert seed_of("data", 2) == seed_of("data", 2, root=0)
