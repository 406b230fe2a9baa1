"""What an arm is: one thing that is done to a ticket on the way, at a stage that its type tells.

An arm of the prune stage gets what the ticket is found with, and gives what it is found with instead; it never sees the
training that is measured. An arm of the ticket stage gets a ticket, and gives another. Neither can reach the data that
tickets are trained on. An arm of the measure stage finds no ticket: it says how the method itself is measured.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Concatenate, Literal, TypeVar

from prunebench.errors import SpecError
from prunebench.parameters import Parameter, keyword_parameters
from prunebench.registry import ARMS, RECIPES, describe, sees
from prunebench.spec import Spec

if TYPE_CHECKING:
    from prunebench.checks.base import Block
    from prunebench.graph import Node
    from prunebench.spec import Value
    from prunebench.steps.nodes import Nodes

Stage = Literal["prune", "ticket", "measure"]


@dataclass(frozen=True, slots=True)
class Finding:
    """What a ticket is found with."""

    dataset: Spec
    recipe: Spec

    def on(self, **how: Value) -> Finding:
        """The same with altered training samples; `how` are parameters of the dataset `altered`."""
        return replace(self, dataset=Spec("altered", (("of", str(self.dataset)), *how.items())))


Change = Callable[Concatenate[Finding, ...], Finding]
"""What a ticket is found with instead."""

Alteration = Callable[Concatenate["Nodes", "Node", ...], "Node"]
"""Which ticket is trained instead."""

Measurement = Callable[Concatenate["Block", ...], "Node"]
"""What is measured of a method on a task."""

C = TypeVar("C", bound=Change)
A = TypeVar("A", bound=Alteration)
M = TypeVar("M", bound=Measurement)


@dataclass(frozen=True, slots=True)
class Ground:
    """A method at one density: how its tickets are found and trained."""

    steps: Nodes
    """Of the task as it is: every ticket is trained by these."""
    method: Spec
    density: float

    def ticket(self, finding: Finding | None = None) -> Node:
        """The method's ticket, found on the task as it is or with something else.

        A method that sees no data finds the same ticket with any.
        """
        if finding is None or not sees("data", self.method):
            return self.steps.find(str(self.method), self.density)
        return replace(self.steps, dataset=finding.dataset, recipe=finding.recipe).find(str(self.method), self.density)


@dataclass(frozen=True, slots=True)
class Armed:
    """One arm's ticket, and the arm that it is compared with; empty for the untouched ticket."""

    ticket: Node
    against: Node
    reference: str = ""


_PARTS = ("both", "mask", "weights")
_RESERVED = (Parameter("part", (), "both", _PARTS), Parameter("length", ("float",), 1.0, minimum=0.0))


def prune_stage(name: str, *, paper: str = "", notes: str = "") -> Callable[[C], C]:
    """Register a function `(finding, *, parameters…) -> Finding` as an arm.

    Two words are the engine's. `part` takes only the mask, or only the weights, from the ticket that was found
    otherwise, and the rest from the untouched one; `length` multiplies the recipe's length while the ticket is found,
    for this arm and the ticket that it is compared with.

    Raises:
        DuplicateNameError: the name is taken.
        TypeError: a parameter without a type or default, or with one of the engine's words.
    """

    def register(change: C) -> C:
        parameters = keyword_parameters(change)
        if taken := {p.name for p in parameters} & {p.name for p in _RESERVED}:
            raise TypeError(f"arm {name!r}: {', '.join(sorted(taken))} is a word of the engine's")
        entry = describe(
            ARMS, change, name, paper=paper, parameters=(*parameters, *_RESERVED), capabilities={"prune"}, notes=notes
        )

        def make(*, part: str, length: float, **own: Any) -> Callable[[Ground], Armed]:
            if length == 0:
                raise SpecError(f"arm {name!r}: length=0 leaves no training to find a ticket with")

            def armed(ground: Ground) -> Armed:
                untouched = ground.ticket()
                task = Finding(ground.steps.dataset, lasting(ground.steps.recipe, length))
                against, found = ground.ticket(task), ground.ticket(change(task, **own))
                if found.key == against.key:
                    against = untouched
                same = against.key == untouched.key
                reference = "" if same else str(Spec("clean", (("length", length),)))
                if part != "both" and found.key != against.key:
                    masks, weights = (found, against) if part == "mask" else (against, found)
                    found = ground.steps.graft(masks, weights)
                return Armed(found, against, reference)

            return armed

        ARMS.add(entry, make)
        return change

    return register


def ticket_stage(name: str, *, paper: str = "", notes: str = "") -> Callable[[A], A]:
    """Register a function `(steps, ticket, *, parameters…) -> ticket` as an arm.

    Raises:
        DuplicateNameError: the name is taken.
        TypeError: a parameter without a type or default.
    """

    def register(alter: A) -> A:
        entry = describe(ARMS, alter, name, paper=paper, capabilities={"ticket"}, notes=notes)

        def make(**own: Any) -> Callable[[Ground], Armed]:
            def armed(ground: Ground) -> Armed:
                ticket = ground.ticket()
                return Armed(alter(ground.steps, ticket, **own), ticket)

            return armed

        ARMS.add(entry, make)
        return alter

    return register


def measure_stage(name: str, *, paper: str = "", notes: str = "") -> Callable[[M], M]:
    """Register a function `(block, *, parameters…) -> node` as an arm: the node's outcome has the entry `view`.

    Raises:
        DuplicateNameError: the name is taken.
        TypeError: a parameter without a type or default.
    """

    def register(measure: M) -> M:
        entry = describe(ARMS, measure, name, paper=paper, capabilities={"measure"}, notes=notes)

        def make(**own: Any) -> Callable[[Block], Node]:
            return lambda block: measure(block, **own)

        ARMS.add(entry, make)
        return measure

    return register


def measurement(spec: Spec) -> Callable[[Block], Node]:
    """What an arm of the measure stage does.

    Raises:
        UnknownNameError, SpecError: no such arm, one of another stage, or a value that it cannot have.
    """
    if "measure" not in ARMS.entry(spec.name).capabilities:
        raise SpecError(f"arm {spec.name!r} changes a ticket, and the check measures methods without one")
    made: Callable[[Block], Node] = ARMS.get(spec.name)(**ARMS.resolve(spec))
    return made


def arm(spec: Spec) -> Callable[[Ground], Armed]:
    """What an arm's spec does.

    Raises:
        UnknownNameError, SpecError: no such arm, one that measures without a ticket, or a value that it cannot have.
    """
    if "measure" in ARMS.entry(spec.name).capabilities:
        raise SpecError(f"arm {spec.name!r} measures a method without a ticket, and the check trains tickets")
    made: Callable[[Ground], Armed] = ARMS.get(spec.name)(**ARMS.resolve(spec))
    return made


def lasting(recipe: Spec, factor: float) -> Spec:
    """A recipe of so many times the length, the same at every share of it."""
    if factor == 1:
        return recipe
    changed = RECIPES.get(recipe.name)(**RECIPES.resolve(recipe)).lasting(factor)
    return RECIPES.minimal(recipe.with_params({**recipe.mapping, **changed}))
