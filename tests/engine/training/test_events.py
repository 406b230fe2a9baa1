"""Events of one training: the published schedules by hand, what is measured at them."""

from __future__ import annotations

import itertools
import json
import math
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from prunebench.engine.masks import Masks
from prunebench.engine.ticket import Phase, Ticket
from prunebench.engine.training.by_function import FunctionTrainer, TrainFunction
from prunebench.engine.training.events import Log, Timing, kept_after
from prunebench.errors import SpecError
from prunebench.tasks.datasets.base import Split


def steps(start, end, interval=0.0, events=1, *, total=325, per_epoch=1):
    trainer = SimpleNamespace(total=total, per_epoch=per_epoch)
    return Timing(start, end, interval, events).steps(trainer, "method")


@pytest.mark.parametrize(
    ("retrain", "early", "last"),
    [(4, 37, 68), (20, 8, 14), (40, 4, 7), (60, 3, 5), (100, 2, 3), (200, 1, 2), (300, 1, 1)],
)
def test_the_published_schedules_of_vgg_11_have_their_numbers_of_events(retrain, early, last):
    """Layers from epoch 3 to 150 and from 6 to 275; the ends of 25-epoch ones would be left out otherwise."""
    assert len(steps(3, 150, retrain)) == early
    assert len(steps(6, 275, retrain)) == last
    assert steps(6, 275, retrain) == [6 + retrain * i for i in range(last)]


def test_the_end_is_included():
    assert steps(40, 100, 30, total=165) == [40, 70, 100]
    assert steps(40, 100, 60, total=165) == [40, 100]
    assert len(steps(24, 100, 1, total=165)) == 77
    assert steps(0.2, 0.65, 0.15, total=1000) == [200, 350, 500, 650]


def test_a_number_of_events_is_spread_evenly():
    assert steps(0.2, 0.65, events=4, total=1000) == [200, 350, 500, 650]
    assert steps(0.2, 0.65, events=1, total=1000) == [200]
    assert steps(0, 0.5, events=3, total=10) == [0, 2, 5]
    assert steps(2, 6, events=3, total=100, per_epoch=10) == [20, 40, 60]
    assert steps(0.1, 9, 4, total=100, per_epoch=10) == [10, 50, 90]


def test_what_is_kept_falls_by_the_same_number_and_is_rounded_up():
    """512 filters of which 90 % go: F = ⌈51.2⌉ = 52, and after the first of 68 events ⌈52 + 460·67/68⌉ = 506."""
    kept = [kept_after(512, 52, i, 68) for i in range(1, 69)]
    assert kept[:2] == [506, 499]
    assert kept[33] == 52 + 460 // 2
    assert kept[-1] == 52
    assert [kept_after(512, 52, i, 3) for i in (1, 2, 3)] == [359, 206, 52]  # 358.67, 205.33


def test_a_small_layer_loses_nothing_at_most_events():
    """A tenth of 16 filters is one, at the last event; of 64 filters six, at six of 77."""
    assert [kept_after(16, 15, i, 3) for i in (1, 2, 3)] == [16, 16, 15]
    assert [kept_after(16, 15, i, 2) for i in (1, 2)] == [16, 15]
    kept = [64, *(kept_after(64, math.ceil(0.9 * 64), i, 77) for i in range(1, 78))]
    assert sum(a > b for a, b in itertools.pairwise(kept)) == 6


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ((0.5, 0.2), r"^method: start=0\.5 \(step 50\) lies behind end=0\.2 \(step 20\)$"),
        ((0.5, 11), r"^method: end=11 is past the end of the training, 10 epochs$"),
        ((12, 11), r"^method: start=12 is past"),
        ((1, 3, 20), r"^method: interval=20 is past"),
    ],
)
def test_events_outside_of_the_training_are_refused(given, message):
    with pytest.raises(SpecError, match=message):
        steps(*given, total=100, per_epoch=10)


def test_a_train_function_has_no_epochs():
    function = TrainFunction(lambda model, stretch: None, 50)
    trainer = FunctionTrainer(nn.Linear(2, 2), function, device=torch.device("cpu"), phase=Phase())
    with pytest.raises(SpecError, match="end=3 counts epochs: a train function takes shares below 1"):
        Timing(0.1, 3, 0.0, 2).steps(trainer, "method")
    assert Timing(0.1, 0.5, 0.2, 1).steps(trainer, "method") == [5, 15, 25]


# Measurements --------------------------------------------------------------------------------------------------------


def logged(weights):
    """Two classes by the sign of x: an event turns the first weights `[2, 1]` into the second ones."""
    model = nn.Linear(1, 2, bias=False)
    x = torch.tensor([[1.0], [1.0], [1.0], [-1.0]])
    log = Log(model, Split(x, torch.tensor([0, 0, 1, 0])), 20)
    before, after = (torch.tensor([[a], [b]]) for a, b in weights)
    model.weight.data = before
    measured = log.measure()
    model.weight.data = after
    log.note(5, 1, measured)
    return log.entries[0], log


def test_instability_is_absolute_and_relative_and_of_accuracy_and_loss():
    """Logits (x, 0) are right twice; (0, x), twice wrong and once right, and at −1: four samples."""
    entry, log = logged(((1.0, 0.0), (0.0, 2.0)))
    plus, minus = math.log(1 + math.exp(-1)), math.log(1 + math.exp(1))
    before = (2 * plus + minus + minus) / 4
    plus, minus = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    after = (2 * minus + plus + plus) / 4
    expected = {
        "position": 0.25, "step": 5, "kept": 1, "accuracy_before": 50, "accuracy_after": 50,
        "instability_abs": 0, "instability_rel": 0, "loss_before": before, "loss_after": after,
        "loss_instability_abs": after - before, "loss_instability_rel": after / before - 1,
    }  # fmt: skip
    assert entry == pytest.approx(expected, rel=1e-6)
    assert log.notes == ()


def test_a_drop_of_accuracy_is_positive_and_relative_to_what_it_was():
    entry, _ = logged(((-1e-3, 0.0), (1e-3, 0.0)))  # right: the third and fourth; the first and second
    assert entry["instability_abs"] == 0
    entry, _ = logged(((2.0, 1.0), (0.0, 0.0)))  # 50 %; equal logits are class 0, 75 %
    assert (entry["instability_abs"], entry["instability_rel"]) == (-25, -0.5)


def test_relative_to_nothing_is_left_out():
    entry, log = logged(((0.0, 0.0), (0.0, 0.0)))
    log.note(6, 1, {"accuracy": 0.0, "loss": 2.0})
    assert "instability_rel" in entry
    assert "instability_rel" not in log.entries[1]
    assert log.entries[1]["instability_abs"] == -75


def test_without_a_validation_split_events_are_noted_and_not_measured():
    log = Log(nn.Linear(1, 2), None, 20)
    assert log.notes == ()
    log.note(5, 3, log.measure())
    assert log.entries == [{"position": 0.25, "step": 5, "kept": 3}]
    assert log.notes == ("no validation split: the instability of events is not measured",)


def test_events_of_a_ticket_are_stored():
    model = nn.Linear(1, 2)
    events = ({"step": 5, "instability_abs": 1.5}, {"step": 6, "kept": 2})
    value, tensors = Ticket(Masks.full({"weight": model.weight}), events=events).stored()
    back = Ticket.read(json.loads(json.dumps(value)), tensors, {"weight": model.weight})
    assert back.events == events
