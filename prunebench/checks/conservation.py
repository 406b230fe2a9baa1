"""Is a method's score a flow?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.checks.arms.base import measurement
from prunebench.checks.base import Block, Cell, check
from prunebench.checks.drift import by_epoch
from prunebench.errors import SuiteError
from prunebench.registry import ARMS
from prunebench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Iterator

_PLAIN = ("flow",)


@check("conservation")
def conservation(block: Block) -> Iterator[Cell]:
    """Residuals of the laws of flow at initialisation; in a grid with recipes, how training moves layers towards one.

    Each arm of the measure stage is a cell without a density; without arms it is `flow`.
    """
    if block.recipe is not None:
        yield from by_epoch(block)
        return
    if block.densities:
        raise SuiteError("check 'conservation' scores networks as they are: without a recipe it has no densities")
    if block.families:
        raise SuiteError("check 'conservation' knows no families: without a recipe it trains no ticket")
    for spec in dict.fromkeys(ARMS.minimal(Spec.parse(text)) for text in block.arms or _PLAIN):
        yield Cell(block.row(None, str(spec)), measurement(spec)(block), "view", block.seconds)
