"""Is a ticket the same as nodes of a plan, which other methods share, and made at once?"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from prunebench.engine.subject import Subject
from prunebench.environment import Environment, entered
from prunebench.graph import ancestors
from prunebench.harness.artifacts import ArtifactStore
from prunebench.harness.worker import Job, Setting, perform
from prunebench.registry import DATASETS, RECIPES, describe
from prunebench.spec import Spec
from prunebench.steps.nodes import Nodes
from prunebench.tasks.datasets.base import Dataset
from prunebench.testing.findings import Finding
from prunebench.testing.networks import CHAIN, CLASSES, RECIPE

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from prunebench.testing.candidate import Candidate

    Stored = tuple[Mapping[str, Any], Mapping[str, Tensor]]

_MODEL = Spec.parse("mlp(widths=[16], repeat=2)")


def stages(candidate: Candidate) -> Iterator[Finding]:
    """The stages of a ticket, as steps of a graph with a store, end in the ticket that `prune` returns."""
    if not candidate.staged or CHAIN not in candidate.grounds:
        return
    environment = Environment.here(device="cpu")
    with _task() as (data, recipe), entered(environment):
        subject = Subject.of(_MODEL, data, 0, recipe)
        live = candidate.pruner.open(subject).ticket(candidate.density).stored()
        planned = _planned(candidate, Nodes(_MODEL, data, recipe, 0), environment)
    mend = "write `tickets` by its argument's methods alone, and no `prune` beside it"
    if isinstance(planned, str):
        yield Finding("stages", "fault", "fails as steps of a plan", f"{_MODEL}: {planned}", mend)
    elif odd := _odd(live, planned):
        evidence = f"{_MODEL}: {', '.join(odd[:3])}"
        yield Finding("stages", "fault", "another ticket as steps of a plan than at once", evidence, mend)


def _planned(candidate: Candidate, steps: Nodes, environment: Environment) -> Stored | str:
    """The ticket that the nodes end in, or the error of one."""
    try:
        node = steps.find(str(candidate.spec), candidate.density)
        needed = list(ancestors([node]))
    except Exception as error:
        return f"while planning, {type(error).__name__}: {' '.join(str(error).split())}"
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(folder, environment.plain())
        for step in needed:
            if (failed := perform(Job.of(step), setting)) is not None:
                return f"step {step.name}, {failed['type']}: {failed['message']}"
        found = ArtifactStore(Path(folder), environment).get(node.key)
        return found.value, {name: tensor.clone() for name, tensor in found.tensors.items()}


def _odd(live: Stored, planned: Stored) -> list[str]:
    """What of a ticket is not the same."""
    (value, tensors), (other, others) = live, planned
    odd = [f"{name} {value[name]} and {other.get(name)}" for name in value if value[name] != other.get(name)]
    names = sorted(tensors.keys() | others.keys())
    return odd + [n for n in names if n not in tensors or n not in others or not torch.equal(tensors[n], others[n])]


@contextmanager
def _task() -> Iterator[tuple[Spec, Spec]]:
    """The chain's data as a dataset while this lasts, and the grounds' recipe."""
    name = "conformance"
    DATASETS.add(describe(DATASETS, _data, name), _data)
    known = {parameter.name: parameter.default for parameter in RECIPES.entry("small-sgd").parameters}
    words = {word: getattr(RECIPE, word) for word in known}
    try:
        yield Spec(name), RECIPES.minimal(Spec("small-sgd").with_params(words))
    finally:
        DATASETS.entries.pop(name)
        DATASETS._objects.pop(name)


def _data() -> Dataset:
    return Dataset("conformance", CHAIN.data(), CHAIN.data(held_back=True), CLASSES)
