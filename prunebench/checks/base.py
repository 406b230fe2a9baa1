"""What a check is: a function from a block of a suite's grid to cells."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunebench.errors import SuiteError
from prunebench.graph import Component
from prunebench.registry import CHECKS, MODELS, describe
from prunebench.steps.nodes import Nodes, family

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prunebench.graph import Node
    from prunebench.records.schema import Row
    from prunebench.records.suite import Family
    from prunebench.spec import Spec


@dataclass(frozen=True, slots=True)
class Cell:
    """One point of the grid: its row, the node whose outcome it reads, and under which entry of it."""

    row: Row
    node: Node
    pick: str
    seconds: float = 1.0
    """Estimated seconds of the whole node, for scheduling and dry runs."""


@dataclass(frozen=True, slots=True)
class Block:
    """One task, method and repetition of a grid, and how to name its cells."""

    model: Spec
    dataset: Spec
    recipe: Spec | None
    method: Spec
    densities: tuple[float, ...]
    arms: tuple[str, ...]
    repetition: int
    curves: bool
    families: tuple[Family, ...]
    seconds: float
    row: Callable[[float | None, str | None], Row]
    """The row of a density and an arm."""

    def task(self) -> dict[str, Component]:
        """The task as arguments of a step."""
        return {"model": Component(MODELS.kind, self.model), "dataset": Component("dataset", self.dataset)}

    def steps(self, repetition: int | None = None) -> Nodes:
        """The stages of tickets of the block's task, in its repetition or another.

        Raises:
            SuiteError: its grid has no recipe.
        """
        if self.recipe is None:
            raise SuiteError("the check trains networks, and its grid has no recipes")
        number = self.repetition if repetition is None else repetition
        return Nodes(self.model, self.dataset, self.recipe, number, self.curves)

    def takes(self, ticket: Node) -> bool:
        """Whether the grid is about tickets of this kind."""
        return not self.families or family(ticket) in self.families

    def pruner(self) -> dict[str, Component]:
        """The method as an argument of a step."""
        return {"method": Component("method", self.method)}


def check(name: str) -> Callable[[Callable[[Block], Iterator[Cell]]], Callable[[Block], Iterator[Cell]]]:
    """Register a function `(block) -> cells` as a check."""

    def register(function: Callable[[Block], Iterator[Cell]]) -> Callable[[Block], Iterator[Cell]]:
        CHECKS.add(describe(CHECKS, function, name, parameters=()), function)
        return function

    return register
