"""No method of the package is accused of anything, in several ways of running it."""

from __future__ import annotations

import pytest

from prunebench import catalogue
from prunebench.registry import METHODS, STAGED
from prunebench.testing import conformance

catalogue.declare()
BUILT_IN = [entry for entry in METHODS if entry.target.startswith("prunebench.methods")]
TRAINED = [entry for entry in BUILT_IN if "training" in entry.capabilities]
"""Some of them are tried in a worker, which costs a second each: the first in stages and the first of its own kind."""

OF_TRAINED = ("ticket", "trained", "holds", "spent", "repeatable", "random", "stages")
"""Checks that other parameters of a method that trains may fail; all are run with its defaults."""


def variants() -> list[str]:
    """Ways of running every method: its default, words of the engine, rankings within layers, other choices."""
    found: list[str] = []
    for entry in BUILT_IN:
        known = {parameter.name: parameter for parameter in entry.parameters}
        if "within" in known:
            found += [f"{entry.name}(within=magnitude)", f"{entry.name}(within=snip)"]
        if "mode" in known:
            other = "eval" if known["mode"].default == "train" else "train"
            words = [f"mode={other}", "samples_per_class=3"] if "samples_per_class" in known else []
            found.append(f"{entry.name}({', '.join(['scope=layer', 'rounds=3', 'schedule=linear', *words])})")
        engine = {"rounds", "schedule", "scope", "mode"} if "mode" in known else set()
        own = [p for p in entry.parameters if p.name not in engine]
        found += [f"{entry.name}({p.name}={choice})" for p in own for choice in p.choices if choice != p.default]
    return found


@pytest.mark.parametrize("name", [entry.name for entry in BUILT_IN])
def test_a_method_of_the_package_does_what_it_declares(name: str) -> None:
    found = conformance(name, skip=("worker",) if METHODS.entry(name) in TRAINED else ())
    assert not [str(finding) for finding in found if finding.weight == "fault"]


@pytest.mark.parametrize("spec", variants())
def test_so_it_does_with_other_parameters(spec: str) -> None:
    trains = METHODS.entry(spec.partition("(")[0]) in TRAINED
    found = conformance(spec, checks=OF_TRAINED if trains else (), skip=("worker", "parameters"))
    assert not [str(finding) for finding in found if finding.weight == "fault"]


@pytest.mark.parametrize("staged", [True, False])
def test_a_worker_finds_a_trained_ticket(staged: bool) -> None:
    name = next(entry.name for entry in TRAINED if (STAGED in entry.capabilities) == staged)
    assert conformance(name, checks=("worker",)) == []


def test_the_variants_are_of_all_kinds() -> None:
    assert all(any(word in spec for spec in variants()) for word in ("within", "scope=layer", "mode=", "samples_per"))
