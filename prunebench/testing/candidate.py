"""A method under test: what it declares, and what it does on a ground."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch

from prunebench.engine.custom import CustomMethod
from prunebench.engine.masks import Masks
from prunebench.engine.method import build
from prunebench.engine.pruning import Walker
from prunebench.engine.scorer import ScoreMethod
from prunebench.errors import PruningError, ScoreError
from prunebench.registry import METHODS
from prunebench.spec import Spec
from prunebench.testing.findings import Finding
from prunebench.testing.networks import GROUNDS, Ground

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from prunebench.engine.method import Pruner
    from prunebench.engine.subject import Subject
    from prunebench.registry import Entry
    from prunebench.spec import Value

DENSITY = 0.2
"""Where comparisons are made."""


@dataclass(frozen=True)
class Result:
    """What a method made of a network."""

    masks: Masks
    scores: Mapping[str, Tensor] | None
    """Of the dense network; None where it has none."""

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Result) and self.masks == other.masks and self.same_scores(other)

    __hash__ = None  # type: ignore[assignment]

    def same_scores(self, other: Result) -> bool:
        """Equal to the bit; False where there are none on one side only."""
        if self.scores is None or other.scores is None:
            return self.scores is other.scores
        return all(torch.equal(score, other.scores[name]) for name, score in self.scores.items())

    def in_order(self) -> tuple[list[Tensor], list[Tensor]]:
        """Masks and scores without the layers' names."""
        return list(self.masks.values()), list((self.scores or {}).values())

    def difference(self, other: Result) -> str:
        """In numbers: masks that differ, or else the largest change of a score."""
        changed = {name: int((mask ^ other.masks[name]).sum()) for name, mask in self.masks.items()}
        if any(changed.values()):
            layer = max(changed, key=lambda name: changed[name])
            return f"{sum(changed.values())} of {self.masks.total()} mask entries differ, {changed[layer]} in {layer}"
        assert self.scores is not None, "equal masks without scores do not differ"
        assert other.scores is not None, "both have scores"
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
    _known: dict[Ground, Result] = field(default_factory=dict, compare=False, repr=False)

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
        return cls(spec, entry, pruner, _brief(pruner), frozenset(pruner.needs), frozenset(traits) - pruner.needs)

    @property
    def random(self) -> bool:
        """It declares that the seed decides."""
        return "random" in self.traits

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

    def base(self, ground: Ground) -> Result:
        """Masks and scores on a ground as it is, computed once."""
        if ground not in self._known:
            self._known[ground] = self.on(ground.subject())
        return self._known[ground]

    def on(self, subject: Subject, density: float = DENSITY, pruner: Pruner | None = None) -> Result:
        """Masks and scores on a network."""
        finder = (pruner or self.brief).open(subject)
        masks = Masks({name: mask.clone() for name, mask in finder.ticket(density).masks.items()})
        return Result(masks, scores_of(finder) if isinstance(finder, Walker) else None)


def scores_of(walker: Walker) -> dict[str, Tensor]:
    """Scores of the dense network as the scorer gave them, copied."""
    method, session = walker._method, walker.session
    everything = Masks({name: torch.ones(shape, dtype=torch.bool) for name, shape in walker.layout.shapes.items()})
    found = session.scores(method.scorer, everything, 0)
    return {name: found[name].detach().clone() for name in walker.layout.shapes}


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
