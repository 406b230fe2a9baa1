"""The stages of tickets as nodes of a plan: equal stages of different methods and densities are one."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from prunebench.errors import PluginError, PrunebenchError, PruningError
from prunebench.graph import Component, Node
from prunebench.registry import DATASETS, METHODS, MODELS, RECIPES, REGROWS, STAGED
from prunebench.spec import Spec
from prunebench.steps.ablate import ablated, grafted
from prunebench.steps.average import averaged
from prunebench.steps.control import control, whole
from prunebench.steps.cut import cut
from prunebench.steps.prune import pruned
from prunebench.steps.train import trained

if TYPE_CHECKING:
    from prunebench.engine.training.ablation import Ablation
    from prunebench.records.suite import Family
    from prunebench.registry import Entry
    from prunebench.tasks.recipes.base import Recipe

_TICKETS = frozenset(step.target for step in (ablated, averaged, control, cut, grafted, pruned, whole))


@dataclass(frozen=True)
class Nodes:
    """`Steps` of one task and repetition, whose results are nodes.

    Raises:
        SpecError: a position outside of the recipe, as far as that shows without data.
        PruningError: a ticket where a trained network is needed, or the other way round; `by` is no score.
    """

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
        if ticket is not None and _ticket(ticket).step == whole.target:
            ticket = None
        if until is not None:
            self._recipe.check_position(until)
        return trained(**self._task, ticket=ticket, until=until, curves=self.curves)

    def cut(
        self, network: Node, density: float | None, *, by: str = "magnitude", weights: float | None = 0.0,
        begin: float = 0.0, rate: str = "recipe", scale: float = 1.0, sparse: bool = True,
    ) -> Node:  # fmt: skip
        """A ticket of a trained network's weights; see `engine.custom.Steps`."""
        self._recipe.check_position(begin)
        source, position = None, None
        if weights:
            position = self._recipe.rewind_point(weights)
            source = self.train() if position is not None else self.train(until=weights)
        return cut(
            **self._task, network=_network(network), density=density, by=_scored(by), source=source,
            position=position, final=weights is None, begin=begin, rate=rate, scale=scale, sparse=sparse,
        )  # fmt: skip

    def control(self, ticket: Node, *, fresh: bool = False, dense: bool = False, long: bool = False) -> Node:
        """A ticket to compare with; see `engine.custom.Steps`."""
        return control(**self._task, ticket=_ticket(ticket), fresh=fresh, dense=dense, long=long)

    def average(self, ticket: Node, *, start: float, rate: float) -> Node:
        """A ticket after training, with averaged weights; see `engine.custom.Steps`."""
        self._recipe.check_position(start)
        return averaged(**self._task, ticket=_ticket(ticket), start=start, rate=rate)

    def ablate(self, ticket: Node, how: Ablation) -> Node:
        """A ticket without one of the things that it may owe its accuracy to; see `engine.training.ablation`."""
        return ablated(
            model=Component(MODELS.kind, self.model), dataset=Component(DATASETS.kind, self.dataset),
            repetition=self.repetition, ticket=_ticket(ticket), how=how,
        )  # fmt: skip

    def graft(self, masks: Node, weights: Node) -> Node:
        """One ticket's masks over another's weights; the tickets may have been found on other data."""
        return grafted(
            model=Component(MODELS.kind, self.model), dataset=Component(DATASETS.kind, self.dataset),
            masks=_ticket(masks), weights=_ticket(weights),
        )  # fmt: skip

    def find(self, method: str, density: float) -> Node:
        """The ticket of a method, in its stages if it has any.

        Raises:
            UnknownNameError, SpecError: no such method, or a value that it cannot have.
            PruningError: its stages end in no ticket, or it does not declare that it trains.
            PluginError: it fails in another way.
        """
        spec = METHODS.minimal(Spec.parse(method))
        entry = METHODS.entry(spec.name)
        if STAGED in entry.capabilities:
            return self._staged(entry, spec, density)
        needs = set(entry.capabilities)
        more: dict[str, Any] = {}
        if "training" in needs:
            more |= {"recipe": Component(RECIPES.kind, self.recipe), "curves": self.curves}
        elif "data" in needs:
            more["validation"] = RECIPES.resolve(self.recipe)["validation"]
        task = {name: part for name, part in self._task.items() if name != "recipe"}
        return pruned(**task, method=_method(method), density=density, **more)

    def whole(self) -> Node:
        """The dense network as a ticket."""
        return whole(model=Component(MODELS.kind, self.model), dataset=Component(DATASETS.kind, self.dataset))

    def _staged(self, entry: Entry, spec: Spec, density: float) -> Node:
        if "training" not in entry.capabilities:
            raise PruningError(f"method {entry.name!r} may not train: declare needs={{'training'}}")
        try:
            ticket = _ticket(METHODS.get(entry.name)(METHODS.resolve(spec)).method.tickets(self, density))
            if ticket.arguments.get("sparse") is False and REGROWS not in entry.capabilities:
                raise PruningError("its masks are dropped by training: declare the trait 'regrows'")
            return ticket
        except PrunebenchError as error:
            raise type(error)(f"method {spec}: {error}") from error
        except Exception as error:
            if entry.module.partition(".")[0] == "prunebench":
                raise
            message = " ".join(f"{type(error).__name__}: {error}".split())
            raise PluginError(f"method {spec} fails while it is planned: {message}") from error

    @cached_property
    def _recipe(self) -> Recipe:
        found: Recipe = RECIPES.get(self.recipe.name)(**RECIPES.resolve(self.recipe))
        return found

    @cached_property
    def _task(self) -> dict[str, Any]:
        return {
            "model": Component(MODELS.kind, self.model),
            "dataset": Component(DATASETS.kind, self.dataset),
            "recipe": Component(RECIPES.kind, self.recipe),
            "repetition": self.repetition,
        }


def family(ticket: Node) -> Family:
    """What kind of ticket a node will be.

    Returns:
        `initial`: found without training, and trained from the initialisation. `lottery`: masks of a trained network on
        initial weights. `late`: weights of a trained network, or of some way into training. `other`: all else, such as
        controls, and networks whose training is over when they are found.
    """
    if ticket.step == pruned.target:
        return "initial" if ticket.arguments["recipe"] is None else "other"
    if ticket.step == cut.target:
        return "late" if ticket.arguments["final"] or ticket.arguments["source"] is not None else "lottery"
    return "other"


def _ticket(value: object) -> Node:
    if isinstance(value, Node) and value.step in _TICKETS:
        return value
    what = "a trained network" if isinstance(value, Node) else type(value).__name__
    raise PruningError(f"{what} was given where a ticket is needed: cut it first")


def _network(value: object) -> Node:
    if isinstance(value, Node) and value.step == trained.target:
        return value
    what = "a ticket" if isinstance(value, Node) else type(value).__name__
    raise PruningError(f"{what} was given where a trained network is needed: train it first")


def _scored(text: str) -> Component:
    method = _method(text)
    if "training" in METHODS.entry(method.spec.name).capabilities:
        raise PruningError(f"by={method} trains, and has no scores to prune a trained network by")
    return method


def _method(text: str) -> Component:
    return Component(METHODS.kind, METHODS.minimal(Spec.parse(text)))
