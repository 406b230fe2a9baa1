"""What every pruning method is to the engine, however it was written."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, get_args

from prunebench.registry import METHODS

if TYPE_CHECKING:
    from collections.abc import Collection

    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Ticket
    from prunebench.spec import Spec

Need = Literal["data", "labels", "gradients", "training"]
"""What a method looks at; what it does not declare it is not given."""

Trait = Literal[
    "random", "returns", "signed", "conserves", "structured", "nested", "chooses", "whole", "regrows", "control"
]  # fmt: skip
"""What a method is. `random`: the seed decides, with equal network and data; the order of batches, which goes by the
seed for all that trains, does not make a method random. `returns`: pruned weights may come back in
later rounds. `signed`: scores below zero mean something. `conserves`: on a bias-free chain of layers every layer's
scores have one sum. `structured`: the weights of a filter share one score. `nested`: of a method of its own kind, that
its masks at a smaller density lie within those at a larger one. `chooses`: the density is its outcome, whatever is
asked for. `whole`: it keeps whole filters, at most round(d·N) weights and as many filters as fit. `regrows`: its
tickets' training drops the masks, so that what is measured is dense. `control`: it is there to be compared with."""


class Finder(Protocol):
    """A method at work on one network."""

    def ticket(self, density: float) -> Ticket:
        """Masks of exactly round(d·N) weights."""
        ...


class Pruner(Protocol):
    """A method with its parameters bound."""

    @property
    def name(self) -> str:
        """Its entry's."""
        ...

    @property
    def needs(self) -> frozenset[str]:
        """What it looks at."""
        ...

    def open(self, subject: Subject) -> Finder:
        """Make ready to prune a network, which stays as it is.

        Raises:
            PruningError: the method needs data and there are none.
        """
        ...


def known(given: Collection[str], words: Any) -> set[str]:
    """The words given, if they are among the words of a Literal.

    Raises:
        TypeError: one is not.
    """
    unknown = set(given) - set(get_args(words))
    if unknown:
        raise TypeError(f"unknown {', '.join(sorted(map(repr, unknown)))}: one of {', '.join(get_args(words))}")
    return set(given)


def build(spec: Spec) -> Pruner:
    """The method of a spec.

    Raises:
        UnknownNameError, SpecError: no such method, or parameters that it does not take.
    """
    resolved: dict[str, Any] = METHODS.resolve(spec)
    pruner: Pruner = METHODS.get(spec.name)(resolved)
    return pruner
