"""What a method must leave alone: networks, data, random generators, the state of torch, NumPy and the process."""

from __future__ import annotations

import os
import random
import sys
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn
from torch.backends import cudnn

from prunebench.registry import DATASETS
from prunebench.tasks import build
from prunebench.tasks.datasets.places import data_folder
from prunebench.testing.stepping import Steps, counted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prunebench.engine.subject import Subject

_HOOKS = (
    "_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks", "_state_dict_hooks",
    "_load_state_dict_pre_hooks",
)  # fmt: skip
_PATCHED = (nn.Module, nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.BatchNorm1d, nn.BatchNorm2d, nn.ReLU)
_TENSOR = ("backward", "requires_grad_", "to", "cpu")


@dataclass(frozen=True)
class Traces:
    """A network and its data at one moment, to be compared with the same ones later."""

    tensors: dict[str, torch.Tensor]
    """Copies of parameters, buffers, gradients and data by name."""
    facts: dict[str, Any]
    """Modes, hooks, types and attributes by name."""

    @classmethod
    def of(cls, subject: Subject) -> Traces:
        """Those of a network and of the data that come with it."""
        tensors = {name: tensor.detach().clone() for name, tensor in _tensors(subject).items()}
        return cls(tensors, module_facts(subject.model))

    def changed(self, subject: Subject) -> list[str]:
        """What is no longer as it was, named."""
        now, facts = _tensors(subject), module_facts(subject.model)
        odd = [name for name in self.tensors.keys() | now.keys() if not _equal(self.tensors.get(name), now.get(name))]
        return sorted(odd) + differing(self.facts, facts)


def module_facts(model: nn.Module) -> dict[str, Any]:
    """What of a network is no tensor: types, modes, hooks, attributes, which parameters want gradients."""
    facts: dict[str, Any] = {}
    for name, module in model.named_modules():
        place = name or "network"
        facts[f"type of {place}"] = type(module)
        facts[f"mode of {place}"] = module.training
        facts[f"hooks of {place}"] = [len(getattr(module, hooks)) for hooks in _HOOKS]
        facts[f"attributes of {place}"] = sorted(set(vars(module)) - {"training"})
    for name, parameter in model.named_parameters():
        facts[f"requires_grad of {name}"] = parameter.requires_grad
        facts[f"hooks of {name}"] = len(parameter._backward_hooks or ())
    return facts


def differing(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """Names of the facts that are not the same."""
    return sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))


def _tensors(subject: Subject) -> dict[str, torch.Tensor]:
    model = subject.model
    found = dict(model.named_parameters()) | dict(model.named_buffers())
    found |= {f"gradient of {n}": p.grad for n, p in model.named_parameters() if p.grad is not None}
    for name, split in (("training", subject.train), ("scoring", subject.batch), ("held-back", subject.validation)):
        if split is not None:
            whole = split.whole()
            found |= {f"{name} inputs": whole.x, f"{name} labels": whole.y}
    return found


def _equal(a: torch.Tensor | None, b: torch.Tensor | None) -> bool:
    return a is not None and b is not None and a.dtype == b.dtype and torch.equal(a, b)


@dataclass(frozen=True)
class _Setting:
    """Something global: how to read it, how to set it back, how to compare."""

    name: str
    read: Callable[[], Any]
    restore: Callable[[Any], object]
    same: Callable[[Any, Any], bool] = field(default=lambda a, b: a == b)


def _patches() -> dict[tuple[str, str], Any]:
    found = {(c.__name__, k): v for c in _PATCHED for k, v in vars(c).items() if callable(v)}
    found |= {("Tensor", k): getattr(torch.Tensor, k) for k in _TENSOR}
    return found | {("functional", k): v for k, v in vars(nn.functional).items() if callable(v)}


def _unpatch(before: dict[tuple[str, str], Any]) -> None:
    places: dict[str, Any] = {c.__name__: c for c in _PATCHED} | {"Tensor": torch.Tensor, "functional": nn.functional}
    now = _patches()
    for (place, name), value in before.items():
        if now.get((place, name)) is not value:
            setattr(places[place], name, value)


def _restore_environment(before: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(before)


def _restore_cudnn(flags: tuple[bool, bool]) -> None:
    cudnn.benchmark, cudnn.deterministic = flags


def _restore_filters(filters: list[Any]) -> None:
    warnings.filters[:] = filters  # type: ignore[index]


def _same_numpy(a: Any, b: Any) -> bool:
    return bool(a[0] == b[0] and np.array_equal(a[1], b[1]) and a[2:] == b[2:])


_GENERATORS = (
    _Setting("torch's generator", torch.get_rng_state, torch.set_rng_state, torch.equal),
    _Setting("NumPy's generator", np.random.get_state, np.random.set_state, _same_numpy),
    _Setting("Python's generator", random.getstate, random.setstate),
)
_SETTINGS = (
    _Setting("torch's default dtype", torch.get_default_dtype, torch.set_default_dtype),
    _Setting("torch's gradient mode", torch.is_grad_enabled, torch.set_grad_enabled),
    _Setting("torch's threads", torch.get_num_threads, torch.set_num_threads),
    _Setting(
        "torch's deterministic algorithms", torch.are_deterministic_algorithms_enabled,
        torch.use_deterministic_algorithms,
    ),
    _Setting("cuDNN's flags", lambda: (cudnn.benchmark, cudnn.deterministic), _restore_cudnn),
    _Setting("torch's anomaly detection", torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    _Setting("patched classes and functions of torch", _patches, _unpatch),
    _Setting("NumPy's handling of floating-point errors", np.geterr, lambda e: np.seterr(**e)),
    _Setting("filters of warnings", lambda: list(warnings.filters), _restore_filters),
    _Setting("working folder", os.getcwd, os.chdir),
    _Setting("environment variables", lambda: dict(os.environ), _restore_environment),
    _Setting("recursion limit", sys.getrecursionlimit, sys.setrecursionlimit),
)  # fmt: skip


@dataclass
class Surroundings:
    """The process's global state when this was made."""

    before: dict[str, Any] = field(default_factory=lambda: {s.name: s.read() for s in (*_GENERATORS, *_SETTINGS)})

    def generators(self) -> list[str]:
        """Random generators that are no longer as they were."""
        return self._changed(_GENERATORS)

    def settings(self) -> list[str]:
        """Other global state that is no longer as it was."""
        return self._changed(_SETTINGS)

    def restore(self) -> None:
        """Set back all that has changed."""
        for setting in (*_GENERATORS, *_SETTINGS):
            if not setting.same(self.before[setting.name], setting.read()):
                setting.restore(self.before[setting.name])

    def _changed(self, settings: tuple[_Setting, ...]) -> list[str]:
        return [s.name for s in settings if not s.same(self.before[s.name], s.read())]


@contextmanager
def kept() -> Iterator[Surroundings]:
    """Run something and set all global state back."""
    before = Surroundings()
    try:
        yield before
    finally:
        before.restore()


@dataclass
class Watch:
    """What a method reaches for while it is watched."""

    folders: tuple[str, ...]
    """Where files of data lie."""
    datasets: list[str] = field(default_factory=list)
    differentiations: int = 0
    through_layers: int = 0
    """Those that go back through two layers at least: one contraction alone is a way of computing, as of norms."""
    steps: Steps = field(default_factory=Steps)
    """Of optimisers, over a whole network."""


_watching: list[Watch] = []
_hooked: list[bool] = []


@contextmanager
def watched() -> Iterator[Watch]:
    """Record datasets that are loaded, files of data that are opened, differentiations and optimiser steps."""
    watch = Watch((str(data_folder()), str(Path("sklearn", "datasets", "data"))))

    def noted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(name: Any, *rest: Any, **words: Any) -> Any:
            watch.datasets.append(f"dataset {getattr(name, 'name', name)}")
            return function(name, *rest, **words)

        return call

    def seen(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **words: Any) -> Any:
            watch.differentiations += 1
            watch.through_layers += not arguments or _contractions(arguments[0]) > 1
            return function(*arguments, **words)

        return call

    places = [(DATASETS, "get", noted), (build, "load_dataset", noted), (build, "_loaded", noted)]
    places += [(torch.autograd.forward_ad, "enter_dual_level", seen)]
    # However a method has imported `grad` or `backward`, both call the engine by this name.
    places += [(torch.autograd, "_engine_run_backward", seen)]
    before = [(place, name, getattr(place, name)) for place, name, _ in places]
    if not _hooked:  # an audit hook cannot be taken away, so that there is one, idle outside of `watched`
        sys.addaudithook(_note_open)
        _hooked.append(True)
    _watching.append(watch)
    for (place, name, function), (_, _, wrapped) in zip(before, places, strict=True):
        setattr(place, name, wrapped(function))
    try:
        with counted(watch.steps):
            yield watch
    finally:
        for place, name, function in before:
            setattr(place, name, function)
        _watching.remove(watch)


_CONTRACTIONS = ("mm", "conv", "linear", "mv", "dot", "einsum")


def _contractions(outputs: Any) -> int:
    """Matrix products and convolutions in the graph behind some tensors, two of them enough to know."""
    roots = [outputs] if isinstance(outputs, torch.Tensor) else list(outputs)
    stack = [root.grad_fn for root in roots if isinstance(root, torch.Tensor)]
    seen: set[Any] = set()
    found = 0
    while stack and found < 2:
        node = stack.pop()
        if node is not None and node not in seen:
            seen.add(node)
            found += any(word in node.name().lower() for word in _CONTRACTIONS)
            stack += [following for following, _ in node.next_functions]
    return found


def _note_open(event: str, arguments: tuple[Any, ...]) -> None:
    if event == "open" and _watching and isinstance(arguments[0], str):
        watch = _watching[-1]
        if any(folder in arguments[0] for folder in watch.folders):
            watch.datasets.append(f"file {Path(arguments[0]).name}")
