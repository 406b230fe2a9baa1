"""A method under test: what it declares, and what it does on a ground."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from prunebench.engine.custom import CustomMethod
from prunebench.engine.masks import Masks
from prunebench.engine.method import build
from prunebench.engine.selection.pruning import Walker
from prunebench.engine.selection.scorer import ScoreMethod
from prunebench.errors import DensityError, PruningError, ScoreError
from prunebench.registry import METHODS, STAGED
from prunebench.spec import Spec
from prunebench.testing.findings import Finding
from prunebench.testing.networks import GROUNDS, Ground

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from prunebench.engine.method import Pruner
    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Ticket
    from prunebench.registry import Entry
    from prunebench.spec import Value

_DENSITIES, _OF_TRAINED = (1.0, 0.537, 0.2, 0.05), (1.0, 0.537, 0.3)


@dataclass(frozen=True)
class Result:
    """What a method made of a network."""

    masks: Masks
    scores: Mapping[str, Tensor] | None
    """Of the dense network; None where it has none."""
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    """That training starts from, or ended with, where the ticket has some."""
    terms: tuple[Any, ...] = ()
    """How the ticket is trained, and what finding it took."""

    @classmethod
    def of(cls, ticket: Ticket, scores: Mapping[str, Tensor] | None = None) -> Result:
        """Copies of what a ticket holds."""
        masks = Masks({name: mask.clone() for name, mask in ticket.masks.items()})
        weights = {name: weight.detach().clone() for name, weight in (ticket.weights or {}).items()}
        return cls(masks, scores, weights, (ticket.phase, ticket.sparse, ticket.spent))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Result) and self.masks == other.masks and self.same_scores(other)
            and self.terms == other.terms and not self._moved(other)
        )  # fmt: skip

    __hash__ = None  # type: ignore[assignment]

    def same_scores(self, other: Result) -> bool:
        """Equal to the bit; False where there are none on one side only."""
        if self.scores is None or other.scores is None:
            return self.scores is other.scores
        return all(torch.equal(score, other.scores[name]) for name, score in self.scores.items())

    def _moved(self, other: Result) -> list[str]:
        """Weights that only one has, or that are not equal to the bit."""
        names = sorted(self.weights.keys() | other.weights.keys())
        common = self.weights.keys() & other.weights.keys()
        return [name for name in names if name not in common or not _equal(self.weights[name], other.weights[name])]

    def difference(self, other: Result) -> str:
        """In numbers: masks that differ, or else the largest change of a score, or weights that differ."""
        changed = {name: int((mask ^ other.masks[name]).sum()) for name, mask in self.masks.items()}
        if any(changed.values()):
            layer = max(changed, key=lambda name: changed[name])
            return f"{sum(changed.values())} of {self.masks.total()} mask entries differ, {changed[layer]} in {layer}"
        if moved := self._moved(other):
            return f"equal masks, but weights of {', '.join(moved[:3])} differ"
        if self.scores is None or other.scores is None:
            return f"equal masks and weights, but {self.terms} and {other.terms}"
        gaps = {name: float((s - other.scores[name]).abs().max()) for name, s in self.scores.items()}
        layer = max(gaps, key=lambda name: gaps[name])
        return f"equal masks, but scores of {layer} differ by up to {gaps[layer]:.2g}"


@dataclass(frozen=True)
class Candidate:
    """A method with its parameters, and the networks that it runs on."""

    spec: Spec
    entry: Entry
    pruner: Pruner
    """As the spec says."""
    brief: Pruner
    """The same in two rounds, which is enough to compare: the second sees a network under masks."""
    needs: frozenset[str]
    traits: frozenset[str]
    grounds: tuple[Ground, ...] = GROUNDS
    """Where it runs, so that other checks find more than the same error."""
    lent: frozenset[str] = frozenset()
    """What a method that a parameter names is, and this one does not declare: it may be that, and need not."""
    _known: dict[tuple[Ground, float], Result] = field(default_factory=dict, compare=False, repr=False)
    _tickets: dict[Ground, tuple[nn.Module, Ticket]] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, spec: Spec) -> Candidate:
        """The method of a spec.

        Raises:
            UnknownNameError, SpecError: no such method, or parameters that it does not take.
        """
        entry, pruner = METHODS.entry(spec.name), build(spec)
        if isinstance(pruner, ScoreMethod) and pruner.ratios is not None:
            # Scores, and what holds of them, are those of the method that ranks within a layer.
            inner = Spec.parse(str(METHODS.resolve(spec)["within"]))
            traits = METHODS.entry(inner.name).capabilities
        else:
            traits = entry.capabilities
        own, needs = frozenset(traits) - pruner.needs, frozenset(pruner.needs)
        lent = frozenset() if isinstance(pruner, ScoreMethod) else _of_named(spec) - own
        return cls(spec, entry, pruner, _brief(pruner), needs, own, lent=lent)

    @property
    def random(self) -> bool:
        """It declares that the seed decides, or a method that it is given does."""
        return "random" in self.traits | self.lent

    @property
    def trains(self) -> bool:
        """Each run is a training, or several: as few are made as tell something."""
        return "training" in self.needs

    @property
    def control(self) -> bool:
        """There to be compared with: it need not look at all that it is given."""
        return "control" in self.traits and not self.scored

    @property
    def chooses(self) -> bool:
        """The density is its outcome."""
        return "chooses" in self.traits | self.lent

    @property
    def whole(self) -> bool:
        """It keeps whole filters, so that the count is a bound."""
        return "whole" in self.traits | self.lent

    @property
    def staged(self) -> bool:
        """It is made of stages."""
        return STAGED in self.traits

    @property
    def density(self) -> float:
        """Where comparisons are made."""
        return _OF_TRAINED[1] if self.trains else 0.2

    @property
    def densities(self) -> tuple[float, ...]:
        """That it has to meet, the whole network first."""
        return _OF_TRAINED if self.trains else _DENSITIES

    @property
    def several(self) -> tuple[Ground, ...]:
        """Networks for checks that run it often: all of them, or one if each run is a training."""
        return self.grounds[: 1 if self.trains else None]

    @property
    def scored(self) -> bool:
        """It is made of scores; with keep ratios too."""
        return isinstance(self.pruner, ScoreMethod)

    @property
    def by_ratios(self) -> bool:
        """A rule of keep ratios decides how much of each layer is kept."""
        return isinstance(self.pruner, ScoreMethod) and self.pruner.ratios is not None

    def variant(self, **words: Any) -> ScoreMethod:
        """A brief scored method under other words of the engine."""
        assert isinstance(self.brief, ScoreMethod), "words are of scored methods"
        return replace(self.brief, words=replace(self.brief.words, **words))

    def with_params(self, params: Mapping[str, Value]) -> Candidate:
        """The same method with other parameters, on the same networks.

        Raises:
            SpecError: parameters that it does not take.
        """
        return replace(Candidate.of(self.spec.with_params({**self.spec.mapping, **params})), grounds=self.grounds)

    def base(self, ground: Ground, density: float | None = None) -> Result:
        """Its outcome on a ground as it is, computed once; density None is where comparisons are made."""
        place = (ground, density or self.density)
        if place not in self._known:
            once = not self.scored and place[1] == self.density
            self._known[place] = Result.of(self.ticket(ground)[1]) if once else self.on(ground.subject(), place[1])
        return self._known[place]

    def reached(self, ground: Ground) -> tuple[float, ...]:
        """Of the densities, those on a ground that are not below a floor of its own."""
        found: list[float] = []
        for density in self.densities:
            with suppress(DensityError):
                self.base(ground, density)
                found.append(density)
        return tuple(found)

    def ticket(self, ground: Ground) -> tuple[nn.Module, Ticket]:
        """A ground's network and its ticket, as the method returned it, found once."""
        if ground not in self._tickets:
            model = ground.model()
            self._tickets[ground] = model, self.brief.open(ground.subject(model)).ticket(self.density)
        return self._tickets[ground]

    def on(self, subject: Subject, density: float | None = None, pruner: Pruner | None = None) -> Result:
        """Its outcome on a network; density None is where comparisons are made."""
        finder = (pruner or self.brief).open(subject)
        ticket = finder.ticket(density or self.density)
        return Result.of(ticket, scores_of(finder) if isinstance(finder, Walker) else None)


def scores_of(walker: Walker) -> dict[str, Tensor]:
    """Scores of the dense network as the scorer gave them, copied."""
    method, session = walker._method, walker.session
    everything = Masks({name: torch.ones(shape, dtype=torch.bool) for name, shape in walker.layout.shapes.items()})
    found = session.scores(method.scorer, everything, 0)
    return {name: found[name].detach().clone() for name in walker.layout.shapes}


def _of_named(spec: Spec) -> frozenset[str]:
    """Traits of the methods that a spec's parameters name, and of those that theirs do."""
    found: set[str] = set()
    for kind, named in METHODS.named(spec):
        if kind == METHODS.kind:
            found |= {*METHODS.entry(named.name).capabilities, *_of_named(named)}
    return frozenset(found & {"random", "chooses", "whole"})


def _equal(a: Tensor, b: Tensor) -> bool:
    """To the bit, NaN included."""
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.nan_to_num(), b.nan_to_num())


def _brief(pruner: Pruner) -> Pruner:
    if not isinstance(pruner, ScoreMethod):
        assert isinstance(pruner, CustomMethod), "there are scored methods and methods of their own kind"
        return pruner
    return replace(pruner, words=replace(pruner.words, rounds=2))


def refusal(error: BaseException, where: str) -> Finding:
    """What an error of a method says: the engine's own refusals are findings about scores or masks."""
    message = " ".join(str(error).split()) or type(error).__name__
    if isinstance(error, ScoreError):
        mend = "return a finite floating-point tensor of each layer's shape"
        return Finding("scores", "fault", "unusable scores", f"{where}: {message}", mend)
    if isinstance(error, PruningError):
        mend = "give what the message asks for"
        return Finding("masks", "fault", "refused by the engine", f"{where}: {message}", mend)
    mend = "make it work there, or raise an UnsupportedOperatorError that says what it cannot do"
    return Finding("runs", "fault", f"ends with {type(error).__name__}", f"{where}: {message}", mend)
