"""The kit: does a method do what it declares?"""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

import torch

from prunebench import plugins as ways_in
from prunebench.errors import UsageError, suggestion
from prunebench.spec import Spec
from prunebench.testing.candidate import Candidate
from prunebench.testing.checks import inputs, isolation, network, outcome, seeds, stages, traces, training, values
from prunebench.testing.findings import QUESTIONS, Finding
from prunebench.testing.surroundings import kept, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    Check = Callable[[Candidate], Iterator[Finding]]

_CHECKS: tuple[tuple[tuple[str, ...], Check], ...] = (
    (("runs",), inputs.drawn),
    (("ticket",), outcome.ticket),
    (("trained",), training.trained),
    (("spent",), training.spent),
    (("nested",), outcome.nested),
    (("returns",), outcome.returns),
    (("repeatable",), seeds.repeatable),
    (("random",), seeds.random),
    (("state",), seeds.state),
    (("leftovers",), traces.leftovers),
    (("untouched", "random-state", "globals"), traces.traces),
    (("data",), inputs.data),
    (("labels",), inputs.labels),
    (("mode",), inputs.mode),
    (("weights",), network.weights),
    (("symmetry",), network.symmetry),
    (("names",), network.names),
    (("rounds",), network.rounds),
    (("parameters",), network.parameters),
    (("layers",), values.layers),
    (("ties",), values.ties),
    (("structured",), values.structured),
    (("ablation",), values.ablation),
    (("conserves",), values.conserves),
    (("dtype",), values.dtype),
    (("device",), values.device),
)
"""Names of the findings that a check yields, and the check, in which the method is watched."""
_UNWATCHED: tuple[tuple[tuple[str, ...], Check], ...] = (
    (("holds",), training.holds),
    (("stages",), stages.stages),
    (("worker",), isolation.worker),
)
"""Where the kit itself trains and loads data."""


def conformance(
    method: str, *, plugins: Sequence[str] = (), checks: Collection[str] = (), skip: Collection[str] = ()
) -> list[Finding]:
    """What is wrong with a method, on small networks and artificial data: nothing, if it does what it declares.

    Args:
        method: a spec, such as `my-method(power=2)`.
        plugins: Python files or modules that register methods.
        checks: names of checks, keys of `QUESTIONS`; none is all. Whether it runs at all is always seen to.
        skip: names of checks to leave out.

    Raises:
        UnknownNameError, SpecError: no such method, or parameters that it does not take.
        UsageError: no such check.
    """
    for name in (*checks, *skip):
        if name not in QUESTIONS:
            raise UsageError(f"unknown check {name!r}{suggestion(name, QUESTIONS)}")
    wanted = [name for name in QUESTIONS if (not checks or name in checks) and name not in skip]
    ways_in.ready(tuple(plugins))
    candidate = Candidate.of(Spec.parse(method))
    threads = torch.get_num_threads()
    with kept(), redirect_stdout(sys.stderr):
        torch.set_num_threads(1)  # the networks are small, and workers have one
        try:
            found = _all(candidate, wanted)
        finally:
            torch.set_num_threads(threads)
    order = list(QUESTIONS)
    return sorted(found, key=lambda finding: (finding.weight != "fault", order.index(finding.check)))


def assert_conforms(
    method: str, *, plugins: Sequence[str] = (), checks: Collection[str] = (), skip: Collection[str] = ()
) -> None:
    """For tests of a method: no fault is found; arguments are those of `conformance`.

    Raises:
        AssertionError: one line for every fault.
    """
    found = conformance(method, plugins=plugins, checks=checks, skip=skip)
    faults = [finding for finding in found if finding.weight == "fault"]
    if faults:
        raise AssertionError("\n".join([f"{method} does not do what it declares:", *map(str, faults)]))


def _all(candidate: Candidate, wanted: Collection[str]) -> list[Finding]:
    with watched() as watch:
        with kept():
            candidate, found = outcome.tried(candidate)
            candidate = seeds.settled(candidate)
        for names, check in _CHECKS:
            if candidate.grounds and any(name in wanted for name in names):
                found += _run(candidate, names, check)
    if candidate.grounds:
        found += [*isolation.gradients(candidate, watch), *training.training(candidate, watch)]
        for names, check in _UNWATCHED:
            if any(name in wanted for name in names):
                found += _run(candidate, names, check)
    found += isolation.own_data(watch)
    always = ("runs", "scores", "masks")
    return [finding for finding in found if finding.check in wanted or finding.check in always]


def _run(candidate: Candidate, names: tuple[str, ...], check: Check) -> list[Finding]:
    """Findings of a check; what the method raises while it is checked is one."""
    found: list[Finding] = []
    try:
        with kept():
            found.extend(check(candidate))
    except (Exception, SystemExit) as error:
        message = " ".join(str(error).split())
        mend = "it runs on a first try, so look at what this check changes"
        what = f"ends with {type(error).__name__} while it is checked"
        found.append(Finding(names[0], "fault", what, message, mend))
    return found
