"""Can the instrument see anything? A control where there must be a difference, and one where there is none."""

from __future__ import annotations

import math
from statistics import mean, stdev

import pytest
from scipy import stats

import prunebench as pb

SEEDS = 5

SUITE = """
name = "controls"
version = 1
question = "?"
[primary]
metric = "test_accuracy"
tolerance = 1.0
density = 0.1
[[column]]
header = "10 %"
metric = "test_accuracy"
density = 0.1
[scale.quick]
about = "positive and negative control on mnist1d"
seeds = 5
minutes = 1
[[scale.quick.grid]]
check = "tradeoff"
models = ["mlp(repeat=2)"]
datasets = ["mnist1d"]
recipes = ["small-sgd"]
methods = ["weight-rewinding", "reinit(of=weight-rewinding)", "random", "rearranged-for-tests"]
densities = [0.1]
"""

PLUGIN = '''
import torch
import prunebench as pb


@pb.method("rearranged-for-tests", needs={"training"}, traits={"random"})
class Rearranged(pb.Method):
    """The mask of `random`, its entries permuted within every layer."""

    def prune(self, ctx):
        masks = ctx.steps.find("random", ctx.density).masks
        return pb.Masks({n: m.flatten()[torch.randperm(m.numel(), generator=ctx.generator)].view(m.shape)
                         for n, m in masks.items()})
'''


def interval(differences, level):
    """Mean of paired differences and half of its t interval."""
    half = stats.t.ppf((1 + level) / 2, len(differences) - 1) * stdev(differences) / math.sqrt(len(differences))
    return mean(differences), half


@pytest.fixture(scope="module")
def accuracy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("controls")
    (folder / "controls.toml").write_text(SUITE)
    (folder / "plugin.py").write_text(PLUGIN)
    results = pb.run(
        str(folder / "controls.toml"), plugins=[str(folder / "plugin.py")], store=folder / "store", executor="inline"
    )
    assert {record.status for record in results.records} == {"ok"}
    found: dict[str, list[float]] = {}
    for record in sorted(results.records, key=lambda r: r.row.repetition):
        found.setdefault(record.row.method, []).append(record.metrics["test_accuracy"])
    return found


def differences(accuracy, first, second):
    return [a - b for a, b in zip(accuracy[first], accuracy[second], strict=True)]


def test_late_weights_beat_the_same_mask_drawn_anew_by_points_at_equal_budget(accuracy):
    # 9.9 ± 1.4 points at n = 10 elsewhere: five seeds are enough to see five points at the 99 % level.
    middle, half = interval(differences(accuracy, "weight-rewinding", "reinit(of=weight-rewinding)"), 0.99)
    assert middle - half > 5


def test_a_random_mask_and_its_rearrangement_are_worth_the_same(accuracy):
    middle, half = interval(differences(accuracy, "random", "rearranged-for-tests"), 0.95)
    assert abs(middle) < half
    assert abs(middle) + half < 3
