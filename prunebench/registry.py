"""Registries of methods, models, datasets and checks: names, typed parameters, capabilities as data.

Built-in entries are known from the catalogue before their module is imported; a decorator in that module, or in a
plug-in, makes the live entry.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
import types
import typing
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunebench.errors import DuplicateNameError, SpecError, UnknownNameError, suggestion
from prunebench.spec import Spec, written

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prunebench.spec import Value

DESCENDS = "descends"
"""Capability of a method that the engine gives: one walk down to a weight a layer serves every density."""

_UNIONS = (types.UnionType, typing.Union)
_SCALARS: Mapping[type, str] = {int: "int", float: "float", bool: "bool", str: "str"}
_TYPES: Mapping[type, str] = {**_SCALARS, tuple: "list"}


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

        Raises:
            TypeError: no annotation, one that no spec can write, or no default that fits it.
        """
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
        found = cls(parameter.name, tuple(names), default, tuple(choices), minimum)
        try:
            # As its type has it: `width: float = 1` and `width=1.0` are one way of writing the same thing.
            return replace(found, default=found.check(_tupled(default), "default"))
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


@dataclass(frozen=True, slots=True)
class Entry:
    """What is known of a registered thing without running it."""

    kind: str
    name: str
    target: str
    """`module:qualified_name`; `module` is a file path for a plug-in file."""
    summary: str = ""
    paper: str = ""
    parameters: tuple[Parameter, ...] = ()
    capabilities: tuple[str, ...] = ()
    notes: str = ""
    identity: str = ""
    """Target of a function of the resolved parameters whose JSON value counts in keys in their place; it may need no
    torch. Empty where the parameters themselves count."""

    @property
    def module(self) -> str:
        """Module name or file path of the target."""
        return self.target.rpartition(":")[0]

    def plain(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Entry:
        """Inverse of `plain`."""
        parameters = tuple(
            Parameter(
                p["name"], tuple(p["types"]), _tupled(p["default"]), tuple(p["choices"]), p["minimum"], p["names"]
            )
            for p in plain["parameters"]
        )
        return cls(**{**plain, "parameters": parameters, "capabilities": tuple(plain["capabilities"])})


@dataclass
class Registry:
    """Entries of one kind by name."""

    kind: str
    entries: dict[str, Entry] = field(default_factory=dict)
    _objects: dict[str, Any] = field(default_factory=dict)
    _fresh: set[str] | None = None
    """Names that the plug-in that is being loaded has registered so far."""

    def __iter__(self) -> Iterator[Entry]:
        return iter(sorted(self.entries.values(), key=lambda e: e.name))

    def declare(self, entries: Iterable[Entry]) -> None:
        """Make entries known by name, their modules to be imported when one is needed.

        Raises:
            DuplicateNameError: another target has one of the names.
        """
        for entry in entries:
            self._refuse_duplicate(entry)
            self.entries.setdefault(entry.name, entry)

    def add(self, entry: Entry, value: Any) -> None:
        """Register a live entry.

        Raises:
            DuplicateNameError: another target has the name.
        """
        self._refuse_duplicate(entry)
        if self._fresh is not None:
            if entry.name in self._fresh:
                places = " and ".join(f"{entry.target} in line {line}" for line in _lines(entry)) or entry.target
                raise DuplicateNameError(f"{self.kind} {entry.name!r} is registered twice: by {places}")
            self._fresh.add(entry.name)
        self.entries[entry.name] = entry
        self._objects[entry.name] = value

    def _refuse_duplicate(self, entry: Entry) -> None:
        known = self.entries.get(entry.name)
        if known is not None and known.target != entry.target:
            raise DuplicateNameError(
                f"{self.kind} {entry.name!r} is registered twice: by {known.target} and by {entry.target}"
            )

    def entry(self, name: str) -> Entry:
        """The entry of that name.

        Raises:
            UnknownNameError: none has it; the message suggests the nearest.
        """
        if name not in self.entries:
            raise UnknownNameError(f"unknown {self.kind} {name!r}{suggestion(name, self.entries)}")
        return self.entries[name]

    def get(self, name: str) -> Any:
        """The registered object, its module imported if need be."""
        entry = self.entry(name)
        if name not in self._objects:
            importlib.import_module(entry.module)
        return self._objects[name]

    def resolve(self, spec: Spec) -> dict[str, Value]:
        """All parameters of a spec: those given, checked, and the defaults of the others.

        Raises:
            UnknownNameError: no such entry.
            SpecError: a parameter that the entry does not take, or a value that it cannot have.
        """
        entry = self.entry(spec.name)
        known = {p.name: p for p in entry.parameters}
        for name in spec.mapping:
            if name not in known:
                raise SpecError(f"{self.kind} {spec.name!r} takes no parameter {name!r}{suggestion(name, known)}")
        given = spec.mapping
        resolved = {
            name: p.check(given[name], f"{self.kind} {spec.name!r}") if name in given else p.default
            for name, p in known.items()
        }
        for kind, named in self.named(spec):
            REGISTRIES[kind].resolve(named)
        return resolved

    def named(self, spec: Spec) -> list[tuple[str, Spec]]:
        """The specs that a spec's parameters hold, each with its kind of registry."""
        given = spec.mapping
        values = ((p.names, given.get(p.name, p.default)) for p in self.entry(spec.name).parameters if p.names)
        return [(kind, Spec.parse(str(value))) for kind, value in values]

    def identity(self, spec: Spec) -> dict[str, Any] | None:
        """What counts in keys instead of the parameters of a spec; None if they count themselves.

        Raises:
            UnknownNameError: no such entry.
            SpecError: as `resolve`.
        """
        module, _, name = self.entry(spec.name).identity.rpartition(":")
        if not module:
            return None
        found: dict[str, Any] = getattr(importlib.import_module(module), name)(**self.resolve(spec))
        return found

    def minimal(self, spec: Spec) -> Spec:
        """The spec without parameters that equal their default, specs in it likewise: one way of writing each row."""
        resolved = self.resolve(spec)
        known = {p.name: p for p in self.entry(spec.name).parameters}

        def shortest(name: str, value: Value) -> Value:
            kind = known[name].names
            return str(REGISTRIES[kind].minimal(Spec.parse(str(value)))) if kind else value

        given = {name: shortest(name, resolved[name]) for name in spec.mapping}
        return spec.with_params({k: v for k, v in given.items() if v != shortest(k, known[k].default)})


METHODS = Registry("method")
MODELS = Registry("model")
DATASETS = Registry("dataset")
CHECKS = Registry("check")
REGISTRIES: Mapping[str, Registry] = {r.kind: r for r in (METHODS, MODELS, DATASETS, CHECKS)}


@contextmanager
def registering() -> Iterator[None]:
    """The registrations of one plug-in: all of them or, if it fails, none; no name twice.

    What of prunebench it imports stays: Python imports a module once.
    """
    before = {kind: (dict(r.entries), dict(r._objects)) for kind, r in REGISTRIES.items()}
    for registry in REGISTRIES.values():
        registry._fresh = set()
    try:
        yield
    except BaseException:
        for kind, registry in REGISTRIES.items():
            entries, objects = before[kind]
            for name in registry._fresh or ():
                entry = registry.entries[name]
                if entry.module.partition(".")[0] == "prunebench":
                    continue
                sys.modules.pop(entry.module, None)
                for known, earlier in ((registry.entries, entries), (registry._objects, objects)):
                    known.pop(name)
                    known.update({name: earlier[name]} if name in earlier else {})
        raise
    finally:
        for registry in REGISTRIES.values():
            registry._fresh = None


def describe(
    registry: Registry,
    value: Callable[..., Any],
    name: str,
    *,
    paper: str = "",
    parameters: Iterable[Parameter] | None = None,
    capabilities: Iterable[str] = (),
    notes: str = "",
) -> Entry:
    """The entry of a decorated function: summary and parameters are read from it unless given."""
    documentation = inspect.getdoc(value) or ""
    return Entry(
        kind=registry.kind,
        name=name,
        target=f"{_origin(value)}:{value.__qualname__}",
        summary=documentation.partition("\n")[0].rstrip("."),
        paper=paper,
        parameters=tuple(keyword_parameters(value) if parameters is None else parameters),
        capabilities=tuple(sorted(capabilities)),
        notes=notes,
    )


def keyword_parameters(function: Callable[..., Any]) -> list[Parameter]:
    """The keyword-only parameters of a function."""
    return [
        Parameter.of(p, _hint(p.annotation, function))
        for p in inspect.signature(function).parameters.values()
        if p.kind is inspect.Parameter.KEYWORD_ONLY
    ]


def _lines(entry: Entry) -> list[int]:
    """Where the functions of that name begin in the entry's file."""
    path = entry.module if entry.module.endswith(".py") else getattr(sys.modules.get(entry.module), "__file__", None)
    name = entry.target.rpartition(":")[2].rpartition(".")[2]
    tree = ast.parse(Path(path).read_bytes()) if path else ast.Module([], [])
    return [n.lineno for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == name]


def _hint(annotation: Any, function: Callable[..., Any]) -> Any:
    """An annotation as a type; only parameters are looked at, so that others may be imported for type checking only."""
    return eval(annotation, function.__globals__) if isinstance(annotation, str) else annotation


def _origin(value: Callable[..., Any]) -> str:
    """Module name of package code, file path of code that no import finds again."""
    module = sys.modules.get(value.__module__)
    path = getattr(module, "__file__", None)
    loose = value.__module__ == "__main__" or getattr(module, "__prunebench_plugin__", False)
    return str(Path(path).resolve()) if path and loose else value.__module__


def _tupled(value: Any) -> Value:
    return tuple(value) if isinstance(value, list) else value
