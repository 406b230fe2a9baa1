"""Methods of their own kind: a class that makes a ticket, by whatever it does.

Planning asks methods with stages for their nodes, so that nothing here imports torch before a ticket is made.
"""

from __future__ import annotations

import dataclasses
import inspect
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Protocol, TypeVar, cast, get_type_hints

from prunebench.engine.method import Need, Trait, known
from prunebench.errors import PruningError
from prunebench.parameters import AtLeast, Names, Parameter
from prunebench.registry import METHODS, REGROWS, STAGED, chooses, describe, whole
from prunebench.seeding import seed_of
from prunebench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from prunebench.engine.context import Pruning
    from prunebench.engine.masks import Masks
    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Rate, Ticket
    from prunebench.engine.training.ablation import Ablation

TRAINING: frozenset[Need] = frozenset({"data", "labels", "gradients", "training"})
"""What a method needs that trains."""

MethodSpec = Annotated[str, Names(METHODS.kind)]
"""A parameter that is the spec of another method: checked while planning, and written in one way only."""

Position = Annotated[float, AtLeast(0)]
"""A parameter that is a place in a training: a share of its length below 1, epochs from 1 up."""

C = TypeVar("C", bound=type["Method"])
N = TypeVar("N")


class Steps(Protocol[N]):
    """Stages that tickets are made of: nodes of a plan, which are shared between methods, or the things themselves.

    A position is a share of the recipe's length T below 1, and epochs from 1 up.
    """

    def train(self, ticket: N | None = None, *, until: float | None = None) -> N:
        """A network at the end of a ticket's training; without a ticket, the dense one's.

        Args:
            ticket: where to start; None is the dense network at its initialisation.
            until: position at which to stop; None is the end.
        """
        ...

    def cut(
        self, network: N, density: float | None, *, by: str = "magnitude", weights: float | None = 0.0,
        begin: float = 0.0, rate: Rate = "recipe", scale: float = 1.0, sparse: bool = True,
    ) -> N:  # fmt: skip
        """A ticket: round(d·N) weights of a trained network. What it had pruned before stays so.

        Args:
            network: trained.
            density: None leaves the masks as they are.
            by: spec of the scored method that says which weights go.
            weights: position in the dense training at which the survivors' weights are taken, 0 being the
                initialisation; None takes those of `network`.
            begin: position in the recipe at which the ticket's training starts.
            rate: the recipe's learning rates, or its last one throughout.
            scale: of all learning rates.
            sparse: False drops the masks when the ticket is trained.
        """
        ...

    def control(self, ticket: N, *, fresh: bool = False, dense: bool = False, long: bool = False) -> N:
        """A ticket to compare with: new weights, or no masks; trained as long as the other took in all."""
        ...

    def average(self, ticket: N, *, start: float, rate: float) -> N:
        """A ticket after training, its weights averaged from a position on, at a constant learning rate."""
        ...

    def ablate(self, ticket: N, how: Ablation) -> N:
        """A ticket whose masks, or values, are drawn anew inside each layer: `rearrange`, `shuffle`, `same-ratios`."""
        ...

    def find(self, method: str, density: float) -> N:
        """The ticket of another method."""
        ...

    def whole(self) -> N:
        """The dense network as a ticket."""
        ...


class Method:
    """A pruning method that is more than a score. Annotated class attributes are its parameters.

    A subclass has `prune`, or, if it is made of stages that others share, `tickets`.
    """

    def prune(self, ctx: Pruning) -> Ticket | Masks:
        """Masks of exactly `ctx.count` weights; in a ticket, with the weights that training starts from."""
        return cast("Ticket", self.tickets(cast("Steps[Any]", ctx.steps), ctx.density))

    def tickets(self, steps: Steps[N], density: float) -> N:
        """A ticket of exactly round(d·N) weights, made of stages; called while planning, so without torch."""
        raise NotImplementedError


@dataclass(frozen=True)
class CustomMethod:
    """A method class with its parameters bound."""

    name: str
    method: Method
    needs: frozenset[str]
    chooses: bool = False
    """The density is its outcome."""
    whole: bool = False
    """It keeps whole filters, so that the count is a bound."""
    regrows: bool = False
    """Its tickets' training drops the masks."""

    def open(self, subject: Subject) -> CustomFinder:
        """Ready to prune a network, of which every ticket gets a fresh copy."""
        return CustomFinder(self, subject)


@dataclass(frozen=True)
class CustomFinder:
    """A method of its own kind, at work on one network."""

    pruner: CustomMethod
    subject: Subject

    def ticket(self, density: float) -> Ticket:
        """Run the method.

        Raises:
            PruningError: it returned no masks of this network, or not exactly round(d·N) weights; of whole filters,
                more than that; masks that training drops, undeclared.
        """
        import torch

        from prunebench.engine.context import Pruning
        from prunebench.engine.masks import Masks, check_alike
        from prunebench.engine.prunable import prunable
        from prunebench.engine.ticket import Ticket

        subject, pruner = self.subject, self.pruner
        devices = [subject.device] if subject.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.enable_grad():
            torch.manual_seed(seed_of(f"mask/{pruner.name}", subject.repetition))
            ctx = Pruning(pruner.name, pruner.needs, subject, density)
            found = pruner.method.prune(ctx)
        ticket = Ticket(found) if isinstance(found, Masks) else found
        if not isinstance(ticket, Ticket):
            raise PruningError(f"method {pruner.name!r} returned {type(found).__name__}, neither masks nor a ticket")
        check_alike(ticket.masks, prunable(subject.model))
        kept = ticket.masks.kept()
        if not pruner.chooses and (kept > ctx.count if pruner.whole else kept != ctx.count):
            what = f"kept {kept} weights where density {density:g} asks for {ctx.count}"
            raise PruningError(f"method {pruner.name!r} {what}")
        if not ticket.sparse and not pruner.regrows:
            raise PruningError(f"method {pruner.name!r} has its masks dropped by training: declare the trait 'regrows'")
        masks = Masks({name: mask.cpu() for name, mask in ticket.masks.items()})
        return dataclasses.replace(ticket, masks=masks)


def method(
    name: str, *, paper: str = "", needs: Collection[Need] = (), traits: Collection[Trait] = (), notes: str = ""
) -> Callable[[C], C]:
    """Register a subclass of `Method`; its annotated attributes with defaults become parameters of its spec.

    Args:
        name: what specs call it.
        paper: reference, authors and year first.
        needs: what it looks at.
        traits: what holds of its masks, see `prunebench.engine.method.Trait`.
        notes: variants and traps, for `prunebench show`.

    Raises:
        DuplicateNameError: the name is taken.
        TypeError: the class is no Method, or has neither `prune` nor `tickets`; a parameter without a type or default,
            or of a base class that is no dataclass; a need or trait that there is not.
    """
    capabilities = known(needs, Need) | known(traits, Trait)

    def register(cls: C) -> C:
        if not (isinstance(cls, type) and issubclass(cls, Method)):
            raise TypeError(f"method {name!r} is no subclass of Method")
        staged = cls.tickets is not Method.tickets
        if not staged and cls.prune is Method.prune:
            raise TypeError(f"method {name!r} has neither prune nor tickets")
        for base in cls.__mro__[1:]:
            if base is not Method and vars(base).get("__annotations__") and not dataclasses.is_dataclass(base):
                raise TypeError(f"method {name!r}: its base class {base.__name__} has parameters: make it a dataclass")
        made_of = cast("C", dataclass(frozen=True, kw_only=True)(cls))
        entry = describe(
            METHODS, cls, name, paper=paper, parameters=_parameters(made_of), notes=notes,
            capabilities=capabilities | ({STAGED} if staged else set()),
        )  # fmt: skip

        def made(resolved: Mapping[str, Any]) -> CustomMethod:
            spec = Spec(name, tuple(resolved.items()))
            return CustomMethod(
                name, made_of(**resolved), frozenset(needs), chooses(spec), whole(spec), REGROWS in traits
            )

        METHODS.add(entry, made)
        return made_of

    return register


def _parameters(cls: type) -> list[Parameter]:
    # Inherited ones are read where they are written.
    hints, signature = get_type_hints(cls, include_extras=True), inspect.signature(cls)
    return [Parameter.of(signature.parameters[f.name], hints[f.name]) for f in dataclasses.fields(cls)]
