"""Does a method use the data, and does the wiring inside layers matter?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.checks.arms.base import Ground, arm
from prunebench.checks.base import Block, Cell, check
from prunebench.errors import SuiteError
from prunebench.graph import Component
from prunebench.registry import ARMS, RECIPES, chooses
from prunebench.spec import Spec
from prunebench.steps.compare import compared

if TYPE_CHECKING:
    from collections.abc import Iterator


@check("sanity")
def sanity(block: Block) -> Iterator[Cell]:
    """The untouched ticket at each density, and the ticket of every arm, all trained on the task as it is.

    Masks of an arm are compared with those that it is an ablation of, those of an untouched ticket with the repetition
    before. A method whose density is its outcome has one cell and no arms.
    """
    steps = block.steps()
    if not block.densities:
        raise SuiteError("check 'sanity' needs densities")
    known = dict.fromkeys(ARMS.minimal(Spec.parse(text)) for text in block.arms)
    free = chooses(block.method)
    task = {**block.task(), "recipe": Component(RECIPES.kind, steps.recipe), "repetition": block.repetition}
    for density in (None,) if free else block.densities:
        ground = Ground(steps, block.method, 1.0 if density is None else density)
        ticket = ground.ticket()
        if not block.takes(ticket):
            return
        before = Ground(block.steps(block.repetition - 1), block.method, ground.density)
        seen = compared(
            **task, ticket=ticket, network=steps.train(ticket), earlier=before.ticket() if block.repetition else None
        )
        yield Cell(block.row(density, None), seen, "view", block.seconds)
        for spec in () if free else known:
            armed = arm(spec)(ground)
            seen = compared(
                **task, ticket=armed.ticket, network=steps.train(armed.ticket), against=armed.against,
                reference=armed.reference,
            )  # fmt: skip
            yield Cell(block.row(density, str(spec)), seen, "view", block.seconds)
