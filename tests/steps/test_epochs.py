"""Accuracy by epoch of networks that are pruned while they train, and of several trainings in a row."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import nn

from prunebench.engine.training.epochs import Epochs
from prunebench.graph import Component
from prunebench.plugins import ready
from prunebench.registry import RECIPES
from prunebench.spec import Spec
from prunebench.steps.cut import cut
from prunebench.steps.nodes import Nodes
from prunebench.steps.prune import pruned
from prunebench.steps.train import trained
from prunebench.tasks.build import load_dataset

ready()
EPOCHS = 4
MODEL, DATA, RECIPE = "mlp(widths=[10],repeat=1)", "digits", f"small-sgd(epochs={EPOCHS},batch=300,lr=0.5,rewind=[0.0])"
TASK = {
    "model": Component("model", Spec.parse(MODEL)), "dataset": Component("dataset", Spec.parse(DATA)), "repetition": 0,
}  # fmt: skip
TRAINED = {**TASK, "recipe": Component(RECIPES.kind, Spec.parse(RECIPE))}
NAMES = {f"{split}_{what}" for split in ("train", "validation", "test") for what in ("loss", "accuracy")}


@dataclass
class Stored:
    value: dict[str, Any]
    tensors: dict[str, Any]


def found(method, *, curves, density=0.3):
    outcome = pruned.run(
        **TRAINED, method=Component("method", Spec.parse(method)), density=density, curves=curves
    )  # fmt: skip
    return Stored(outcome.value, outcome.tensors)


def train(ticket=None, **more):
    outcome = trained.run(**TRAINED, ticket=ticket, **more)
    return Stored(outcome.value, outcome.tensors)


def cut_of(network, **more):
    given = {
        "network": network, "density": 0.3, "by": Component("method", Spec("magnitude")), "source": None,
        "position": None, "final": True, "begin": 0.0, "rate": "recipe", "scale": 1.0, "sparse": True, **more,
    }  # fmt: skip
    outcome = cut.run(**TRAINED, **given)
    return Stored(outcome.value, outcome.tensors)


@pytest.fixture(scope="module")
def dense():
    return train()


EVENTFUL = [
    "gmp(start=2, end=3, events=2)", "targeted(start=2, end=3, events=2)",
    "noise(start=2, end=3, events=2, batches=3)", "noise(start=2, end=3, events=2, batches=3, kind=gaussian)",
]  # fmt: skip


@pytest.mark.parametrize("method", EVENTFUL)
def test_curves_change_no_bit_of_a_training_with_events_and_no_value_of_its_ticket(method):
    on, off = found(method, curves=True), found(method, curves=False)
    assert on.tensors.keys() == off.tensors.keys()
    assert all(torch.equal(on.tensors[name], off.tensors[name]) for name in off.tensors)
    assert {name: value for name, value in on.value.items() if name != "trained_before"} == off.value
    assert train(off, curves=False).value["series"] is None


@pytest.mark.parametrize("method", EVENTFUL)
def test_epochs_before_the_first_event_are_those_of_the_dense_network_and_the_last_is_what_is_measured(method, dense):
    network = train(found(method, curves=True))
    series = network.value["series"]
    assert series["epoch"] == [1, 2, 3, 4]
    assert series.keys() == {"epoch", *NAMES}
    for name in NAMES:
        assert series[name][:2] == dense.value["series"][name][:2]
        assert series[name][2:] != dense.value["series"][name][2:]
        assert series[name][-1] == network.value["metrics"][name]
        assert len(series[name]) == 4


def test_an_epoch_with_an_event_at_its_end_is_measured_before_it():
    ticket = found("targeted(start=2, end=3, events=2)", curves=True)
    before = [event["accuracy_before"] for event in ticket.value["events"]]
    assert ticket.value["trained_before"]["series"]["validation_accuracy"][1:] == before


def test_a_training_of_one_and_a_half_lengths_has_all_of_its_epochs():
    ticket = found("gmp(variant=v2, start=2, end=3, events=2)", curves=True)
    assert ticket.value["trained_before"]["ended"] == 1.5 * EPOCHS
    assert train(ticket).value["series"]["epoch"] == [1, 2, 3, 4, 5, 6]


def test_a_training_that_goes_on_from_another_has_the_epochs_of_both(dense):
    ticket = cut_of(dense)
    after, alone = train(ticket), train(Stored({**ticket.value, "trained_before": None}, ticket.tensors))
    assert after.value["series"]["epoch"] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert alone.value["series"]["epoch"] == [1, 2, 3, 4]
    for name in NAMES:
        assert after.value["series"][name] == dense.value["series"][name] + alone.value["series"][name]
    assert {**after.value, "series": None} == {**alone.value, "series": None}
    third = train(cut_of(after, density=None, sparse=False, scale=0.1))
    assert third.value["series"]["epoch"] == list(range(1, 13))
    assert third.value["series"]["test_loss"][:8] == after.value["series"]["test_loss"]


def test_a_training_that_starts_anew_has_its_own_epochs_alone(dense):
    """Weights of the beginning, as of a lottery ticket: nothing of the dense training is left but the masks."""
    network = train(cut_of(dense, final=False))
    assert network.value["series"]["epoch"] == [1, 2, 3, 4]


def test_without_curves_nothing_is_measured_on_the_way(dense):
    assert "trained_before" not in found("gmp(events=1)", curves=False).value
    assert "trained_before" not in cut_of(train(curves=False)).value
    # Of a method that does not train there is nothing to measure.
    outcome = pruned.run(**TASK, method=Component("method", Spec("magnitude")), density=0.3, curves=True)
    assert "trained_before" not in outcome.value


@pytest.mark.parametrize("curves", [True, False])
def test_the_steps_of_a_plan_measure_epochs_where_its_grid_asks_for_them(curves):
    nodes = Nodes(Spec.parse(MODEL), Spec.parse(DATA), Spec.parse(RECIPE), 0, curves)
    assert nodes.find("gmp", 0.3).arguments["curves"] is curves
    assert nodes.find("snip", 0.3).arguments["curves"] is False


def test_epochs_of_two_trainers_in_one_method_add_up():
    samples = load_dataset(Spec.parse(DATA)).test
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 10))
    epochs = Epochs({"test": samples}, per_epoch=5)

    def trainer(begun, total):
        return SimpleNamespace(model=network, step=begun, begun=begun, total=total)

    first, second = trainer(0, 20), trainer(10, 30)
    for one, steps in ((first, (5, 10)), (second, (15, 20, 25, 30))):
        for step in steps:
            one.step = step
            epochs.watch(one)
    assert epochs.series["epoch"] == [1, 2, 3, 4, 5]
    assert epochs.plain()["ended"] == 6
    assert len(set(epochs.series["test_accuracy"])) == 1, "the network has not changed"
