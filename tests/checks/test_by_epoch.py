"""Cells of the by-epoch part: one a density, what is refused while planning."""

from __future__ import annotations

from functools import partial

import pytest

from prunebench.checks.base import Block
from prunebench.checks.drift import by_epoch
from prunebench.errors import PrunebenchError, SuiteError
from prunebench.plugins import ready
from prunebench.records.schema import Row
from prunebench.spec import Spec

ready()


def cells(method, *, recipe="small-sgd", densities=(0.5, 0.1), **more):
    row = partial(_row, method)
    known = {"arms": (), "families": (), "repetition": 0, "curves": False, "seconds": 2.0, "row": row, **more}
    block = Block(
        model=Spec.parse("mlp"), dataset=Spec.parse("digits"), recipe=recipe and Spec.parse(recipe),
        method=Spec.parse(method), densities=densities, **known,
    )  # fmt: skip
    return list(by_epoch(block))


def _row(method, density, arm):
    return Row("small", 1, "conservation", "quick", "mlp", "digits", "small-sgd", method, density, arm, 0)


def test_a_method_has_a_cell_a_density_and_one_that_chooses_it_a_single_one():
    found = cells("imp")
    assert [(cell.row.density, cell.row.arm, cell.pick, cell.seconds) for cell in found] == [
        (0.5, None, "drift", 2.0), (0.1, None, "drift", 2.0)
    ]  # fmt: skip
    assert len({cell.node.key for cell in found}) == 2
    assert [cell.row.density for cell in cells("dense")] == [None]


def test_each_repetition_is_work_of_its_own():
    first, second = (cells("gmp", repetition=n)[0] for n in (0, 1))
    assert first.node.key != second.node.key


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"recipe": None}, "its grid has no recipes"),
        ({"densities": ()}, "check 'conservation' needs densities where its grid has a recipe"),
        ({"arms": ("flow",)}, "knows no arms where its grid has a recipe: flow"),
        ({"families": ("late",)}, "knows no families where its grid has a recipe: late"),
    ],
)
def test_a_grid_that_cannot_be_is_an_error_of_the_suite(given, message):
    with pytest.raises(SuiteError, match=message):
        cells("gmp", **given)


def test_a_position_that_the_recipe_does_not_have_is_refused_while_planning():
    with pytest.raises(PrunebenchError, match="lottery"):
        cells("lottery(rewind=30)")
