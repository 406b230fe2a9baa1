"""The kit itself: what it takes, what it leaves behind, what it says."""

from __future__ import annotations

import os
import random
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import prunebench as pb
from prunebench import catalogue
from prunebench.engine.prunable import prunable
from prunebench.errors import SpecError, UnknownNameError, UnsupportedOperatorError, UsageError
from prunebench.registry import DATASETS, METHODS
from prunebench.spec import Spec
from prunebench.tasks import build
from prunebench.testing import QUESTIONS, Finding, assert_conforms, conformance
from prunebench.testing.candidate import Candidate
from prunebench.testing.checks import values
from prunebench.testing.networks import CHAIN, GROUNDS, permuted_layer
from prunebench.testing.surroundings import Surroundings, Traces, kept, watched

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def _registry() -> Iterator[None]:
    catalogue.declare()
    before = {*METHODS.entries}
    yield
    for name in {*METHODS.entries} - before:
        METHODS.entries.pop(name)
        METHODS._objects.pop(name)


def test_the_kit_is_offered_by_the_package() -> None:
    assert pb.testing.conformance is conformance


def test_a_good_method_of_a_test_conforms_but_for_the_worker() -> None:
    @pb.scorer("test-power")
    def power(ctx: pb.Scoring, *, exponent: float = 2.0) -> pb.Scores:
        """|θ| to a power."""
        return {name: w.abs() ** exponent for name, w in ctx.weights.items()}

    assert_conforms("test-power", skip=("worker",))
    # What a test registers is unknown to another process, and so it would be in a run.
    (finding,) = conformance("test-power", checks=("worker",))
    assert finding.check == "worker"
    assert "test-power" in finding.evidence or "test_conformance" in finding.evidence


def test_an_assertion_tells_every_fault_in_a_line() -> None:
    @pb.scorer("test-bad", needs={"gradients"})
    def bad(ctx: pb.Scoring) -> pb.Scores:
        """θ itself, and nothing differentiated."""
        return dict(ctx.weights)

    with pytest.raises(AssertionError) as raised:
        assert_conforms("test-bad", skip=("worker",))
    first, *lines = str(raised.value).splitlines()
    assert first == "test-bad does not do what it declares:"
    assert {line.partition(":")[0] for line in lines} == {"gradients", "symmetry"}
    found = conformance("test-bad", skip=("worker",))
    assert lines == [str(finding) for finding in found if finding.weight == "fault"]


def test_notes_break_no_assertion() -> None:
    @pb.scorer("test-spare")
    def spare(ctx: pb.Scoring, *, unused: float = 1.0) -> pb.Scores:
        """|θ|."""
        return {name: w.abs() for name, w in ctx.weights.items()}

    assert_conforms("test-spare", skip=("worker",))
    (note,) = conformance("test-spare", skip=("worker",))
    assert (note.check, note.weight, note.evidence.split()[0]) == ("parameters", "note", "unused")


def test_a_method_that_cannot_do_a_network_and_says_so_is_not_accused() -> None:
    @pb.scorer("test-linear-only")
    def linear_only(ctx: pb.Scoring) -> pb.Scores:
        """|θ| of linear layers."""
        if any(w.dim() > 2 for w in ctx.weights.values()):
            raise UnsupportedOperatorError("convolutions have no rule")
        return {name: w.abs() for name, w in ctx.weights.items()}

    found = conformance("test-linear-only", skip=("worker",))
    assert [(f.check, f.weight) for f in found] == [("runs", "note")] * 3
    assert "residual network: convolutions have no rule" in {f.evidence for f in found}


@pytest.mark.parametrize(
    ("method", "words", "error", "message"),
    [
        ("sinflow", {}, UnknownNameError, "did you mean 'synflow'"),
        ("magnitude(power=2)", {}, SpecError, "takes no parameter 'power'"),
        ("magnitude", {"checks": ("label",)}, UsageError, "unknown check 'label' \\(did you mean 'labels'"),
        ("magnitude", {"skip": ("speed",)}, UsageError, "unknown check 'speed'"),
    ],
)
def test_what_it_does_not_know_is_refused(method: str, words: dict, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        conformance(method, **words)


def test_validation_leaves_nothing_behind(capfd: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    @pb.scorer("test-vandal")
    def vandal(ctx: pb.Scoring) -> pb.Scores:
        """Breaks what it can reach."""
        print("to standard output")
        torch.set_default_dtype(torch.float64)
        np.random.seed(1)
        random.seed(1)
        np.seterr(all="ignore")
        os.environ["PRUNEBENCH_DATA"] = "nowhere"
        os.chdir(tmp_path)
        F.relu = F.gelu
        return {name: w.abs() for name, w in ctx.weights.items()}

    before, get, load = Surroundings(), DATASETS.get, build.load_dataset
    threads, engine = torch.get_num_threads(), torch.autograd._engine_run_backward
    found = {finding.check: finding for finding in conformance("test-vandal", skip=("worker",))}
    assert before.generators() == before.settings() == []
    assert (torch.get_num_threads(), torch.autograd._engine_run_backward) == (threads, engine)
    assert (DATASETS.get, build.load_dataset) == (get, load)
    assert capfd.readouterr().out == ""
    assert "random-state" in found
    assert "patched classes" in found["globals"].evidence or "dtype" in found["globals"].evidence


def test_changes_of_a_network_are_named() -> None:
    model = CHAIN.model()
    subject = CHAIN.subject(model)
    before = Traces.of(subject)
    assert before.changed(subject) == []
    model[1].eval()
    model[0].weight.data[0, 0] += 1
    model[2].weight.requires_grad_(False)
    model[4].register_forward_hook(lambda *_: None)
    model[4].weight.grad = torch.zeros_like(model[4].weight)
    model[3].forward = lambda x: x
    subject.train.y[0] += 1
    assert before.changed(subject) == [
        "0.weight", "gradient of 4.weight", "scoring labels", "training labels",
        "attributes of 3", "hooks of 4", "mode of 1", "requires_grad of 2.weight",
    ]  # fmt: skip


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated")
@pytest.mark.parametrize("how", ["grad", "backward", "func", "jvp"])
def test_differentiation_is_seen_however_it_is_done(how: str) -> None:
    w, v = torch.ones(3, 3, requires_grad=True), torch.ones(3, 3)

    def value(w: torch.Tensor) -> torch.Tensor:
        return ((v @ w) @ v).sum()

    with watched() as watch:
        if how == "grad":
            torch.autograd.grad(value(w), w)
        elif how == "backward":
            value(w).backward()
        elif how == "func":
            torch.func.grad(value)(w)
        else:
            torch.func.jvp(value, (w.detach(),), (v,))
    assert watch.differentiations >= 1
    assert watch.through_layers >= 1
    before = watch.differentiations
    value(w).backward()
    assert watch.differentiations == before


def test_one_contraction_is_no_derivative_of_a_network() -> None:
    probe = torch.zeros(4, 3, requires_grad=True)
    with watched() as watch:
        torch.autograd.grad(F.linear(torch.ones(2, 3), probe).sum(), probe)
    assert (watch.differentiations, watch.through_layers) == (1, 0)


@pytest.mark.parametrize("ground", GROUNDS, ids=lambda ground: ground.name)
def test_grounds_are_the_same_at_every_call_and_let_a_signal_through(ground) -> None:
    first, second = ground.model(), ground.model()
    assert all(torch.equal(tensor, second.state_dict()[name]) for name, tensor in first.state_dict().items())
    assert torch.equal(ground.data().x, ground.data().x)
    x, y = ground.data().x, ground.data().y
    assert torch.bincount(y).tolist() == [8] * 4
    F.cross_entropy(first(x), y).backward()
    assert all(float(w.grad.abs().sum()) > 0 for w in prunable(first).values())
    other = permuted_layer(second, list(prunable(second))[1])
    changed = [name for name, w in prunable(other).items() if not torch.equal(w, prunable(second)[name])]
    assert changed == [list(prunable(second))[1]]


@pytest.mark.parametrize(("drawn", "expected"), [(0, []), (1, ["device"])])
def test_masks_that_hang_on_the_device_are_a_fault(monkeypatch, drawn: int, expected: list[str]) -> None:
    # Another network in the place of another device, where there is none.
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(values, "_on_cuda", lambda ground: replace(ground, drawn=drawn).subject())
    assert [f.check for f in values.device(Candidate.of(Spec("magnitude")))] == expected


def test_global_state_is_set_back_after_an_error() -> None:
    before = Surroundings()

    def fail() -> None:
        with kept():
            torch.set_grad_enabled(False)
            torch.manual_seed(1)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert before.generators() == before.settings() == []


def test_ratios_declare_what_the_ranking_within_declares() -> None:
    assert Candidate.of(Spec.parse("erk")).random
    assert not Candidate.of(Spec.parse("erk(within=magnitude)")).random
    snip = Candidate.of(Spec.parse("erk(within=snip)"))
    assert snip.needs == {"data", "labels", "gradients"}
    assert snip.by_ratios


def test_a_finding_is_one_line() -> None:
    finding = Finding("data", "fault", "what", "evidence", "mend it")
    assert str(finding) == "data: what (evidence); mend it"
    assert all(question.endswith("?") for question in QUESTIONS.values())
