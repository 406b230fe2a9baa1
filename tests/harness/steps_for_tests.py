"""Steps that tests build graphs of."""

from __future__ import annotations

import torch

from prunebench.graph import Artifact, Outcome, step

CALLS: list[str] = []
"""Names of the steps that ran in this process."""


@step(version=1, role="find")
def made(name: str, size: int = 3) -> Outcome:
    """A tensor of ones."""
    CALLS.append(f"made {name}")
    return Outcome({"cell": {"metrics": {"kept": size}}}, {"ones": torch.ones(size)})


@step(version=1, role="measure")
def summed(name: str, first: Artifact, second: Artifact | None = None) -> Outcome:
    """The sum of one or two tensors."""
    CALLS.append(f"summed {name}")
    total = float(first.tensors["ones"].sum()) + (float(second.tensors["ones"].sum()) if second else 0.0)
    return Outcome({"cell": {"metrics": {"kept": total}, "series": {"kept_by_layer": [1, 2]}}})


@step(version=1, role="find")
def broken(name: str) -> Outcome:
    """Raises."""
    CALLS.append(f"broken {name}")
    raise ValueError(f"{name} is broken")


@step(version=1, role="find")
def refused(name: str) -> Outcome:
    """Skips its cell."""
    return Outcome({"cell": {"skipped": f"{name} cannot be"}})
