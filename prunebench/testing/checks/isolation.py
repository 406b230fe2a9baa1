"""Does a method work in a process of its own, on nothing but what it is given?"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from prunebench.environment import Environment, entered
from prunebench.graph import Component
from prunebench.harness.artifacts import ArtifactStore
from prunebench.harness.executors.processes import ProcessExecutor
from prunebench.harness.worker import Job, Setting
from prunebench.testing.findings import Finding
from prunebench.testing.networks import CHAIN
from prunebench.testing.trial import trial

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from prunebench.testing.candidate import Candidate
    from prunebench.testing.surroundings import Watch

_TIMEOUT = 120.0


def worker(candidate: Candidate) -> Iterator[Finding]:
    """A worker process finds the method, by its plug-in file if it has one, and gets the same to the bit."""
    if CHAIN not in candidate.grounds:
        return
    environment = Environment.here(device="cpu")
    with entered(environment):
        here = trial.run(method=Component("method", candidate.spec)).tensors or {}
    there = _elsewhere(candidate, environment)
    if isinstance(there, str):
        mend = "put it into a file or package, with all that it needs, and load that as a plug-in"
        yield Finding("worker", "fault", "fails in a worker process", f"{CHAIN.name}: {there}", mend)
        return
    odd = [name for name, tensor in here.items() if not torch.equal(tensor, there[name])]
    if odd:
        evidence = f"{CHAIN.name}: {', '.join(odd[:3])} differ from those of this process"
        mend = "depend on no hash, id, environment variable, time or state of the process"
        yield Finding("worker", "fault", "another process gets other results", evidence, mend)


def _elsewhere(candidate: Candidate, environment: Environment) -> Mapping[str, Tensor] | str:
    """Tensors of the trial in a worker, or its error."""
    module = candidate.entry.module
    plugins = (module,) if module.endswith(".py") else () if module.startswith("prunebench.") else (module,)
    node = trial(method=Component("method", candidate.spec))
    with tempfile.TemporaryDirectory() as folder:
        setting = Setting(folder, environment.plain(), plugins=plugins, log=str(Path(folder, "log")))
        with ProcessExecutor(setting, workers=1, timeout=_TIMEOUT) as executor:
            try:
                error = executor.submit(Job.of(node)).result()
            except Exception as died:
                return f"{type(died).__name__}: {' '.join(str(died).split())}"
        if error is not None:
            return f"{error['type']}: {error['message']}"
        stored = ArtifactStore(Path(folder), environment).get(node.key).tensors
        return {name: tensor.clone() for name, tensor in stored.items()}


def own_data(watch: Watch) -> Iterator[Finding]:
    """While all the other checks ran, it loaded no dataset by itself: the test split must not reach a method."""
    if watch.datasets:
        seen = sorted(set(watch.datasets))
        mend = "use ctx.data, ctx.batches() or ctx.scoring_set(): the training split"
        yield Finding("own-data", "fault", "loads data by itself", ", ".join(seen[:3]), mend)


def gradients(candidate: Candidate, watch: Watch) -> Iterator[Finding]:
    """While all the other checks ran, it differentiated exactly if it declares `gradients`."""
    declared = "gradients" in candidate.needs
    if declared and not watch.differentiations and not candidate.control:
        evidence = "no call of torch.autograd"
        mend = "do not declare `gradients`"
        yield Finding("gradients", "fault", "declares `gradients`, but differentiates nothing", evidence, mend)
    if not declared and watch.through_layers:
        evidence = f"{watch.through_layers} backward passes through several layers"
        mend = "declare needs={'gradients'}"
        yield Finding("gradients", "fault", "differentiates, but `gradients` is not declared", evidence, mend)
