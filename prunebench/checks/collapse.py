"""When does a whole layer vanish?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.checks.base import Block, Cell, check
from prunebench.errors import SuiteError, suggestion
from prunebench.registry import DESCENDS, METHODS
from prunebench.steps.descent import descent
from prunebench.steps.look import look
from prunebench.steps.prune import pruned
from prunebench.steps.search import search
from prunebench.steps.survey import survey

if TYPE_CHECKING:
    from collections.abc import Iterator

TRAJECTORY = "trajectory"
"""One walk down to a weight a layer serves all densities: its masks are nested, ρ_cr is exact."""
TARGETS = "targets"
"""Every density is a walk of its own with all its rounds; ρ_cr is searched."""
_ARMS = (TRAJECTORY, TARGETS)


@check("collapse")
def collapse(block: Block) -> Iterator[Cell]:
    """Critical compression by four notions of collapse, and the network's layers and paths at each density.

    A method without a walk that serves all densities has the arm `targets` instead of `trajectory`.
    """
    if block.recipe is not None:
        raise SuiteError(f"check 'collapse' trains nothing, and its grid has the recipe {block.recipe}")
    if block.families:
        raise SuiteError("check 'collapse' knows no families: it trains no ticket")
    arms = block.arms or (TRAJECTORY,)
    for arm in arms:
        if arm not in _ARMS:
            raise SuiteError(f"check 'collapse' has no arm {arm!r}{suggestion(arm, _ARMS)}")
    if DESCENDS not in METHODS.entry(block.method.name).capabilities:
        arms = (TARGETS,)
    for arm in arms:
        yield from (_trajectory if arm == TRAJECTORY else _targets)(block, arm)


def _trajectory(block: Block, arm: str) -> Iterator[Cell]:
    way = descent(**block.task(), **block.pruner(), repetition=block.repetition)
    seen = survey(**block.task(), descent=way, densities=block.densities)
    yield Cell(block.row(None, arm), seen, "critical", block.seconds)
    for density in block.densities:
        yield Cell(block.row(density, arm), seen, str(density), block.seconds)


def _targets(block: Block, arm: str) -> Iterator[Cell]:
    found = search(**block.task(), **block.pruner(), repetition=block.repetition)
    yield Cell(block.row(None, arm), found, "critical", block.seconds)
    for density in block.densities:
        ticket = pruned(**block.task(), **block.pruner(), density=density, repetition=block.repetition)
        yield Cell(block.row(density, arm), look(**block.task(), ticket=ticket), "view", block.seconds / 20)
