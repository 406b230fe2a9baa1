"""What the library says when a training cannot be as asked."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import prunebench as pb
from prunebench.engine.custom import TRAINING
from prunebench.errors import PruningError, SpecError, TrainingError, UnknownNameError, UsageError
from prunebench.plugins import ready
from prunebench.registry import METHODS
from tests.own_task import CLASSES, FEATURES, PLAIN, RECIPE, data, descend, error_of, network, task

ready()


@pytest.fixture(autouse=True)
def _no_trace_in_the_registry():
    yield
    for name in [name for name in METHODS.entries if name.startswith("test-")]:
        del METHODS.entries[name], METHODS._objects[name]


def test_a_method_that_trains_says_what_it_needs() -> None:
    model = network()
    message = error_of(lambda: pb.prune(model, "imp", density=0.5, batch=data()), PruningError)
    assert "'imp' trains: use pb.find_ticket, with a task or a train function" in message
    assert "trains" in error_of(lambda: pb.score(model, "lottery", batch=data()), PruningError)
    message = error_of(lambda: pb.find_ticket(model, "imp", density=0.5, batch=data()))
    assert "trains: give task=pb.Task(...), or train= and steps=" in message
    assert "trains: the task has no recipe" in error_of(
        lambda: pb.find_ticket(model, "imp", density=0.5, task=task(None))
    )
    assert "nothing says how to train" in error_of(lambda: pb.train(model, None, task(None)), TrainingError)
    assert "nothing says how to train" in error_of(lambda: pb.train(model), TrainingError)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"task": "digits"}, "a task is a pb.Task"),
        ({"task": task(), "batch": data()}, "leave the batch out"),
        ({"task": task(), "input_shape": (7,)}, "not that of the task's inputs"),
        ({"task": task(), "train": descend, "steps": 5}, "one of the two says how to train"),
        ({"train": descend}, "train= needs steps="),
        ({"train": descend, "steps": 5}, "give input_shape"),
        ({"train": descend, "steps": 0}, "steps=0 is no number of steps"),
        ({"train": descend, "steps": 2.5}, "steps=2.5 is no number of steps"),
        ({"train": "sgd", "steps": 5}, "called with (model, stretch), which a str cannot"),
        ({"task": task(), "steps": 5}, "give train= as well"),
    ],
)
def test_arguments_that_do_not_go_together_are_refused(changes, message) -> None:
    assert message in error_of(lambda: pb.find_ticket(network(), "lottery", density=0.5, **changes))


def test_recipes_that_there_are_not_are_refused_when_the_task_is_made() -> None:
    assert "did you mean 'small-sgd'" in error_of(lambda: task("small-sdg"), UnknownNameError)
    assert "takes no parameter 'epoch' (did you mean 'epochs'?)" in error_of(
        lambda: task("small-sgd(epoch=3)"), SpecError
    )
    assert "lr=0 is not positive" in error_of(lambda: task("small-sgd(lr=0)"), SpecError)
    assert "a recipe is a spec" in error_of(lambda: task(0.1), TrainingError)
    assert task(pb.Recipe(epochs=1)).recipe == pb.Recipe(epochs=1)


X, Y = data()


@pytest.mark.parametrize(
    ("train", "message"),
    [
        (X, "train is a pair of tensors"),
        ((X.numpy(), Y.numpy()), "train is a pair of tensors"),
        ((X, Y[:-1]), "train needs as many labels as inputs, not 89 for 90"),
        ((X[:0], Y[:0]), "train needs as many labels as inputs, not 0 for 0"),
        (((X * 9).to(torch.uint8), Y), "train inputs need a floating-point type, not torch.uint8"),
        ((X, Y.float()), "train labels are class numbers [n], not torch.float32"),
        ((X, torch.eye(3)[Y].long()), "not torch.int64 of shape [90, 3]"),
        ((X, Y > 0), "not torch.bool"),
        ((X.where(X < 2, math.nan), Y), "train inputs are NaN or infinite in places"),
    ],
)
def test_data_that_are_none_are_refused_when_the_task_is_made(train, message) -> None:
    assert message in error_of(lambda: pb.Task(train, RECIPE), PruningError)
    if isinstance(train, tuple):
        assert message.replace("train", "test") in error_of(lambda: pb.Task(data(), RECIPE, test=train), PruningError)


def test_labels_of_any_integer_type_are_class_numbers() -> None:
    expected = pb.find_ticket(network(), "lottery", density=0.3, task=task())
    for dtype in (torch.int32, torch.uint8):
        own = task(train=(X, Y.to(dtype)))
        assert pb.find_ticket(network(), "lottery", density=0.3, task=own).masks == expected.masks


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": (X, Y + 1)}, "train labels go from 1 to 3; the network has 3 outputs"),
        ({"train": (X, Y - 1)}, "train labels go from -1 to 1; the network has 3 outputs"),
        ({"test": (X, Y + 5)}, "test labels go from 5 to 7; the network has 3 outputs"),
        ({"train": (X[:, :4], Y), "test": None}, "the network cannot take inputs of shape [2, 4]"),
        ({"train": (X.double(), Y)}, "the network cannot take inputs of shape [2, 6]"),
        ({"train": (X[:20], Y[:20]), "recipe": "small-sgd(validation=0.01)"}, "or the recipe validation=0"),
    ],
)
def test_data_that_do_not_fit_the_network_are_refused_before_anything_trains(changes, message) -> None:
    assert message in error_of(lambda: pb.find_ticket(network(), "lottery", density=0.3, task=task(**changes)))
    assert message in error_of(lambda: pb.train(network(), None, task(**changes)))


def test_splits_of_different_shapes_are_refused() -> None:
    assert "test inputs have shape [4], train inputs [6]" in error_of(lambda: task(test=(X[:, :4], Y)), PruningError)


def test_networks_that_cannot_be_trained_on_the_task_are_refused() -> None:
    own = task("small-sgd(batch=1, epochs=1, steps=2)")
    message = error_of(lambda: pb.find_ticket(network(), "lottery", density=0.3, task=own), TrainingError)
    assert "batches of one sample do not train here" in message
    assert "more than 1 value per channel" in message
    assert pb.find_ticket(network(norm=False), "lottery", density=0.3, task=own).masks.kept() == 22
    frozen = network().requires_grad_(False)
    assert "no parameter that requires a gradient" in error_of(lambda: pb.train(frozen, None, task()), TrainingError)
    assert "no prunable weights" in error_of(lambda: pb.train(nn.Sequential(nn.ReLU()), None, task()), PruningError)
    images = nn.Sequential(nn.Conv1d(1, 3, 3), nn.ReLU())
    own = task(train=(torch.randn(9, 1, 6), torch.arange(9) % 3), test=None, recipe=PLAIN)
    assert "a task needs logits [2, classes]; the network gives [2, 3, 4]" in error_of(
        lambda: pb.train(images, None, own), PruningError
    )


def test_a_density_below_a_weight_a_layer_is_refused_before_anything_trains() -> None:
    def never(model: nn.Module, stretch: pb.Stretch) -> None:
        raise AssertionError("trained")

    message = error_of(
        lambda: pb.find_ticket(network(), "imp", density=0.01, train=never, steps=5, input_shape=(FEATURES,)),
        PruningError,
    )
    assert "1 of 72 weights, fewer than the 2 prunable layers" in message
    assert "density" in error_of(lambda: pb.find_ticket(network(), "imp", density=1.5, task=task()), UsageError)


def test_train_functions_that_do_not_do_their_work_are_refused() -> None:
    def find(function: Any, method: str = "imp(rate=0.5)") -> Any:
        return pb.find_ticket(network(), method, density=0.3, train=function, steps=6, input_shape=(FEATURES,))

    def revives(model: nn.Module, stretch: pb.Stretch) -> None:
        descend(model, pb.Stretch(pb.Masks.full(dict(stretch.masks)), stretch.begin, stretch.end, stretch.total))

    other = network()

    def elsewhere(model: nn.Module, stretch: pb.Stretch) -> nn.Module:
        descend(other, stretch)
        return other

    def explodes(model: nn.Module, stretch: pb.Stretch) -> None:
        model[0].weight.data *= math.inf

    assert "brought pruned weights of 0.weight back, by step 6" in error_of(lambda: find(revives), TrainingError)
    message = error_of(lambda: find(elsewhere), TrainingError)
    assert "changed no weight up to step 6: it has to train the model that it is given, in place" in message
    assert "changed no weight" in error_of(lambda: find(lambda model, stretch: None), TrainingError)
    assert "not finite, at step 6" in error_of(lambda: find(explodes), TrainingError)
    assert "counts epochs" in error_of(lambda: find(descend, "lottery(rewind=2)"))


def test_a_network_that_cannot_be_drawn_again_is_said_in_one_line() -> None:
    class Scaled(nn.Linear):
        def __init__(self) -> None:
            super().__init__(FEATURES, CLASSES)
            self.gain = Gain()

        def forward(self, x: Tensor) -> Tensor:
            return super().forward(x) * self.gain.value

    class Gain(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.value = nn.Parameter(torch.ones(1))

    @pb.method("test-again", needs=TRAINING)
    class Again(pb.Method):
        """The ticket with new weights."""

        def tickets(self, steps: Any, density: float) -> Any:
            """Train, cut, draw again."""
            return steps.control(steps.cut(steps.train(), density), fresh=True)

    message = error_of(lambda: pb.find_ticket(Scaled(), "test-again", density=0.5, task=task()), PruningError)
    assert "layer gain cannot be drawn again: Gain has no reset_parameters" in message
    ticket = pb.find_ticket(network(), "test-again", density=0.5, task=task())
    assert ticket.weights is not None
    assert not torch.equal(ticket.weights["0.weight"], network().state_dict()["0.weight"])


def test_tickets_and_tasks_in_the_wrong_place_are_refused() -> None:
    assert "the ticket is a Task: write pb.train(model, ticket, task)" in error_of(
        lambda: pb.train(network(), task()), UsageError
    )
    other = pb.Ticket(pb.prune(nn.Linear(3, 3), "random", density=0.5, input_shape=(3,)))
    assert "same prunable tensors" in error_of(lambda: pb.train(network(), other, task()), PruningError)
    masks = pb.prune(network(), "random", density=0.5, input_shape=(FEATURES,))
    late = pb.Ticket(masks, phase=pb.Phase(begin=3.0))
    assert "position 3 is outside the recipe, which has 2 epochs" in error_of(
        lambda: pb.train(network(), late, task()), SpecError
    )


def test_a_training_that_diverges_is_said_with_its_step() -> None:
    assert "diverged at step" in error_of(lambda: pb.train(network(), None, task("small-sgd(lr=1e30)")), TrainingError)
