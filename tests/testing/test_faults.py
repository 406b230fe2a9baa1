"""Every kind of fault that is planted is found, by the check that is to find it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from prunebench import plugins
from prunebench.registry import METHODS
from prunebench.testing import QUESTIONS, conformance

if TYPE_CHECKING:
    from collections.abc import Iterator

FILES = [Path(__file__).parent / "faulty" / f"{name}.py" for name in ("scores", "ratios", "masks", "training")]

FAULTS = {
    "inverts-by-division": "scores",
    "dense-classifier": "scores",
    "counts-biases": "scores",
    "counts-votes": "scores",
    "assumes-dense-convolutions": "runs",
    "quits": "runs",
    "skips-the-classifier": "layers",
    "never-prunes-the-first": "layers",
    "all-alike": "ablation",
    "coarse": "ties",
    "by-filter": "structured",
    "claims-filters": "structured",
    "half": "dtype",
    "single": "dtype",
    "single-only": "dtype",
    "claims-conservation": "conserves",
    "hidden-randomness": "random",
    "fixed-randomness": "random",
    "unseeded": "repeatable",
    "by-the-clock": "repeatable",
    "by-hash": "worker",
    "accumulates": "state",
    "caches-by-name": "state",
    "seeds-globally": "random-state",
    "double-bug": "globals",
    "patches-torch": "globals",
    "scales-inputs": "untouched",
    "leaves-hooks": "leftovers",
    "absolute-in-place": "leftovers",
    "ignores-its-data": "data",
    "scales-by-data": "data",
    "own-labels": "labels",
    "hidden-labels": "labels",
    "hidden-gradients": "gradients",
    "claims-gradients": "gradients",
    "first-batch": "data",
    "always-eval": "mode",
    "scores-a-copy": "weights",
    "redraws-the-classifier": "weights",
    "negative-first": "symmetry",
    "early-first": "symmetry",
    "ignores-fc": "names",
    "one-pass": "rounds",
    "dead-switch": "parameters",
    "dead-number": "parameters",
    "claims-return": "returns",
    "floors": "masks",
    "no-second-solve": "masks",
    "beyond-one": "masks",
    "convolutions-only": "masks",
    "by-name": "names",
    "forgets-a-layer": "masks",
    "one-too-many": "masks",
    "one-too-few": "masks",
    "coin-flips": "masks",
    "compression-for-density": "masks",
    "every-parameter": "masks",
    "shuffles-a-copy": "random",
    "not-nested": "nested",
    "prunes-the-original": "untouched",
    "switches-the-mode": "untouched",
    "trains-batch-norm": "untouched",
    "no-grad-for-good": "globals",
    "peeks-at-data": "data",
    "reads-the-test-split": "own-data",
    "opens-files-of-data": "own-data",
    "reuses-masks": "state",
    "goes-on-pruning": "state",
    "ticket-of-strangers": "ticket",
    "ticket-by-reference": "ticket",
    "needs-a-file": "worker",
    "fixed-pattern": "weights",
    "forgets-the-masks": "trained",
    "leaves-out-the-classifier": "trained",
    "trained-in-name": "trained",
    "trained-by-reference": "ticket",
    "holds-strangers": "ticket",
    "filters-in-part": "masks",
    "past-the-end": "holds",
    "holds-a-layer-open": "holds",
    "free-training": "spent",
    "counts-epochs": "spent",
    "spends-nothing-known": "spent",
    "trains-undeclared": "masks",
    "stages-undeclared": "masks",
    "own-loop": "training",
    "claims-training": "training",
    "two-ways": "stages",
    "looks-into-stages": "stages",
    "draws-before-training": "random",
    "claims-a-draw": "random",
    "goes-on-training": "state",
    "trains-the-original": "untouched",
    "trains-a-copy": "weights",
    "cuts-before-training": "data",
    "trained-negative-first": "symmetry",
    "trained-by-threshold": "masks",
}
"""The fault, and the check that must find it."""

FAULTLESS = "trains-well"
"""What many of them would be without their fault."""

NOTES = {"dead-number", "claims-return"}
"""What breaks no contract."""


@pytest.fixture(scope="module", autouse=True)
def _faulty() -> Iterator[None]:
    """The faulty methods, and no trace of them afterwards."""
    files = {str(path) for path in FILES}
    plugins.ready(tuple(files))
    yield
    plugins._loaded.difference_update(files)
    for name in [entry.name for entry in METHODS if entry.module in files]:
        METHODS.entries.pop(name)
        METHODS._objects.pop(name)


@pytest.mark.parametrize(("name", "check"), FAULTS.items(), ids=list(FAULTS))
def test_a_planted_fault_is_found_by_its_check(name: str, check: str) -> None:
    found = conformance(name, checks=(check,))
    weight = "note" if name in NOTES else "fault"
    assert (check, weight) in {(finding.check, finding.weight) for finding in found}, "\n".join(map(str, found))
    for finding in found:
        assert finding.evidence
        assert finding.mend
        assert finding.check in QUESTIONS


def test_every_check_has_a_fault_that_it_finds() -> None:
    # Without a CUDA device, that one cannot find anything.
    assert set(FAULTS.values()) == QUESTIONS.keys() - {"device"}


def test_every_faulty_method_is_in_the_table() -> None:
    files = {str(path) for path in FILES}
    assert {entry.name for entry in METHODS if entry.module in files} == FAULTS.keys() | {FAULTLESS}


def test_what_has_no_fault_is_not_accused() -> None:
    assert conformance(FAULTLESS) == []
