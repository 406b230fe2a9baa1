"""Methods made of a score: the decorator that registers a scorer, and what its spec resolves to."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, Literal, cast, get_args

from prunebench.engine.allocate import Scope
from prunebench.engine.schedules import Schedule
from prunebench.engine.scoring import Mode, Scores, Scoring
from prunebench.errors import DuplicateNameError
from prunebench.fields import Kind
from prunebench.registry import METHODS, Parameter, describe, keyword_parameters

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from prunebench.spec import Spec

Need = Literal["data", "labels", "gradients"]


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


@dataclass(frozen=True, slots=True)
class ScoreMethod:
    """A scorer with its parameters bound, and how the engine walks with it."""

    name: str
    scorer: Callable[[Scoring], Scores]
    words: Words
    needs: frozenset[str]


def scorer(
    name: str,
    *,
    paper: str = "",
    needs: Collection[Need] = (),
    mode: Mode = "eval",
    rounds: int | Literal["adaptive"] = 1,
    notes: str = "",
) -> Callable[[Callable[..., Scores]], Callable[..., Scores]]:
    """Register a function `(ctx, *, parameters…) -> Scores` as a pruning method.

    Args:
        name: what specs call it.
        paper: reference, authors and year first.
        needs: `data` and `labels` if it looks at them, `gradients` if it differentiates.
        mode: default of `mode`.
        rounds: default of `rounds`.
        notes: variants and traps, for `prunebench show`.

    Raises:
        DuplicateNameError: the name is taken, or a parameter has the name of one of the engine's words.
        TypeError: a parameter without a type or default.
    """

    def register(function: Callable[..., Scores]) -> Callable[..., Scores]:
        own = keyword_parameters(function)
        for parameter in own:
            if parameter.name in _WORD_TYPES:
                raise DuplicateNameError(f"method {name!r}: parameter {parameter.name!r} is the engine's word")
        words = [p for p in _words(mode, rounds) if p.name != "samples_per_class" or "data" in needs]
        entry = describe(METHODS, function, name, paper=paper, parameters=own + words, capabilities=needs, notes=notes)
        METHODS.add(entry, function)
        return function

    return register


def build(spec: Spec) -> ScoreMethod:
    """The method of a spec.

    Raises:
        UnknownNameError, SpecError: no such method, or parameters that it does not take.
    """
    resolved = METHODS.resolve(spec)
    function = METHODS.get(spec.name)
    words = Words(**cast("dict[str, Any]", {k: v for k, v in resolved.items() if k in _WORD_TYPES}))
    own = {k: v for k, v in resolved.items() if k not in _WORD_TYPES}
    return ScoreMethod(spec.name, partial(function, **own), words, frozenset(METHODS.entry(spec.name).capabilities))


def _words(mode: Mode, rounds: int | Literal["adaptive"]) -> list[Parameter]:
    given: dict[str, Any] = {"mode": mode, "rounds": rounds}
    signature = inspect.signature(Words)
    return [
        Parameter.of(
            signature.parameters[name], hint, given.get(name, signature.parameters[name].default), _MINIMA.get(name)
        )
        for name, hint in _WORD_TYPES.items()
    ]


_MINIMA = {"rounds": 1, "samples_per_class": 1}
_WORD_TYPES: dict[str, Any] = {
    name: get_args(hint)[0] for name, hint in inspect.get_annotations(Words, eval_str=True).items()
}
