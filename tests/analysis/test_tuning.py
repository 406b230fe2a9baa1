"""Recipes are chosen on validation data."""

from __future__ import annotations

from dataclasses import replace

import pytest

from prunebench.analysis.tuning import best_recipe
from tests.analysis.recorded import record, row

SLOW, FAST, MID = "small-sgd(lr=0.01)", "small-sgd(lr=1.0)", "small-sgd"


def candidates(**validation):
    """Records of two repetitions a recipe, those with the best validation worst on test data."""
    names = {"slow": SLOW, "fast": FAST, "mid": MID}
    return {
        (at := row("snip", 0.1, n, recipe=names[name])): record(at, 100 - value, validation=value)
        for name, values in validation.items()
        for n, value in enumerate(values)
    }


class Blind(dict):
    """Metrics that nothing of the test split is asked of."""

    def get(self, name, default=None):
        assert not name.startswith("test_"), name
        return super().get(name, default)

    __getitem__ = get

    def values(self):
        raise AssertionError("all values were looked at, and those of the test split among them")

    items = __iter__ = values


def test_the_recipe_with_the_best_mean_validation_accuracy_is_chosen():
    found = candidates(slow=(50, 70), mid=(62, 61), fast=(80, 20))
    assert best_recipe(list(found), found) == MID


def test_numbers_of_the_test_split_are_never_looked_at():
    found = candidates(slow=(50, 70), mid=(62, 61), fast=(80, 20))
    blind = {at: replace(r, metrics=Blind(r.metrics)) for at, r in found.items()}
    assert best_recipe(list(blind), blind) == MID


@pytest.mark.parametrize("status", ["failed", "timeout", "cancelled", None])
def test_a_recipe_with_missing_cells_is_chosen_only_if_none_is_complete(status):
    found = candidates(slow=(50, 50), mid=(90, 90))
    rows, broken = list(found), row("snip", 0.1, 1, recipe=MID)
    if status is None:
        del found[broken]
    else:
        found[broken] = record(broken, 50, status=status)
    assert best_recipe(rows, found) == SLOW
    for n in range(2):
        del found[row("snip", 0.1, n, recipe=SLOW)]
    assert best_recipe(rows, found) == MID


def test_a_skipped_cell_is_not_missing():
    found = candidates(slow=(50, 50), mid=(90, 90))
    at = row("snip", 0.1, 1, recipe=MID)
    found[at] = record(at, None)
    assert best_recipe(list(found), found) == MID


def test_without_validation_data_the_first_of_the_plan_is_taken():
    found = {
        at: record(at, value) for value, recipe in ((10, SLOW), (90, MID)) for at in [row("snip", 0.1, recipe=recipe)]
    }
    assert best_recipe(list(found), found) == SLOW
    at = row("snip", 0.1, recipe=MID)
    found[at] = record(at, 5, validation=1)
    assert best_recipe(list(found), found) == MID
