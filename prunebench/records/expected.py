"""Which expectation of a suite fits a cell: specs against patterns, defaults filled in by the registries."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING

from prunebench import catalogue
from prunebench.errors import PrunebenchError, SpecError
from prunebench.registry import ARMS, METHODS, MODELS
from prunebench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from prunebench.records.presentation import Expectation
    from prunebench.records.schema import Row
    from prunebench.registry import Registry
    from prunebench.spec import Value

_FIELDS: Mapping[str, Registry] = {"methods": METHODS, "models": MODELS, "arms": ARMS}


def check_expectations(expectations: Iterable[Expectation]) -> None:
    """See whether all that the patterns name is there.

    Raises:
        UnknownNameError, SpecError: no such entry, parameter or value; the message names the place.
    """
    for number, expectation in enumerate(expectations):
        catalogue.declare()
        for field, registry in _FIELDS.items():
            for text in getattr(expectation, field):
                try:
                    for choice in choices(Spec.parse(text), registry):
                        registry.resolve(choice)
                except PrunebenchError as error:
                    raise type(error)(f"expectation.{number}.{field}: {error}") from error


def expectation_of(row: Row, expectations: Iterable[Expectation]) -> tuple[int, Expectation] | None:
    """The first that fits a cell, with its place; those of drift fit cells with a recipe, all others those without."""
    catalogue.declare()
    cell = {"methods": row.method, "models": row.model, "arms": row.arm}
    for number, expectation in enumerate(expectations):
        if (row.recipe is not None) == (expectation.drift is not None) and all(
            _any_fits(getattr(expectation, field), cell[field], registry) for field, registry in _FIELDS.items()
        ):
            return number, expectation
    return None


def fits(pattern: Spec, spec: Spec, registry: Registry) -> bool:
    """Whether a spec has the pattern's name, and for each of its parameters that value, or one of that list.

    Of what no plug-in has brought, only the parameters that are given are known.
    """
    if spec.name != pattern.name:
        return False
    own: Mapping[str, Value] = spec.mapping
    wanted = [pattern.mapping]
    try:
        own = registry.resolve(spec)
        wanted = [_resolved(choice, registry) for choice in choices(pattern, registry)]
    except PrunebenchError:
        wanted = [choice.mapping for choice in _spread(pattern, pattern.mapping)]
    return any(all(own.get(name) == value for name, value in choice.items()) for choice in wanted)


def _any_fits(patterns: list[str], text: str | None, registry: Registry) -> bool:
    if not patterns:
        return True
    try:
        spec = Spec.parse(text or "")
    except SpecError:
        return False
    return any(fits(Spec.parse(pattern), spec, registry) for pattern in patterns)


def _resolved(pattern: Spec, registry: Registry) -> dict[str, Value]:
    """The parameters that a pattern gives, as their types have them."""
    found = registry.resolve(pattern)
    return {name: found[name] for name in pattern.mapping}


def choices(pattern: Spec, registry: Registry) -> Iterator[Spec]:
    """The specs that a pattern's lists stand for; a parameter that is a list itself has one value."""
    lists = {p.name for p in registry.entry(pattern.name).parameters if any(t.startswith("list") for t in p.types)}
    return _spread(pattern, {name: v for name, v in pattern.mapping.items() if name not in lists})


def _spread(pattern: Spec, open_to: Iterable[str]) -> Iterator[Spec]:
    several = {name: v for name in open_to if isinstance(v := pattern.mapping[name], tuple)}
    for values in product(*several.values()):
        yield pattern.with_params({**pattern.mapping, **dict(zip(several, values, strict=True))})
