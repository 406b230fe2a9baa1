"""Registries of methods, models, datasets, recipes, checks and arms: names, typed parameters, capabilities as data.

Built-in entries are known from the catalogue before their module is imported; a decorator in that module, or in a
plug-in, makes the live entry.
"""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunebench.errors import DuplicateNameError, SpecError, UnknownNameError, suggestion
from prunebench.parameters import Parameter, keyword_parameters, tupled
from prunebench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from prunebench.spec import Value

NEEDS = ("data", "labels", "gradients", "training")
"""Capabilities that say what a method looks at; the others say what holds of it."""

DESCENDS = "descends"
"""Capability of a method that the engine gives: one walk down to a weight a layer serves every density."""

STAGED = "staged"
"""Capability of a method that the engine gives: it is made of stages that are nodes of the plan."""

CHOOSES = "chooses"
"""Trait of a method whose density is its outcome, whatever is asked for."""

WHOLE = "whole"
"""Trait of a method that keeps whole filters: at most round(d·N) weights."""

REGROWS = "regrows"
"""Trait of a method whose tickets' training drops the masks: what is measured is dense."""


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
            Parameter(p["name"], tuple(p["types"]), tupled(p["default"]), tuple(p["choices"]), p["minimum"], p["names"])
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
            if self.entries.get(entry.name) is not entry:
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
RECIPES = Registry("recipe")
CHECKS = Registry("check")
ARMS = Registry("arm")
REGISTRIES: Mapping[str, Registry] = {r.kind: r for r in (METHODS, MODELS, DATASETS, RECIPES, CHECKS, ARMS)}


def chooses(method: Spec) -> bool:
    """Whether the density of a method is its outcome: its own trait, or that of a method which its parameters name."""
    return _has(CHOOSES, method)


def whole(method: Spec) -> bool:
    """Whether a method keeps whole filters: its own trait, or that of a method which its parameters name."""
    return _has(WHOLE, method)


def sees(what: str, method: Spec) -> bool:
    """Whether a method needs something, such as `data`: itself, or a method which its parameters name."""
    return _has(what, method)


def _has(trait: str, method: Spec) -> bool:
    if trait in METHODS.entry(method.name).capabilities:
        return True
    return any(_has(trait, named) for kind, named in METHODS.named(method) if kind == METHODS.kind)


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


def _lines(entry: Entry) -> list[int]:
    """Where the functions of that name begin in the entry's file."""
    path = entry.module if entry.module.endswith(".py") else getattr(sys.modules.get(entry.module), "__file__", None)
    name = entry.target.rpartition(":")[2].rpartition(".")[2]
    tree = ast.parse(Path(path).read_bytes()) if path else ast.Module([], [])
    return [n.lineno for n in ast.walk(tree) if isinstance(n, ast.FunctionDef | ast.ClassDef) and n.name == name]


def _origin(value: Callable[..., Any]) -> str:
    """Module name of package code, file path of code that no import finds again."""
    module = sys.modules.get(value.__module__)
    path = getattr(module, "__file__", None)
    loose = value.__module__ == "__main__" or getattr(module, "__prunebench_plugin__", False)
    return str(Path(path).resolve()) if path and loose else value.__module__
