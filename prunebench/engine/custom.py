"""Methods of their own kind: a class that makes a ticket, by whatever it does."""

from __future__ import annotations

import dataclasses
import inspect
import sys
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar, cast

import torch

from prunebench.engine.allocate import Ties, keep_top
from prunebench.engine.layout import Layout
from prunebench.engine.masks import Masks, check_alike
from prunebench.engine.method import Need, Trait, build
from prunebench.engine.prunable import private_copy, prunable
from prunebench.engine.pruning import target_count
from prunebench.engine.ratios import Layers
from prunebench.engine.scorer import ScoreMethod, Words, known
from prunebench.engine.scoring import Scores, Scoring, Session
from prunebench.engine.ticket import Ticket
from prunebench.errors import PruningError
from prunebench.parameters import Parameter
from prunebench.registry import METHODS, describe
from prunebench.seeding import seed_of
from prunebench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from torch import Tensor, nn

    from prunebench.engine.scoring import Mode
    from prunebench.engine.subject import Subject
    from prunebench.tasks.datasets.base import Samples, Split

C = TypeVar("C", bound=type["Method"])


class Pruning:
    """What a method sees while it prunes to one density.

    Attributes:
        model: a private copy of the network, to be changed at will.
        shape: of one input.
        density: d, the share of prunable weights to keep.
        count: round(d·N), the number of weights to keep.
        generator: the method's own random stream, on the CPU.
    """

    def __init__(self, name: str, needs: frozenset[str], subject: Subject, density: float) -> None:
        """Made by the engine, one a ticket."""
        self.model: nn.Module = private_copy(subject.model).to(subject.device)
        self.shape = subject.shape
        self.density = density
        self.generator = torch.Generator().manual_seed(seed_of(f"mask/{name}", subject.repetition))
        self.count = target_count(self.layers.total, len(self.layers), density)
        self._name, self._needs, self._subject = name, needs, subject
        self._ties = Ties(seed_of("ties", subject.repetition))

    @property
    def weights(self) -> dict[str, Tensor]:
        """The prunable tensors of `model` by name."""
        return prunable(self.model)

    @cached_property
    def layers(self) -> Layers:
        """Names and shapes of the prunable tensors, in forward order."""
        return Layers.of(Layout.of(self.weights))

    @property
    def data(self) -> Samples:
        """The training split, or the batch that was given.

        Raises:
            PruningError: the method did not declare that it needs data, or there are none.
        """
        found = self._subject.train if self._subject.batch is None else self._subject.batch
        if "data" not in self._needs or found is None:
            raise PruningError("this method was given no data: pass a batch, and declare needs={'data'}")
        return found

    def scoring_set(self, per_class: int = 10) -> Split:
        """A class-balanced draw from the training split, the same for all methods; or the batch that was given."""
        _ = self.data
        return self._subject.scoring_set(per_class)

    def scores(
        self, by: str | Callable[[Scoring], Scores], masks: Masks | None = None, *, mode: Mode | None = None,
        samples_per_class: int = 10,
    ) -> Scores:  # fmt: skip
        """Scores of the network under masks.

        Args:
            by: the spec of a scored method, or a scorer.
            masks: what is still kept; None is everything.
            mode: of the network while it is scored; None is the spec's own, or `eval`.
            samples_per_class: of the scoring set of a scorer; a spec says its own.
        """
        method = build(Spec.parse(by)) if isinstance(by, str) else ScoreMethod(
            self._name, by, Words(samples_per_class=samples_per_class), self._needs
        )  # fmt: skip
        if not isinstance(method, ScoreMethod) or method.ratios:
            raise PruningError(f"{by} has no scores")
        words = method.words
        session = Session(
            self.model, self.shape, mode=mode or words.mode, purpose=self._name, device=self._subject.device,
            repetition=self._subject.repetition, batch_size=words.batch_size,
            batch=self.scoring_set(words.samples_per_class) if "data" in method.needs else None,
        )  # fmt: skip
        return session.scores(method.scorer, Masks.full(self.weights) if masks is None else masks, 0)

    def keep(self, scores: Scores, count: int | None = None) -> Masks:
        """Masks of the `count` highest scores over all layers; None is the target."""
        return keep_top(scores, self.count if count is None else count, self._ties)


class Method(ABC):
    """A pruning method that is more than a score. Annotated class attributes are its parameters."""

    @abstractmethod
    def prune(self, ctx: Pruning) -> Ticket | Masks:
        """Masks of exactly `ctx.count` weights; in a ticket, with the weights that training starts from."""


@dataclass(frozen=True)
class CustomMethod:
    """A method class with its parameters bound."""

    name: str
    method: Method
    needs: frozenset[str]

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
            PruningError: it returned no masks of this network, or not exactly round(d·N) weights.
        """
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
        if ticket.masks.kept() != ctx.count:
            what = f"kept {ticket.masks.kept()} weights where density {density:g} asks for {ctx.count}"
            raise PruningError(f"method {pruner.name!r} {what}")
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
        TypeError: the class is no Method; a parameter without a type or default; a need or trait that there is not.
    """
    capabilities = known(needs, Need) | known(traits, Trait)

    def register(cls: C) -> C:
        if not (isinstance(cls, type) and issubclass(cls, Method)):
            raise TypeError(f"method {name!r} is no subclass of Method")
        made_of = cast("C", dataclass(frozen=True, kw_only=True)(cls))
        entry = describe(
            METHODS, cls, name, paper=paper, parameters=_parameters(made_of), capabilities=capabilities, notes=notes
        )

        def made(resolved: Mapping[str, Any]) -> CustomMethod:
            return CustomMethod(name, made_of(**resolved), frozenset(needs))

        METHODS.add(entry, made)
        return made_of

    return register


def _parameters(cls: type) -> list[Parameter]:
    scope = vars(sys.modules[cls.__module__])
    signature = inspect.signature(cls)
    return [
        Parameter.of(signature.parameters[f.name], eval(f.type, scope) if isinstance(f.type, str) else f.type)
        for f in dataclasses.fields(cls)
    ]
