"""Does a network generalise better the more its pruning shook it?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.checks.base import Block, Cell, check
from prunebench.errors import SuiteError, UsageError
from prunebench.graph import Component
from prunebench.registry import METHODS, RECIPES, chooses
from prunebench.steps.flatness import flatness
from prunebench.steps.settle import settled

if TYPE_CHECKING:
    from collections.abc import Iterator

_POSITIONS = ("start", "end", "interval")
"""Parameters of methods that say when events come."""


@check("stability")
def stability(block: Block) -> Iterator[Cell]:
    """The network that each method ends with at each density: instability of its events, errors, losses and flatness.

    Tickets that are no trained network yet are trained first. A method whose density is its outcome has one cell,
    without a density.
    """
    if not block.densities:
        raise SuiteError("check 'stability' needs densities")
    if block.arms:
        raise SuiteError("check 'stability' has no arms: what varies is in the methods and recipes")
    _check_events(block)
    steps = block.steps()
    task = {**block.task(), "recipe": Component(RECIPES.kind, steps.recipe), "repetition": block.repetition}
    for density in (None,) if chooses(block.method) else block.densities:
        ticket = steps.find(str(block.method), 1.0 if density is None else density)
        if not block.takes(ticket):
            return
        network = steps.train(ticket)
        flat = flatness(**task, ticket=ticket, network=network)
        seen = settled(**block.task(), ticket=ticket, network=network, flatness=flat)
        yield Cell(block.row(density, None), seen, "view", block.seconds)


def _check_events(block: Block) -> None:
    """Refuse events that no training by the recipe has.

    Raises:
        UsageError: they are outside of its length, or end before they begin.
    """
    if block.recipe is None:
        return
    given = METHODS.resolve(block.method)
    values = {name: given.get(name) for name in _POSITIONS}
    positions = {name: float(value) for name, value in values.items() if isinstance(value, int | float)}
    recipe = RECIPES.get(block.recipe.name)(**RECIPES.resolve(block.recipe))
    for name, position in positions.items():
        try:
            recipe.check_position(position)
        except UsageError as error:
            raise UsageError(f"method {block.method}: {name}: {error}") from None
    if {"start", "end"} <= positions.keys():
        start, end = (
            place if place < 1 or recipe.steps else place / recipe.epochs
            for place in (positions["start"], positions["end"])
        )
        if start > end:
            raise UsageError(f"method {block.method}: events end before they begin")
