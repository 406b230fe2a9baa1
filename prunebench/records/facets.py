"""Which methods a suite takes for configurations, and which of them it compares: patterns against specs.

A pattern is a method's name with any parameters: it fits specs of that name that give none of these another value,
defaults filled in; a list stands for any of its values. A contrast of pattern a with pattern b is one of every method
that fits a with what it becomes when b's name and parameters take the place of a's: parameters that a does not name are
carried over where b's method has them, and are at b's defaults elsewhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench import catalogue
from prunebench.errors import PrunebenchError, SpecError, UnknownNameError, suggestion
from prunebench.records.expected import choices, fits
from prunebench.registry import METHODS
from prunebench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prunebench.records.presentation import Contrast, Presentation
    from prunebench.spec import Value

    Resolved = tuple[str, dict[str, Value]]


def check_facets(presentation: Presentation) -> None:
    """See whether all that `[association]` and `[[contrast]]` name is there.

    Raises:
        UnknownNameError, SpecError: no such method, trait, parameter or value; the message names the place.
    """
    catalogue.declare()
    if presentation.association is not None:
        traits = _traits()
        for number, text in enumerate(presentation.association.exclude):
            if text not in traits:
                _check(Spec.parse(text), f"association.exclude.{number}", traits)
    for number, contrast in enumerate(presentation.contrast):
        _check(Spec.parse(contrast.a), f"contrast.{number}.a")
        _check(b := Spec.parse(contrast.b), f"contrast.{number}.b")
        if list(choices(b, METHODS)) != [b]:
            raise SpecError(f"contrast.{number}.b: {b} has a list, which stands for several; only a may")
        if Spec.parse(contrast.a) == b:
            raise SpecError(f"contrast.{number}: a and b are the same")


def is_control(method: str, exclude: Sequence[str]) -> bool:
    """Whether a method, as records have it, is among what the associations leave out.

    What no plug-in has brought has no traits, and only the parameters that it gives.
    """
    catalogue.declare()
    try:
        spec = Spec.parse(method)
    except SpecError:
        return method in exclude
    known = METHODS.entries.get(spec.name)
    traits = known.capabilities if known else ()
    return any(text in traits or fits(Spec.parse(text), spec, METHODS) for text in exclude)


def compared(methods: Sequence[str], contrast: Contrast, others: Sequence[str] = ()) -> list[tuple[str, str]]:
    """The pairs a, b of a contrast among methods as records have them; b may be one of `others` as well."""
    catalogue.declare()
    a, b = Spec.parse(contrast.a), Spec.parse(contrast.b)
    specs = {text: _parsed(text) for text in (*methods, *others)}
    resolved = {text: _resolved(spec) for text, spec in specs.items() if spec}
    found = []
    for method in methods:
        spec = specs[method]
        if spec is not None and fits(a, spec, METHODS):
            wanted = _becomes(spec, a, b)
            found += [(method, text) for text, own in resolved.items() if own == wanted and text != method][:1]
    return found


def _becomes(method: Spec, a: Spec, b: Spec) -> Resolved:
    """What a method that fits a is with b's name and parameters."""
    known = METHODS.entries.get(b.name)
    carried = {
        name: value
        for name, value in _resolved(method)[1].items()
        if name not in a.mapping and (known is None or any(p.name == name for p in known.parameters))
    }
    return _resolved(b.with_params({**carried, **b.mapping}))


def _resolved(spec: Spec) -> Resolved:
    try:
        return spec.name, METHODS.resolve(spec)
    except PrunebenchError:
        return spec.name, spec.mapping


def _parsed(text: str) -> Spec | None:
    try:
        return Spec.parse(text)
    except SpecError:
        return None


def _traits() -> set[str]:
    return {trait for entry in METHODS for trait in entry.capabilities}


def _check(spec: Spec, place: str, traits: set[str] | None = None) -> None:
    """Raise what is wrong with a pattern."""
    try:
        if traits is not None and spec.name not in METHODS.entries:
            names = {*METHODS.entries, *traits}
            raise UnknownNameError(f"{spec.name!r} is no method and no trait of any{suggestion(spec.name, names)}")
        for choice in choices(spec, METHODS):
            METHODS.resolve(choice)
    except PrunebenchError as error:
        raise type(error)(f"{place}: {error}") from error
