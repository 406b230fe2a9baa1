"""The stages of tickets as nodes of a plan: equal stages of different methods and densities are one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prunebench.graph import Component
from prunebench.registry import METHODS, RECIPES, STAGED
from prunebench.spec import Spec
from prunebench.steps.average import averaged
from prunebench.steps.control import control, whole
from prunebench.steps.cut import cut
from prunebench.steps.prune import pruned
from prunebench.steps.train import trained

if TYPE_CHECKING:
    from prunebench.graph import Node
    from prunebench.tasks.recipes.base import Recipe


@dataclass(frozen=True)
class Nodes:
    """`Steps` of one task and repetition, whose results are nodes."""

    model: Spec
    dataset: Spec
    recipe: Spec
    repetition: int
    curves: bool = False
    """Whether trainings are measured by epoch: the same for all of them, or they would not be shared."""

    def train(self, ticket: Node | None = None, *, until: float | None = None) -> Node:
        """A network at the end of a ticket's training, or the dense one's; see `engine.custom.Steps`.

        To train the whole network as a ticket is the dense training.
        """
        if ticket is not None and ticket.step == whole.target:
            ticket = None
        return trained(**self._task(), ticket=ticket, until=until, curves=self.curves)

    def cut(
        self, network: Node, density: float | None, *, by: str = "magnitude", weights: float | None = 0.0,
        begin: float = 0.0, rate: str = "recipe", scale: float = 1.0, sparse: bool = True,
    ) -> Node:  # fmt: skip
        """A ticket of a trained network's weights; see `engine.custom.Steps`."""
        source, position = None, None
        if weights:
            recipe: Recipe = RECIPES.get(self.recipe.name)(**RECIPES.resolve(self.recipe))
            position = recipe.rewind_point(weights)
            source = self.train() if position is not None else self.train(until=weights)
        return cut(
            **self._task(), network=network, density=density, by=_method(by), source=source, position=position,
            final=weights is None, begin=begin, rate=rate, scale=scale, sparse=sparse,
        )  # fmt: skip

    def control(self, ticket: Node, *, fresh: bool = False, dense: bool = False, long: bool = False) -> Node:
        """A ticket to compare with; see `engine.custom.Steps`."""
        return control(**self._task(), ticket=ticket, fresh=fresh, dense=dense, long=long)

    def average(self, ticket: Node, *, start: float, rate: float) -> Node:
        """A ticket after training, with averaged weights; see `engine.custom.Steps`."""
        return averaged(**self._task(), ticket=ticket, start=start, rate=rate)

    def find(self, method: str, density: float) -> Node:
        """The ticket of a method, in its stages if it has any."""
        spec = METHODS.minimal(Spec.parse(method))
        entry, resolved = METHODS.entry(spec.name), METHODS.resolve(spec)
        if STAGED in entry.capabilities:
            found: Node = METHODS.get(spec.name)(resolved).method.tickets(self, density)
            return found
        needs = set(entry.capabilities)
        more: dict[str, Any] = {}
        if "training" in needs:
            more["recipe"] = Component(RECIPES.kind, self.recipe)
        elif "data" in needs:
            more["validation"] = RECIPES.resolve(self.recipe)["validation"]
        task = {name: part for name, part in self._task().items() if name != "recipe"}
        return pruned(**task, method=_method(method), density=density, **more)

    def whole(self) -> Node:
        """The dense network as a ticket."""
        return whole(model=Component("model", self.model), dataset=Component("dataset", self.dataset))

    def _task(self) -> dict[str, Any]:
        return {
            "model": Component("model", self.model),
            "dataset": Component("dataset", self.dataset),
            "recipe": Component(RECIPES.kind, self.recipe),
            "repetition": self.repetition,
        }


def _method(text: str) -> Component:
    return Component(METHODS.kind, METHODS.minimal(Spec.parse(text)))
