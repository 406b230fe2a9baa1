"""The step that measures flatness: of which weights, on which samples, and what it skips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable
from prunebench.engine.ticket import Phase, Ticket
from prunebench.engine.training import flatness as engine
from prunebench.graph import Component
from prunebench.plugins import ready
from prunebench.records.metrics import METRICS
from prunebench.spec import Spec
from prunebench.steps.flatness import flatness
from prunebench.steps.train import trained
from prunebench.tasks.build import build_model, load_dataset

ready()
TASK = {
    "model": Component("model", Spec.parse("mlp(widths=[6],repeat=1)")),
    "dataset": Component("dataset", Spec.parse("digits")),
    "recipe": Component("recipe", Spec.parse("small-sgd(epochs=2,batch=300,lr=0.5)")),
}


@dataclass
class Stored:
    value: dict[str, Any]
    tensors: dict[str, Any]


@pytest.fixture(autouse=True)
def _few_samples(monkeypatch):
    monkeypatch.setattr(engine, "SAMPLES", 100)


def network():
    return build_model(TASK["model"].spec, (1, 8, 8), 10, 1)


def half():
    generator = torch.Generator().manual_seed(0)
    return Masks({n: torch.rand(w.shape, generator=generator) < 0.5 for n, w in prunable(network()).items()})


def measured(ticket=None):
    stored = None if ticket is None else Stored(*ticket.stored())
    found = trained.run(**TASK, repetition=1, ticket=stored, curves=False)
    end = Stored(found.value, found.tensors)
    return end, flatness.run(**TASK, repetition=1, ticket=stored, network=end).value


@pytest.mark.parametrize(
    ("ticket", "whole"),
    [
        (None, True),
        (Ticket(half()), False),
        (Ticket(half(), sparse=False), True),
        (Ticket(half(), phase=None), False),
        (Ticket(Masks.full(prunable(network()))), True),
    ],
    ids=["dense", "sparse", "masks dropped", "trained already", "all kept"],
)
def test_it_measures_the_trained_network_in_the_weights_that_it_ended_with(ticket, whole):
    end, found = measured(ticket)
    model = network()
    model.load_state_dict({n.removeprefix("weight/"): t for n, t in end.tensors.items() if n.startswith("weight/")})
    masks = Masks.full(prunable(model)) if whole else half()
    train, _ = load_dataset(TASK["dataset"].spec).split(0.1, 1)
    assert found == {"metrics": engine.flatness(model, masks, engine.chosen(train, 1), 1)}
    assert found["metrics"]["hessian_trace"] > 0


def test_every_metric_is_defined():
    assert set(engine.NAMES) <= METRICS.keys()
    assert {METRICS[name].direction for name in engine.NAMES} == {"none"}
    for size, epsilon in engine.SIZES.items():
        assert f"{epsilon:g}·d" in METRICS[f"loss_rise_{size}"].definition


def test_a_skipped_ticket_is_skipped():
    skipped = Stored({"skipped": "too low"}, {})
    assert flatness.run(**TASK, repetition=1, ticket=skipped, network=skipped).value == {"skipped": "too low"}
    assert flatness.run(**TASK, repetition=1, ticket=None, network=skipped).value == {"skipped": "too low"}


def test_phases_of_tickets_are_part_of_what_is_measured():
    """Another learning rate ends elsewhere."""
    assert measured(Ticket(half(), phase=Phase(scale=0.1)))[1] != measured(Ticket(half()))[1]
