"""Methods made of a score or of keep ratios: the two decorators that register them, and what their specs resolve to."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from prunebench.engine.method import Need, Trait, build, known
from prunebench.engine.selection.allocate import Scope
from prunebench.engine.selection.pruning import Walker
from prunebench.engine.selection.ratios import KeepRatios, Layers
from prunebench.engine.selection.schedules import Schedule
from prunebench.engine.selection.scoring import Mode, Scores, Scoring, Session
from prunebench.errors import DuplicateNameError, SpecError
from prunebench.fields import Kind
from prunebench.parameters import Parameter, keyword_parameters
from prunebench.registry import DESCENDS, METHODS, describe
from prunebench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from prunebench.engine.subject import Subject


@dataclass(frozen=True, slots=True)
class Words:
    """The engine's own parameters of every scored method; no scorer may use their names."""

    rounds: Annotated[int | Literal["adaptive"], Kind.ROW] = 1
    """Scoring rounds; `adaptive` keeps every round's prune size below the cut size."""
    schedule: Annotated[Schedule, Kind.ROW] = "exponential"
    scope: Annotated[Scope, Kind.ROW] = "global"
    mode: Annotated[Mode, Kind.ROW] = "eval"
    """Of the network while it is scored; it decides what BatchNorm does."""
    samples_per_class: Annotated[int, Kind.ROW] = 10
    """Of the class-balanced scoring set, for methods that need data."""
    batch_size: Annotated[int, Kind.ROW] = 0
    """Samples that BatchNorm sees together in train mode; 0 is all. In eval mode it changes nothing."""


@dataclass(frozen=True, slots=True)
class ScoreMethod:
    """A scorer with its parameters bound, and how the engine walks with it."""

    name: str
    scorer: Callable[[Scoring], Scores]
    words: Words = Words()
    needs: frozenset[str] = frozenset()
    returns: bool = False
    """Pruned weights compete again in later rounds."""
    ratios: Callable[[Layers, float], KeepRatios | Mapping[str, float]] | None = None
    """The rule that says how many weights each layer keeps at a density, instead of the scope."""

    def open(self, subject: Subject) -> Walker:
        """A walker on a private copy of the network.

        Raises:
            PruningError: the method needs data and there are none, or too few samples of a class.
        """
        words = self.words
        session = Session(
            subject.model, subject.shape, mode=words.mode, purpose=self.name, repetition=subject.repetition,
            device=subject.device, batch_size=words.batch_size,
            batch=subject.scoring_set(words.samples_per_class) if "data" in self.needs else None,
        )  # fmt: skip
        return Walker(self, session, subject.masks)


def scorer(
    name: str,
    *,
    paper: str = "",
    needs: Collection[Need] = (),
    traits: Collection[Trait] = (),
    mode: Mode = "eval",
    rounds: int | Literal["adaptive"] = 1,
    notes: str = "",
) -> Callable[[Callable[..., Scores]], Callable[..., Scores]]:
    """Register a function `(ctx, *, parameters…) -> Scores` as a pruning method.

    Args:
        name: what specs call it.
        paper: reference, authors and year first.
        needs: `data` and `labels` if it looks at them, `gradients` if it differentiates.
        traits: what holds of its scores and masks, see `prunebench.engine.method.Trait`.
        mode: default of `mode`.
        rounds: default of `rounds`.
        notes: variants and traps, for `prunebench show`.

    Raises:
        DuplicateNameError: the name is taken, or a parameter has the name of one of the engine's words.
        TypeError: a parameter without a type or default; a need or trait that there is not.
    """
    capabilities = known(needs, Need) | known(traits, Trait) | (set() if "returns" in traits else {DESCENDS})

    def register(function: Callable[..., Scores]) -> Callable[..., Scores]:
        own = keyword_parameters(function)
        for parameter in own:
            if parameter.name in _WORD_TYPES:
                raise DuplicateNameError(f"method {name!r}: parameter {parameter.name!r} is the engine's word")
        words = [p for p in _words(mode, rounds) if p.name not in _DATA_WORDS or "data" in needs]

        def made(resolved: Mapping[str, Any]) -> ScoreMethod:
            given = Words(**{k: v for k, v in resolved.items() if k in _WORD_TYPES})
            bound = partial(function, **{k: v for k, v in resolved.items() if k not in _WORD_TYPES})
            if given.batch_size and given.mode == "eval":
                raise SpecError(f"method {name!r}: batch_size is for mode=train; in eval mode it changes nothing")
            if given.rounds == "adaptive" and "returns" in traits:
                raise SpecError(f"method {name!r}: rounds=adaptive needs pruned weights to stay pruned")
            return ScoreMethod(name, bound, given, frozenset(needs), "returns" in traits)

        entry = describe(
            METHODS, function, name, paper=paper, parameters=own + words, capabilities=capabilities, notes=notes
        )
        METHODS.add(entry, made)
        return function

    return register


_DRAWN: tuple[Trait, ...] = ("random",)


def keep_ratios(
    name: str, *, paper: str = "", notes: str = "", within: str = "random", traits: Collection[Trait] = _DRAWN
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function `(layers, density, *, parameters…) -> KeepRatios` as a pruning method.

    The function sees the layers' shapes and says which share of each is kept; `within`, a spec of any scored method,
    says which weights of a layer these are. The engine makes the counts whole and their sum exact.

    Args:
        name: what specs call it.
        paper: reference, authors and year first.
        notes: variants and traps, for `prunebench show`.
        within: default of `within`.
        traits: what holds of the masks with that default: its draw is the seed's.

    Raises:
        DuplicateNameError: the name is taken, or a parameter is called `within`.
        TypeError: a parameter without a type or default; a trait that there is not.
    """

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        own = keyword_parameters(function)
        if any(parameter.name == "within" for parameter in own):
            raise DuplicateNameError(f"method {name!r}: parameter 'within' is the engine's word")
        ranking = Parameter("within", ("str",), within, names=METHODS.kind)

        def made(resolved: Mapping[str, Any]) -> ScoreMethod:
            rule = partial(function, **{k: v for k, v in resolved.items() if k != "within"})
            inner = build(Spec.parse(resolved["within"]))
            if not isinstance(inner, ScoreMethod) or inner.ratios or inner.returns or inner.words.scope != "global":
                raise SpecError(f"method {name!r}: within={resolved['within']} is no plain score to rank a layer by")
            if inner.words.rounds == "adaptive":
                raise SpecError(f"method {name!r}: rounds=adaptive is for the global scope")
            return replace(inner, name=name, ratios=rule)

        entry = describe(
            METHODS, function, name, paper=paper, parameters=[*own, ranking], notes=notes,
            capabilities=known(traits, Trait) | {DESCENDS},
        )  # fmt: skip
        METHODS.add(entry, made)
        return function

    return register


def _words(mode: Mode, rounds: int | Literal["adaptive"]) -> list[Parameter]:
    given: dict[str, Any] = {"mode": mode, "rounds": rounds}
    signature = inspect.signature(Words)
    return [
        Parameter.of(
            signature.parameters[name], hint, given.get(name, signature.parameters[name].default), _MINIMA.get(name)
        )
        for name, hint in _WORD_TYPES.items()
    ]


_MINIMA = {"rounds": 1, "samples_per_class": 1, "batch_size": 0}
_DATA_WORDS = frozenset({"samples_per_class", "batch_size"})
_WORD_TYPES: dict[str, Any] = {
    name: get_args(hint)[0] for name, hint in inspect.get_annotations(Words, eval_str=True).items()
}
