"""What does a method keep, at what cost?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.checks.base import Block, Cell, check
from prunebench.errors import SuiteError
from prunebench.registry import METHODS, REGROWS, chooses
from prunebench.steps.look import look

if TYPE_CHECKING:
    from collections.abc import Iterator

DENSE_IN_THE_END = "dense in the end"
"""The density is that of masks that were dropped: such networks are not ranked among sparse ones."""


@check("tradeoff")
def tradeoff(block: Block) -> Iterator[Cell]:
    """Accuracy and loss of the trained ticket at each density, what it weighs, and what it cost to find.

    A method whose density is its outcome has one cell, without a density. One whose tickets' training drops the masks
    ends dense, and has an arm of its own.
    """
    if block.arms:
        raise SuiteError(f"check 'tradeoff' has no arms, not {', '.join(block.arms)}")
    if not block.densities:
        raise SuiteError("check 'tradeoff' needs densities")
    steps = block.steps()
    arm = DENSE_IN_THE_END if REGROWS in METHODS.entry(block.method.name).capabilities else None
    for density in (None,) if chooses(block.method) else block.densities:
        ticket = steps.find(str(block.method), 1.0 if density is None else density)
        seen = look(**block.task(), ticket=ticket, network=steps.train(ticket))
        yield Cell(block.row(density, arm), seen, "view", block.seconds)
