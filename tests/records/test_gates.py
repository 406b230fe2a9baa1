"""How metrics are compared with a baseline."""

from __future__ import annotations

import re

import pytest

from prunebench.records.baseline import gate_of, gated
from prunebench.records.metrics import METRICS
from prunebench.records.suite import load_suite


@pytest.mark.parametrize("name", METRICS)
def test_what_a_training_decides_is_sampled_and_what_helps_to_read_it_is_shown(name):
    gate = METRICS[name].gate
    if re.search(r"accuracy|loss|error|residual|hessian|instability|slope|gap", name):
        assert gate == ("shown" if name.endswith("_se") else "sampled")
    if METRICS[name].unit in {"weights", "layers", "classes", "parameters", "MAC"}:
        assert gate == "structural"
    assert gated(name) == (gate != "shown")


@pytest.mark.parametrize("suite", ["collapse", "conservation", "sanity", "stability", "tradeoff"])
def test_what_a_suite_answers_its_question_with_is_compared(suite):
    found = load_suite(suite)
    asked = [found.primary.metric, *(part.metric for part in (found.curve, found.verdicts) if part)]
    assert all(map(gated, asked))


def test_a_metric_that_nothing_defines_is_compared_as_a_draw():
    assert gate_of("of_a_later_version") == "sampled"


def test_show_tells_the_gate(command):
    ended = command("show", "rho_cr_dead_layer", "--format", "csv")
    assert ended.code == 0
    assert "gate,structural" in ended.out
