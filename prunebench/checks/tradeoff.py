"""What does a method keep, at what cost?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.checks.arms.base import Ground, arm
from prunebench.checks.base import Block, Cell, check
from prunebench.errors import SuiteError
from prunebench.registry import ARMS, METHODS, REGROWS, chooses
from prunebench.spec import Spec
from prunebench.steps.look import look

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prunebench.graph import Node

DENSE_IN_THE_END = "dense in the end"
"""The density is that of masks that were dropped: such networks are not ranked among sparse ones."""


@check("tradeoff")
def tradeoff(block: Block) -> Iterator[Cell]:
    """Accuracy and loss of the trained ticket at each density, what it weighs, and what it cost to find.

    A method whose density is its outcome has one cell, without a density and without arms. One whose tickets' training
    drops the masks ends dense, and has an arm of its own.
    """
    if not block.densities:
        raise SuiteError("check 'tradeoff' needs densities")
    steps = block.steps()
    free = chooses(block.method)
    known = dict.fromkeys(ARMS.minimal(Spec.parse(text)) for text in block.arms)
    own = DENSE_IN_THE_END if REGROWS in METHODS.entry(block.method.name).capabilities else None
    for density in (None,) if free else block.densities:
        ground = Ground(steps, block.method, 1.0 if density is None else density)
        ticket = ground.ticket()
        if not block.takes(ticket):
            return
        tickets: dict[str | None, Node] = {own: ticket}
        for spec in () if free else known:
            tickets[str(spec)] = arm(spec)(ground).ticket
        for name, found in tickets.items():
            seen = look(**block.task(), ticket=found, network=steps.train(found))
            yield Cell(block.row(density, name), seen, "view", block.seconds)
