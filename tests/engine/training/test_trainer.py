"""Training against plain loops; batches, divergence, dropout, random streams, every kind of data."""

from __future__ import annotations

import copy
import itertools
import random

import numpy as np
import pytest
import torch
from torch import nn

from prunebench.engine.prunable import private_copy
from prunebench.engine.ticket import Phase
from prunebench.engine.training.trainer import Trainer
from prunebench.errors import SpecError, TrainingError
from prunebench.tasks.datasets import folders, identity
from prunebench.tasks.datasets.base import Split
from prunebench.tasks.datasets.stream import Stream
from prunebench.tasks.recipes.base import Recipe
from prunebench.tasks.recipes.rates import last
from tests.engine.training.plain_training import (
    CLASSES,
    CPU,
    FEATURES,
    conv,
    mlp,
    pictures,
    plain_loop,
    random_masks,
    same,
    seen,
    trainer,
    vectors,
)
from tests.tasks.fake_data import tree, write_images

# A plain loop --------------------------------------------------------------------------------------------------------

RECIPES = {
    "sgd": {"momentum": 0.0},
    "momentum": {},
    "nesterov": {"nesterov": True},
    "decay": {"weight_decay": 0.02},
    "nesterov-decay": {"nesterov": True, "weight_decay": 0.02},
    "adam": {"optimiser": "adam", "lr": 0.01},
    "adam-decay": {"optimiser": "adam", "lr": 0.01, "weight_decay": 0.02, "betas": (0.8, 0.9)},
    "adamw": {"optimiser": "adamw", "lr": 0.01, "weight_decay": 0.1},
    "smoothing": {"label_smoothing": 0.1},
    "cosine": {"schedule": "cosine"},
    "warm-up": {"schedule": "cosine", "warmup": 2.0},
    "steps": {"schedule": "step", "milestones": (0.3, 0.6), "factor": 0.2},
    "all": {"schedule": "cosine", "warmup": 0.25, "nesterov": True, "weight_decay": 0.02, "label_smoothing": 0.2},
}


def made(**values):
    return Recipe(**{"lr": 0.1, "batch": 5, "epochs": 4, "schedule": "constant", "rewind": (), **values})


def both(recipe, model, data, held=()):
    """Weights of the trainer and of the plain loop that is given the same batches."""
    watched = seen(data)
    plain, one = copy.deepcopy(model), trainer(model, recipe, watched)
    changes = dict(held)
    while one.step < one.total:
        if one.step in changes:
            one.hold(changes[one.step])
        one.run(one.step + 1 if held else None)
    batches = [(data.x[i], data.y[i]) for i in watched.asked]
    assert len(batches) == one.total == recipe.length(len(data))
    plain_loop(plain, recipe, batches, one.total, one.per_epoch, held)
    return one.weights(), plain.state_dict()


def assert_close(found, expected, tolerance):
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("values", RECIPES.values(), ids=RECIPES)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-6), (torch.float64, 4e-15)], ids=["f32", "f64"])
def test_training_is_that_of_a_plain_loop(values, dtype, tolerance):
    found, expected = both(made(**values), mlp(dtype=dtype), vectors(dtype=dtype))
    assert_close(found, expected, tolerance)


@pytest.mark.parametrize("values", RECIPES.values(), ids=RECIPES)
def test_training_under_masks_that_change_is_that_of_a_plain_loop_over_masked_weights(values):
    """Some weights go at step 3, others at step 7 while some of the first come back, and all come back at step 13."""
    model = mlp(dtype=torch.float64)
    held = ((3, random_masks(model, 0.5, 1)), (7, random_masks(model, 0.3, 2)), (13, None))
    found, expected = both(made(**values), model, vectors(dtype=torch.float64), held)
    assert_close(found, expected, 4e-15)


@pytest.mark.parametrize("values", [{}, {"optimiser": "adam", "lr": 0.01}], ids=["sgd", "adam"])
def test_convolutions_and_batchnorm_statistics_are_those_of_a_plain_loop(values):
    model, images = conv(dtype=torch.float64), pictures().whole()
    data = Split(images.x.double(), images.y)
    found, expected = both(made(**values), model, data, ((0, random_masks(model, 0.4)),))
    assert_close(found, expected, 1e-12)
    assert int(found["1.num_batches_tracked"]) == 20


@pytest.mark.parametrize(
    ("phase", "rates"),
    [
        (Phase(begin=0.5), [0.1 * (1 - s / 20) for s in range(10, 20)]),
        (Phase(begin=1), [0.1 * (1 - s / 20) for s in range(5, 20)]),
        (Phase(begin=0.75, rate="final"), [0.02] * 5),
        (Phase(begin=0.75, rate="final", scale=0.5), [0.01] * 5),
        (Phase(scale=2), [0.2 * (1 - s / 20) for s in range(20)]),
        (Phase(length=0.5), [0.1 * (1 - s / 10) for s in range(10)]),
        (Phase(length=2), [0.1 * (1 - s / 40) for s in range(40)]),
        (Phase(begin=0.5, length=1.5), [0.1 * (1 - s / 30) for s in range(10, 30)]),
    ],
    ids=str,
)
def test_a_phase_takes_its_part_of_the_learning_rates(phase, rates):
    recipe = made(schedule="flat-then-linear", milestones=(0, 0.999999999), factor=0.0)
    if phase.rate == "final":
        recipe = made(schedule="step", milestones=(0.5,), factor=0.2)
        assert last(recipe, 20, 5) == 0.2
    one = trainer(mlp(), recipe, vectors(), phase=phase)
    found = []
    while one.step < one.total:
        found.append(one.rate())
        one.run(one.step + 1)
    assert found == pytest.approx(rates, rel=1e-6)
    assert (one.begun, one.step, one.examples) == (one.total - len(rates), one.total, examples(recipe, one))


def examples(recipe, one):
    """22 samples are batches of 5, 5, 5, 5, 2."""
    return sum(2 if step % 5 == 4 else 5 for step in range(one.begun, one.total))


def test_a_constant_rate_replaces_that_of_the_phase():
    one = trainer(mlp(), made(schedule="cosine", momentum=0.0), vectors(), phase=Phase(scale=3))
    one.run(10)
    one.constant = 0.25
    before = one.weights()
    one.run(11)
    change = {name: value - before[name] for name, value in one.weights().items()}
    other = mlp()
    other.load_state_dict(before)
    watched = seen(vectors())
    two = trainer(mlp(), made(), watched)
    two.run(11)
    loss = nn.functional.cross_entropy(other(vectors().x[watched.asked[10]]), vectors().y[watched.asked[10]])
    gradients = torch.autograd.grad(loss, list(other.parameters()))
    for (name, _), gradient in zip(other.named_parameters(), gradients, strict=True):
        torch.testing.assert_close(change[name], -0.025 * gradient, atol=1e-7, rtol=1e-4)


def test_gradients_that_are_there_before_a_run_are_not_added():
    model = mlp()
    one, two = trainer(copy.deepcopy(model), made(), vectors()), trainer(copy.deepcopy(model), made(), vectors())
    for end in (3, 8):
        for parameter in two.model.parameters():
            parameter.grad = torch.ones_like(parameter)
        one.run(end)
        two.run(end)
    assert same(one.weights(), two.weights())


def test_frozen_and_unused_parameters_stay_as_they_are():
    class Branched(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused, self.frozen = (nn.Linear(FEATURES, FEATURES) for _ in range(3))
            self.frozen.requires_grad_(False)
            self.head = nn.Linear(FEATURES, CLASSES)

        def forward(self, x):
            return self.head(self.frozen(self.used(x)).tanh())

    for density in (0.5, 1.0):
        model = Branched()
        masks = random_masks(model, density)
        expected = {n: masks.get(n, torch.ones(())) * v.clone() for n, v in model.state_dict().items()}
        # Masked weights that get no gradient at all are no reason to stop.
        one = trainer(model, made(weight_decay=0.1), vectors())
        one.hold(masks)
        one.run()
        found = one.weights()
        for name in ("unused.weight", "unused.bias", "frozen.weight", "frozen.bias"):
            assert torch.equal(found[name], expected[name])
        assert not torch.equal(found["used.weight"], expected["used.weight"])


def test_masks_of_unused_layers_alone_hold_too():
    class Unused(nn.Module):
        def __init__(self):
            super().__init__()
            self.head, self.spare = nn.Linear(FEATURES, CLASSES), nn.Linear(FEATURES, CLASSES)

        def forward(self, x):
            return self.head(x)

    model = Unused()
    masks = random_masks(model, 1.1)
    masks["spare.weight"][0] = False
    one = trainer(model, made(), vectors())
    one.hold(masks)
    one.run()
    assert not one.weights()["spare.weight"][0].any()


# Batches -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("samples", "batch", "sizes"),
    [
        (22, 5, [5, 5, 5, 5, 2]), (20, 5, [5, 5, 5, 5]), (21, 5, [5, 5, 5, 6]), (4, 5, [4]), (6, 5, [6]),
        (5, 5, [5]), (3, 1, [1, 1, 1]), (3, 2, [3]), (5, 2, [2, 3]), (1, 5, [1]),
    ],
)  # fmt: skip
def test_an_epoch_has_every_sample_once_and_never_a_batch_of_one_that_is_left(samples, batch, sizes):
    data = seen(vectors(samples))
    one = trainer(mlp(), made(batch=batch, epochs=3), data)
    one.run()
    epochs = [data.asked[i : i + len(sizes)] for i in range(0, len(data.asked), len(sizes))]
    assert len(epochs) == 3
    for epoch in epochs:
        assert [len(b) for b in epoch] == sizes
        assert torch.equal(torch.cat(epoch).sort().values, torch.arange(samples))
    if samples > 6:
        orders = [torch.cat(epoch).tolist() for epoch in epochs]
        assert all(a != b for a, b in itertools.combinations(orders, 2)), "another order in every epoch"
    assert one.examples == 3 * samples


def test_order_depends_on_repetition_and_epoch_alone():
    def orders(model, **more):
        data = seen(vectors())
        trainer(model, made(**more.pop("recipe", {})), data, **more).run()
        return [index.tolist() for index in data.asked]

    usual = orders(mlp())
    assert orders(mlp(seed=1), recipe={"optimiser": "adam", "lr": 0.3, "weight_decay": 0.1}) == usual
    assert orders(mlp(), repetition=1) != usual
    torch.manual_seed(123)
    assert orders(mlp()) == usual


def test_batchnorm_trains_where_one_sample_is_left_over():
    model = nn.Sequential(nn.Linear(FEATURES, 4), nn.BatchNorm1d(4), nn.Linear(4, CLASSES))
    one = trainer(model, made(batch=5), vectors(21))
    one.run()
    assert one.per_epoch == 4
    with pytest.raises(ValueError, match="more than 1 value"):
        model.train()(vectors(1).x)


def test_images_and_files_are_trained_on_as_the_tensors_they_are(tmp_path, monkeypatch):
    """Files read batch by batch, and uint8 in memory, give the weights that float tensors give."""
    monkeypatch.setenv("PRUNEBENCH_DATA", str(tmp_path))
    monkeypatch.setattr(folders, "IN_MEMORY", 0)
    write_images(tmp_path / "images", tree(side=8))
    identity.forget()
    files, images = folders.image_folder(size=8).train, pictures()
    assert isinstance(files, Stream)
    for data, recipe in itertools.product((files, images), (made(batch=3), made(batch=3, crop=1, flip=True))):
        found = []
        for samples in (data, data.whole() if not recipe.crop else data.subset(torch.arange(len(data)))):
            model = nn.Sequential(nn.Conv2d(data.shape[0], 2, 3, padding=1), nn.BatchNorm2d(2), nn.Flatten())
            model.append(nn.Linear(2 * data.shape[1] ** 2, CLASSES))
            with torch.no_grad():
                for number, parameter in enumerate(model.parameters()):
                    parameter.copy_(torch.linspace(-1, 1, parameter.numel()).roll(number).view(parameter.shape))
            one = trainer(model, recipe, samples)
            one.run()
            found.append(one.weights())
        assert same(*found)


# Divergence ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lr", [1e38, 1e20, 1e10, 1e4])
def test_divergence_names_the_first_step_whose_loss_is_not_finite(lr):
    recipe = made(lr=lr, momentum=0.5, epochs=30)
    model = nn.Sequential(*(nn.Linear(FEATURES, FEATURES) for _ in range(3)), nn.Linear(FEATURES, CLASSES))
    watched = seen(vectors())
    plain, one = copy.deepcopy(model), trainer(model, recipe, watched)
    with pytest.raises(TrainingError, match="diverged") as error:
        one.run()
    batches = [(vectors().x[i], vectors().y[i]) for i in watched.asked]
    losses = torch.tensor(plain_loop(plain, recipe, batches, one.total, one.per_epoch))
    first = int(torch.nonzero(~torch.isfinite(losses))[0])
    assert f"at step {first} of 150: the loss is " in str(error.value)
    assert "\n" not in str(error.value)


def test_divergence_is_found_whether_or_not_a_run_stops_in_between():
    """The step is that of the whole training, also where it began at a position."""
    messages = set()
    for stops in ([], [3], [1, 2, 3, 4, 5, 6, 7]):
        one = trainer(mlp(), made(lr=1e38), vectors(), phase=Phase(begin=0.25))
        with pytest.raises(TrainingError) as error:  # noqa: PT012 - whichever of the runs
            for stop in (*stops, None):
                one.run(stop)
        messages.add(str(error.value))
    (message,) = messages
    assert "training diverged at step 6 of 20" in message or "training diverged at step 7 of 20" in message


# Dropout -------------------------------------------------------------------------------------------------------------


def test_dropout_takes_inputs_of_linear_layers_after_the_first_while_training():
    """Linear layers see zeros, and the rest scaled by 1 / (1 - p); the first sees the input as it is."""
    share, samples = 0.25, 400
    widths = itertools.pairwise((FEATURES, 50, 50))
    model = nn.Sequential(*(layer for pair in widths for layer in (nn.Linear(*pair), nn.Sigmoid())))
    model.append(nn.Linear(50, CLASSES))
    data = vectors(samples)
    one = trainer(model, made(dropout=share, batch=samples, epochs=1, lr=1e-12, momentum=0.0), data)
    inputs, outputs = {}, {}
    for number in (0, 2, 4):
        model[number].register_forward_pre_hook(lambda _, given, n=number: inputs.__setitem__(n, given[0].detach()))
    for number in (1, 3):
        model[number].register_forward_hook(lambda _, __, out, n=number: outputs.__setitem__(n, out.detach()))
    one.run()
    assert torch.equal(inputs[0].sort(0).values, data.x.sort(0).values)
    for number in (2, 4):
        dropped = inputs[number] == 0
        sigma = (share * (1 - share) / dropped.numel()) ** 0.5
        assert float(dropped.float().mean()) == pytest.approx(share, abs=4 * sigma)
        torch.testing.assert_close(inputs[number][~dropped], (outputs[number - 1] / (1 - share))[~dropped])
    model.eval()(data.x)
    for number in (2, 4):
        assert torch.equal(inputs[number], outputs[number - 1])


def test_dropout_takes_inputs_of_the_first_linear_layer_after_convolutions():
    model = conv()
    one = trainer(model, made(dropout=0.5, batch=22, epochs=1), pictures())
    inputs = []
    for layer in (model[0], model[7]):
        layer.register_forward_pre_hook(lambda _, given: inputs.append(given[0].detach()))
    model[5].register_forward_hook(lambda _, __, out: inputs.append(out.detach()))
    one.run()
    first, relu, linear = inputs
    pixels = pictures().whole().x
    assert torch.equal(first.flatten().sort().values, pixels.flatten().sort().values), "no pixel is dropped"
    kept = linear != 0
    torch.testing.assert_close(linear[kept], 2 * relu.flatten(1)[kept])
    assert 0.4 < float(kept[relu.flatten(1) > 0].float().mean()) < 0.6


def test_a_second_trainer_of_one_network_drops_no_more_than_the_first():
    """A method may ask for a trainer for each of its phases."""
    model = nn.Sequential(nn.Linear(FEATURES, 200), nn.Sigmoid(), nn.Linear(200, CLASSES))
    for share in (0.5, 0.5, 0.2):
        one = trainer(model, made(dropout=share, batch=100, epochs=1, lr=1e-12), vectors(100))
    inputs = []
    model[2].register_forward_pre_hook(lambda _, given: inputs.append(given[0].detach()))
    one.run()
    assert float((inputs[0] == 0).float().mean()) == pytest.approx(0.2, abs=0.02), "the last one says how much"
    trainer(model, made(epochs=1, batch=100, lr=1e-12), vectors(100)).run()
    assert not (inputs[1] == 0).any(), "a recipe without dropout drops nothing"


def test_dropout_without_a_linear_layer_to_drop_at_is_an_error():
    for model in (nn.Sequential(nn.Flatten(), nn.Linear(FEATURES, CLASSES)), nn.Sequential(nn.Conv2d(2, CLASSES, 6))):
        with pytest.raises(TrainingError, match=r"^dropout=0.5: Sequential has no linear layer after the first$"):
            trainer(model, made(dropout=0.5), vectors())


# What is left alone --------------------------------------------------------------------------------------------------


def test_no_random_stream_of_the_user_moves():
    one = trainer(conv(), made(crop=1, flip=True, dropout=0.5), pictures())
    before = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    one.run(7)
    one.run()
    after = torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_random_streams_of_the_user_do_not_reach_the_training():
    found = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        np.random.seed(seed)
        one = trainer(conv(), made(crop=1, flip=True, dropout=0.5), pictures())
        torch.rand(seed)
        one.run(7)
        torch.rand(seed)
        one.run()
        found.append(one.weights())
    assert same(*found)


def test_the_grad_mode_of_the_caller_neither_matters_nor_changes():
    found = []
    for mode in (True, False):
        with torch.set_grad_enabled(mode):
            one = trainer(private_copy(mlp()), made(epochs=1), vectors())
            one.run()
            assert torch.is_grad_enabled() is mode
        found.append(one.weights())
    assert same(*found)


def test_what_is_watched_is_the_end_of_every_epoch_and_of_the_training():
    steps = []
    one = trainer(mlp(), made(epochs=2.4), vectors())
    one.watch = lambda trainer: steps.append(trainer.step)
    one.run(7)
    one.run()
    assert steps == [5, 10, 12]


def test_a_phase_past_the_end_is_refused():
    with pytest.raises(SpecError, match="position 9 is outside the recipe, which has 4 epochs"):
        Trainer(mlp(), made(), vectors(), repetition=0, device=CPU, phase=Phase(begin=9))
