"""Steps and nodes: a step called inside a check does not run, it returns a node with a content key.

The key of a node is the hash of the step's name and version, the digest of the code behind it, and its arguments; an
argument that is itself a node counts by its key, a spec by its resolved parameters, or by what its entry gives for them
(`Registry.identity`), and the digest of its entry's code.
Equal nodes of different cells are therefore one piece of work.
"""

from __future__ import annotations

import functools
import hashlib
import importlib
import inspect
import json
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from prunebench.codehash import code_digest
from prunebench.registry import REGISTRIES
from prunebench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from prunebench.registry import Entry


_SCALARS = frozenset({bool, int, float, str})


@dataclass(frozen=True, slots=True)
class Component:
    """A spec together with the kind of registry that it names an entry of."""

    kind: str
    spec: Spec

    def __str__(self) -> str:
        return str(self.spec)

    def plain(self) -> dict[str, Any]:
        """JSON form: the resolved parameters, and the digest of the entry's code."""
        entry = REGISTRIES[self.kind].entry(self.spec.name)
        known = _resolved.get((self.kind, self.spec))
        if known is None or known[0] is not entry:
            text = str(self.spec.with_params(REGISTRIES[self.kind].resolve(self.spec)))
            inner = tuple(Component(*named) for named in REGISTRIES[self.kind].named(self.spec))
            known = _resolved[self.kind, self.spec] = (entry, text, inner)
        # The digest of the entry's code, and of the code of the entries that its parameters name.
        code = [_digest(entry.module), *(part.plain()["$component"][2] for part in known[2])]
        return {"$component": [self.kind, known[1], "+".join(code)]}

    def identity(self) -> dict[str, Any]:
        """JSON form that counts in keys: what the entry gives for the parameters, such as a digest of files."""
        plain, found = self.plain(), REGISTRIES[self.kind].identity(self.spec)
        if found is None:
            return plain
        kind, _, code = plain["$component"]
        return {"$component": [kind, self.spec.name, found, code]}


_resolved: dict[tuple[str, Spec], tuple[Entry, str, tuple[Component, ...]]] = {}
"""Specs as keys write them, with the components that they name, each with the entry that it was resolved against: a
reloaded plug-in has another one."""


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """One unit of work, not yet done: what to call, with what, under which key."""

    step: str
    """Target of the step, `module:name`."""
    arguments: Mapping[str, Any]
    """JSON form of the arguments."""
    key: str
    dependencies: tuple[Node, ...]
    role: str

    @property
    def name(self) -> str:
        """The step's short name."""
        return self.step.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step returns: a JSON value, and tensors by name if a later step needs them."""

    value: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Any] | None = None


class Artifact(Protocol):
    """A stored outcome, as the steps that depend on it see it."""

    @property
    def value(self) -> Mapping[str, Any]:
        """The JSON value."""
        ...

    @property
    def tensors(self) -> Mapping[str, Any]:
        """Tensors by name."""
        ...


class Step:
    """A pure, versioned function whose call makes a node."""

    def __init__(self, function: Callable[..., Outcome], version: int, role: str) -> None:
        """Wrap a function; use the decorator `step`."""
        functools.update_wrapper(self, function)
        self.run = function
        self.version = version
        self.role = role
        self.target = f"{function.__module__}:{function.__name__}"
        self._signature = inspect.signature(function)
        parameters = self._signature.parameters.values()
        self._defaults = {p.name: p.default for p in parameters if p.default is not inspect.Parameter.empty}

    def __call__(self, **arguments: Any) -> Node:
        """The node of this step with these arguments, defaults filled in."""
        given = {**self._defaults, **arguments}
        if given.keys() != self._signature.parameters.keys():
            self._signature.bind(**arguments)  # raises, and says which are missing or too many
        nodes: list[Node] = []
        plain: dict[str, Any] = {}
        counted: dict[str, Any] = {}
        for name, value in given.items():
            if value is None or type(value) in _SCALARS:
                plain[name] = counted[name] = value
            else:
                plain[name] = _encoded(value, nodes, _plain)
                counted[name] = _encoded(value, [], _identity)
        identity = [self.target, self.version, _digest(self.run.__module__), counted]
        key = hashlib.sha256(json.dumps(identity, sort_keys=True, allow_nan=False).encode()).hexdigest()[:32]
        return Node(self.target, plain, key, tuple(nodes), self.role)


_spent: ContextVar[dict[str, float] | None] = ContextVar("spent", default=None)


@contextmanager
def spending() -> Iterator[dict[str, float]]:
    """Count what `spend` is told inside: counts by name that add up over steps, such as `examples`."""
    counts: dict[str, float] = {}
    token = _spent.set(counts)
    try:
        yield counts
    finally:
        _spent.reset(token)


def counted() -> bool:
    """Does anybody count what is spent now?"""
    return _spent.get() is not None


def spend(name: str, amount: float) -> None:
    """Tell the step that runs, if one does, what its work took besides time."""
    counts = _spent.get()
    if counts is not None:
        counts[name] = counts.get(name, 0.0) + amount


_known: ContextVar[dict[Component, tuple[dict[str, Any], dict[str, Any]]] | None] = ContextVar("known", default=None)


@contextmanager
def planning() -> Iterator[None]:
    """Look at entries, their code and their files once for all nodes that are made inside."""
    token = _known.set({})
    try:
        yield
    finally:
        _known.reset(token)


_sketched: ContextVar[bool] = ContextVar("sketched", default=False)


@contextmanager
def sketching() -> Iterator[None]:
    """Make nodes to look at and never to run: their keys leave out the code, which takes a while to read."""
    sketched, known = _sketched.set(True), _known.set({})
    try:
        yield
    finally:
        _sketched.reset(sketched)
        _known.reset(known)


def _digest(module: str) -> str:
    return "" if _sketched.get() else code_digest(module)


def _forms(component: Component) -> tuple[dict[str, Any], dict[str, Any]]:
    known = _known.get()
    if known is None:
        return _made(component)
    found = known.get(component)
    if found is None:
        found = known[component] = _made(component)
    return found


def _made(component: Component) -> tuple[dict[str, Any], dict[str, Any]]:
    """As arguments have it, and as keys do: a digest, since many keys are made of the same few components."""
    identity = json.dumps(component.identity(), sort_keys=True, allow_nan=False)
    return component.plain(), {"$component": hashlib.sha256(identity.encode()).hexdigest()[:32]}


def _plain(component: Component) -> dict[str, Any]:
    return _forms(component)[0]


def _identity(component: Component) -> dict[str, Any]:
    return _forms(component)[1]


def step(*, version: int, role: str) -> Callable[[Callable[..., Outcome]], Step]:
    """Declare a step; `role` says what its cost counts as: `find` a ticket, `train` it, or `measure` it.

    Whatever a `find` step depends on counts as finding.
    """
    return lambda function: Step(function, version, role)


def find_step(target: str) -> Step:
    """The step of a target, its module imported."""
    module, _, name = target.rpartition(":")
    found = getattr(importlib.import_module(module), name)
    if not isinstance(found, Step):
        raise TypeError(f"{target} is no step")
    return found


def decoded(value: Any, artifact: Callable[[str], Any]) -> Any:
    """Arguments as the step wants them: components as `Component`, nodes through `artifact(key)`."""
    if isinstance(value, dict):
        if "$node" in value:
            return artifact(value["$node"])
        if "$component" in value:
            kind, text, _ = value["$component"]
            return Component(kind, Spec.parse(text))
        return {k: decoded(v, artifact) for k, v in value.items()}
    if isinstance(value, list):
        return [decoded(v, artifact) for v in value]
    return value


def ancestors(nodes: list[Node]) -> Iterator[Node]:
    """Every distinct node that these depend on, themselves included, dependencies first."""
    seen: set[str] = set()
    stack = [(node, False) for node in reversed(nodes)]
    while stack:
        node, expanded = stack.pop()
        if expanded:
            yield node
        elif node.key not in seen:
            seen.add(node.key)
            stack.append((node, True))
            stack += [(d, False) for d in node.dependencies]


def _encoded(value: Any, nodes: list[Node], form: Callable[[Component], dict[str, Any]]) -> Any:
    if isinstance(value, Node):
        nodes.append(value)
        return {"$node": value.key}
    if isinstance(value, Component):
        return form(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list | tuple):
        return [_encoded(v, nodes, form) for v in value]
    if isinstance(value, dict):
        return {str(k): _encoded(v, nodes, form) for k, v in value.items()}
    raise TypeError(f"a step's argument must be plain, a component or a node, not {type(value).__name__}: {value!r}")
