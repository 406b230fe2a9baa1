"""Training by a user's function: the tickets of a recipe that the function imitates, and what it may not do."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

import prunebench as pb
from prunebench.engine.masks import Masks
from prunebench.engine.method import build
from prunebench.engine.prunable import prunable
from prunebench.engine.subject import Subject
from prunebench.engine.ticket import Phase
from prunebench.engine.training.by_function import FunctionTrainer, TrainFunction
from prunebench.engine.training.rewinding import train
from prunebench.errors import PruningError, TrainingError
from prunebench.plugins import ready
from prunebench.seeding import seed_of
from prunebench.spec import Spec
from prunebench.tasks.recipes.base import Recipe
from tests.engine.training.plain_training import CPU, conv, mlp, pictures, random_masks, same, trainer, vectors

ready()
STEPS, BATCH, EACH = 20, 6, 4
RECIPE = Recipe(
    lr=0.2, batch=BATCH, steps=STEPS, schedule="step", milestones=(0.5,), factor=0.2, weight_decay=0.01, rewind=(),
    validation=0,
)  # fmt: skip
"""22 samples: batches of 6, 6, 6 and 4."""


def imitation(data, calls=None, hold=False):
    """What RECIPE does, as anybody would write it."""

    def loop(model, stretch):
        if calls is not None:
            calls.append(stretch)
        optimiser = torch.optim.SGD(model.parameters(), lr=1, momentum=0.9, weight_decay=0.01)
        held = stretch.masks.hold(model, optimiser) if hold else None
        model.train()
        for step in range(stretch.begin, stretch.end):
            last = stretch.rate == "final" or step >= stretch.total / 2
            optimiser.param_groups[0]["lr"] = stretch.scale * 0.2 * (0.2 if last else 1)
            epoch, number = divmod(stretch.place + step - stretch.begin, EACH)
            order = torch.randperm(22, generator=torch.Generator().manual_seed(seed_of("data-order", 0, epoch=epoch)))
            index = order[number * BATCH : (number + 1) * BATCH]
            optimiser.zero_grad()
            nn.functional.cross_entropy(model(data.x[index]), data.y[index]).backward()
            optimiser.step()
            if not hold:
                stretch.masks.apply(model)
        if held is not None:
            held.remove()

    return loop


def subject(model, data, **more):
    return Subject(model, data.shape, 0, CPU, train=data, **more)


@pytest.mark.parametrize("hold", [False, True], ids=["apply", "hold"])
@pytest.mark.parametrize(
    "method",
    [
        "lottery", "lottery(rewind=0.25)", "imp(rate=0.5)", "imp(rate=0.5,rewind=0.2)", "fine-tune", "lr-rewinding",
        "weight-rewinding(rewind=0.3)",
    ],
)  # fmt: skip
def test_a_function_that_does_what_a_recipe_does_finds_and_trains_the_same_ticket(method, hold):
    data, model = vectors(), mlp()
    by_recipe = subject(model, data, recipe=RECIPE)
    by_hand = subject(model, data, by_function=TrainFunction(imitation(data, hold=hold), STEPS))
    one, other = (build(Spec.parse(method)).open(s).ticket(0.3) for s in (by_recipe, by_hand))
    assert one.masks == other.masks
    assert one.masks.kept() == round(0.3 * one.masks.total())
    assert (one.phase, one.sparse, one.spent, one.notes) == (other.phase, other.sparse, other.spent, other.notes)
    assert (one.weights is None) == (other.weights is None)
    for name, value in (one.weights or {}).items():
        torch.testing.assert_close(other.weights[name], value, atol=1e-6, rtol=1e-5)
    ends = [train(s, ticket) for s, ticket in ((by_recipe, one), (by_hand, other))]
    for name, value in ends[0].weights.items():
        torch.testing.assert_close(ends[1].weights[name], value, atol=2e-6, rtol=1e-5)
    assert (ends[0].steps, ends[0].spent) == (ends[1].steps, ends[1].spent)
    assert ends[1].masks == one.masks


def test_the_users_model_stays_as_it_is():
    """Values, gradients, modes and hooks; so do torch's random numbers."""
    data, model = vectors(), mlp()
    model[1].eval()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    before, state = copy.deepcopy(model), torch.get_rng_state()
    dropping = pb.Recipe(lr=0.2, batch=6, steps=20, schedule="constant", dropout=0.3, rewind=(), validation=0)
    task = pb.Task(train=(data.x, data.y), recipe=dropping)
    for method in ("imp(rate=0.5)", "lottery(rewind=0.25)"):
        pb.find_ticket(model, method, density=0.3, task=task)
        pb.find_ticket(model, method, density=0.3, train=imitation(data), steps=STEPS, input_shape=(6,))
    assert same(before.state_dict(), model.state_dict())
    assert [m.training for m in model.modules()] == [m.training for m in before.modules()]
    assert all(torch.equal(p.grad, torch.ones_like(p)) for p in model.parameters())
    assert not any(module._forward_pre_hooks for module in model.modules())
    assert torch.equal(torch.get_rng_state(), state)


def shuffling(data, ends):
    """A loop that draws its batches from torch's own random stream, as a shuffling DataLoader does."""

    def loop(model, stretch):
        for _ in range(stretch.begin, stretch.end):
            index = torch.randperm(22)[:BATCH]
            gradients = torch.autograd.grad(
                nn.functional.cross_entropy(model(data.x[index]), data.y[index]), list(model.parameters())
            )
            with torch.no_grad():
                for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                    parameter.sub_(0.2 * gradient)
            stretch.masks.apply(model)
        ends.append((stretch.begin, stretch.end, copy.deepcopy(model.state_dict())))

    return loop


def test_all_runs_of_a_repetition_shuffle_alike_so_that_rewound_weights_lie_on_the_dense_runs_way():
    data, model, ends = vectors(), mlp(), []
    given = {"density": 0.3, "train": shuffling(data, ends), "steps": STEPS, "input_shape": (6,)}
    ticket = pb.find_ticket(model, "lottery(rewind=0.25)", **given)
    ((_, _, dense),) = [end for end in ends if end[:2] == (0, STEPS)]
    for other in ("lr-rewinding", "lottery"):
        ends.clear()
        pb.find_ticket(model, other, **given)
        assert same(ends[0][2], dense)
    ends.clear()
    pb.train(model, None, train=given["train"], steps=STEPS)
    assert same(ends[0][2], dense)
    # The ticket's weights are five of the dense run's steps away from the initialisation.
    middle = copy.deepcopy(model)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("train-function", 0, epoch=0))
        shuffling(data, [])(middle, pb.Stretch(Masks.full(prunable(model)), 0, 5, STEPS))
        assert same(middle.state_dict(), ticket.weights)
        shuffling(data, [])(middle, pb.Stretch(Masks.full(prunable(model)), 5, STEPS, STEPS))
    assert same(middle.state_dict(), dense)
    ends.clear()
    pb.find_ticket(model, "lottery", seed=1, **given)
    assert not same(ends[0][2], dense), "another repetition shuffles otherwise"


@pytest.mark.parametrize(
    ("phase", "begin", "end"),
    [(Phase(), 0, 20), (Phase(begin=0.25), 5, 20), (Phase(length=1.5), 0, 30), (Phase(begin=0.5, rate="final"), 10, 20),
     (Phase(scale=0.1), 0, 20), (Phase(length=0.01), 0, 1)],
    ids=str,
)  # fmt: skip
def test_a_function_is_asked_for_the_steps_of_the_phase(phase, begin, end):
    calls, data = [], vectors()
    one = FunctionTrainer(mlp(), TrainFunction(imitation(data, calls), STEPS), device=CPU, phase=phase)
    middle = (begin + end + 1) // 2
    one.run(middle)
    one.run(middle)
    one.run()
    one.run()
    parts = [(begin, middle, end), (middle, end, end)]
    assert [(s.begin, s.end, s.total) for s in calls] == [part for part in parts if part[0] < part[1]]
    assert {(s.rate, s.scale) for s in calls} == {(phase.rate, phase.scale)}
    assert all(s.masks.density() == 1 for s in calls)
    assert (one.step, one.begun, one.length) == (end, begin, STEPS)


def test_masks_and_what_is_held_are_zero_before_and_after():
    model = conv()
    masks, held = random_masks(model, 0.4), {"1.bias": torch.tensor([True, False, True])}
    seen = []

    def function(model, stretch):
        gone = [model.get_parameter(name)[~mask] for name, mask in {**masks, **held}.items()]
        seen.append((stretch.masks, any(bool(values.any()) for values in gone), torch.is_grad_enabled()))
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1)
        stretch.masks.apply(model)

    one = FunctionTrainer(model, TrainFunction(function, 10), device=CPU, phase=Phase())
    one.hold(masks, held)
    with torch.no_grad():
        one.run(5)
    assert seen == [(masks, False, True)]
    for name, mask in {**masks, **held}.items():
        assert not one.weights()[name][~mask].any()
        assert one.weights()[name][mask].any()
    one.hold(None)
    assert one.masks == Masks.full(masks)
    assert one.held == {}
    with pytest.raises(PruningError, match="same prunable tensors"):
        one.hold(random_masks(mlp(), 0.5))
    with pytest.raises(PruningError, match=r"9\.bias is to be held at zero, and the network has no such parameter"):
        one.hold(masks, {"9.bias": torch.zeros(3, dtype=torch.bool)})


def broken(what):
    def function(model, stretch):
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(1)
            stretch.masks.apply(model)
            what(model)

    one = FunctionTrainer(mlp(), TrainFunction(function, 10), device=CPU, phase=Phase())
    one.hold(random_masks(one.model, 0.5))
    return one


def test_pruned_weights_that_came_back_are_an_error():
    one = broken(lambda model: model[2].weight.add_(1e-30))
    with pytest.raises(TrainingError, match=r"brought pruned weights of 2\.weight back, by step 4: call .*apply"):
        one.run(4)


@pytest.mark.parametrize("name", ["2.weight", "4.bias"])
@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_and_biases_that_are_not_finite_are_an_error(name, bad):
    def spoil(model):
        parameter = model.get_parameter(name)
        parameter[torch.nonzero(parameter)[0].unbind()] = bad

    one = broken(spoil)
    with pytest.raises(TrainingError, match=rf"left weights in {name} that are not finite, at step 10"):
        one.run()


def test_a_function_that_trains_something_else_is_an_error():
    def elsewhere(model, stretch):
        imitation(vectors())(copy.deepcopy(model), stretch)

    one = FunctionTrainer(mlp(), TrainFunction(elsewhere, 10), device=CPU, phase=Phase())
    one.hold(random_masks(one.model, 0.5))
    with pytest.raises(TrainingError, match="changed no weight up to step 10"):
        one.run()


def test_epochs_mean_nothing_to_a_function():
    with pytest.raises(TrainingError, match="position 2 counts epochs: a train function takes shares below 1"):
        FunctionTrainer(mlp(), TrainFunction(imitation(vectors()), 10), device=CPU, phase=Phase(begin=2))
    finder = build(Spec.parse("lottery(rewind=2)")).open(
        subject(mlp(), vectors(), by_function=TrainFunction(imitation(vectors()), STEPS))
    )
    with pytest.raises(PruningError, match="position 2 counts epochs"):
        finder.ticket(0.5)


def test_errors_of_the_function_are_the_users_own():
    def raises(model, stretch):
        raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        FunctionTrainer(mlp(), TrainFunction(raises, 10), device=CPU, phase=Phase()).run()


def test_a_recipe_trains_on_images_as_the_same_loop_by_hand():
    """BatchNorm's statistics are part of it."""
    data = pictures().whole()
    recipe, model = RECIPE, conv()
    other = copy.deepcopy(model)
    one = trainer(model, recipe, data)
    masks = random_masks(model, 0.5)
    one.hold(masks)
    one.run()
    two = FunctionTrainer(other, TrainFunction(imitation(data), STEPS), device=CPU, phase=Phase())
    two.hold(masks)
    two.run()
    for name, value in one.weights().items():
        torch.testing.assert_close(two.weights()[name], value, atol=1e-5, rtol=1e-4)
