"""Do weights move towards a conserved score while a method prunes and trains?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.checks.base import Block, Cell
from prunebench.errors import SuiteError
from prunebench.graph import Component
from prunebench.registry import RECIPES, chooses
from prunebench.steps.drift import drift

if TYPE_CHECKING:
    from collections.abc import Iterator


def by_epoch(block: Block) -> Iterator[Cell]:
    """Cells of a grid that has a recipe: w² by layer after every epoch and pruning, a cell a density.

    A method whose density is its outcome has one cell, without a density.

    Raises:
        SuiteError: the grid has no densities, or arms or families.
    """
    steps = block.steps()
    if not block.densities:
        raise SuiteError("check 'conservation' needs densities where its grid has a recipe")
    for what, given in (("arms", block.arms), ("families", block.families)):
        if given:
            raise SuiteError(f"check 'conservation' knows no {what} where its grid has a recipe: {', '.join(given)}")
    for density in (None,) if chooses(block.method) else block.densities:
        asked = 1.0 if density is None else density
        steps.find(str(block.method), asked)  # refuses positions that the recipe does not have
        found = drift(
            **block.task(), **block.pruner(), recipe=Component(RECIPES.kind, steps.recipe), density=asked,
            repetition=block.repetition,
        )  # fmt: skip
        yield Cell(block.row(density, None), found, "drift", block.seconds)
