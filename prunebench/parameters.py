"""Typed parameters: what a spec may say of an entry, read from annotations and checked."""

from __future__ import annotations

import inspect
import types
import typing
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from prunebench.errors import SpecError, suggestion
from prunebench.spec import Value, written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_UNIONS = (types.UnionType, typing.Union)
_SCALARS: Mapping[type, str] = {int: "int", float: "float", bool: "bool", str: "str"}
_TYPES: Mapping[type, str] = {**_SCALARS, tuple: "list"}


@dataclass(frozen=True, slots=True)
class Names:
    """Mark of an annotation: the word is a spec of an entry of this kind, `Annotated[str, Names("method")]`."""

    kind: str


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Mark of an annotation: the number is not below this one, `Annotated[int, AtLeast(1)]`."""

    minimum: float


@dataclass(frozen=True, slots=True)
class Parameter:
    """One typed parameter of an entry."""

    name: str
    types: tuple[str, ...]
    """`int`, `float`, `bool`, `str`, `list`; `list[int, ...]` where the elements have a type, `list[int, float]` where
    each has its own."""
    default: Value
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    names: str = ""
    """Kind of registry that the value is a spec of, such as the method that ranks inside a layer."""

    def check(self, value: Value, owner: str) -> Value:
        """The value as its type has it.

        Raises:
            SpecError: the value is of another type, none of the choices, or below the minimum.
        """
        if self.minimum is not None and isinstance(value, int | float) and value < self.minimum:
            raise SpecError(f"{owner}: {self.name}={written(value)} must be at least {self.minimum:g}")
        if isinstance(value, bool):
            if "bool" in self.types:
                return value
        elif isinstance(value, int):
            if "int" in self.types:
                return value
            if "float" in self.types:
                return _float(value, f"{owner}: {self.name}")
        elif isinstance(value, float):
            if "float" in self.types:
                return value
        elif isinstance(value, tuple):
            for words in (t for t in self.types if t.startswith("list")):
                found = _elements(words, value)
                if found is not None:
                    return found
        elif isinstance(value, str) and (value in self.choices or "str" in self.types):
            return value
        expected = " or ".join([*self.types, *(repr(choice) for choice in self.choices)])
        hint = suggestion(value, self.choices) if isinstance(value, str) and self.choices else ""
        raise SpecError(f"{owner}: {self.name}={written(value)} is not {expected}{hint}")

    @classmethod
    def of(
        cls, parameter: inspect.Parameter, hint: Any, default: Value | None = None, minimum: float | None = None
    ) -> Parameter:
        """Read a keyword parameter's annotation: int, float, bool, str, tuple, Literal of words, and unions of them.

        A string marked by `Names` is a spec itself, a number marked by `AtLeast` has a minimum.

        Raises:
            TypeError: no annotation, one that no spec can write, or no default that fits it.
        """
        marks: tuple[Any, ...] = getattr(hint, "__metadata__", ())
        kinds = [mark.kind for mark in marks if isinstance(mark, Names)]
        least = [mark.minimum for mark in marks if isinstance(mark, AtLeast)]
        hint = typing.get_args(hint)[0] if kinds or least else hint
        names: list[str] = []
        choices: list[str] = []
        for part in typing.get_args(hint) if typing.get_origin(hint) in _UNIONS else (hint,):
            words = typing.get_args(part) if typing.get_origin(part) is typing.Literal else ()
            known = _list_type(part) if typing.get_origin(part) is tuple else _TYPES.get(part)
            if known is None and not (words and all(isinstance(word, str) for word in words)):
                raise TypeError(
                    f"parameter {parameter.name!r} needs a type: int, float, bool, str, tuple or a Literal of words"
                )
            choices += words
            names += [known] if known else []
        if default is None:
            default = parameter.default
        if default is inspect.Parameter.empty:
            raise TypeError(f"parameter {parameter.name!r} needs a default")
        minimum = max(least, default=minimum)
        found = cls(parameter.name, tuple(names), default, tuple(choices), minimum, "".join(kinds))
        try:
            # As its type has it: `width: float = 1` and `width=1.0` are one way of writing the same thing.
            return replace(found, default=found.check(tupled(default), "default"))
        except SpecError as error:
            raise TypeError(str(error)) from None


def _list_type(hint: Any) -> str | None:
    """`tuple[int, ...]` as `list[int, ...]`; None where an element is no int, float, bool or str."""
    names = ["..." if part is Ellipsis else _SCALARS.get(part) for part in typing.get_args(hint)]
    return None if None in names else f"list[{', '.join(map(str, names))}]"


def _elements(words: str, values: tuple[Any, ...]) -> tuple[Any, ...] | None:
    """The values as a list type has them, None if they do not fit."""
    if words == "list":
        return values
    kinds = words.removeprefix("list[").removesuffix("]").split(", ")
    if kinds[-1] == "...":
        kinds = kinds[:1] * len(values)
    try:
        return tuple(
            Parameter("", (kind,), value).check(value, "") for kind, value in zip(kinds, values, strict=True)
        )  # fmt: skip
    except ValueError:
        return None


def _float(value: int, place: str) -> float:
    try:
        return float(value)
    except OverflowError:
        raise SpecError(f"{place}: an integer of {len(str(value))} digits is no float") from None


def keyword_parameters(function: Callable[..., Any]) -> list[Parameter]:
    """The keyword-only parameters of a function."""
    return [
        Parameter.of(p, _hint(p.annotation, function))
        for p in inspect.signature(function).parameters.values()
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    ]


def _hint(annotation: Any, function: Callable[..., Any]) -> Any:
    """An annotation as a type; only parameters are looked at, so that others may be imported for type checking only."""
    return eval(annotation, function.__globals__) if isinstance(annotation, str) else annotation


def tupled(value: Any) -> Value:
    """JSON's lists as the tuples that a spec has."""
    return tuple(value) if isinstance(value, list) else value
