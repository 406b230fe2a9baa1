"""Recipes: refused where no training can have them, positions in steps, round trips, what the papers' are."""

from __future__ import annotations

import dataclasses
import importlib
import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prunebench import catalogue
from prunebench.errors import DuplicateNameError, SpecError
from prunebench.fields import Kind, kinds
from prunebench.registry import RECIPES
from prunebench.spec import Spec
from prunebench.tasks.recipes.base import Recipe, recipe
from prunebench.tasks.recipes.rates import share

catalogue.declare()
NAMES = sorted(entry.name for entry in RECIPES if entry.module.startswith("prunebench."))
FIELDS = [field.name for field in dataclasses.fields(Recipe)]

# What is refused -----------------------------------------------------------------------------------------------------

BAD = [
    {"lr": 0.0}, {"lr": -0.1}, {"lr": math.inf}, {"lr": math.nan}, {"optimiser": "rmsprop"}, {"momentum": 1.0},
    {"momentum": -0.1}, {"nesterov": True, "momentum": 0.0}, {"nesterov": True, "optimiser": "adam"},
    {"betas": (0.9, 1.0)}, {"betas": (-0.1, 0.9)}, {"betas": (0.9,)}, {"weight_decay": -1e-4},
    {"weight_decay": math.inf}, {"batch": 0}, {"batch": 12.5}, {"epochs": 0.0}, {"epochs": -1.0}, {"epochs": math.inf},
    {"steps": -1}, {"schedule": "cosin"}, {"milestones": (-0.1,)}, {"milestones": (0.75, 0.5)},
    {"milestones": (math.nan,)}, {"milestones": (80.0, 200.0)}, {"milestones": (0.5, 1.0)},
    {"milestones": (2.0, 0.5), "epochs": 3.0}, {"milestones": (0.5,), "schedule": "flat-then-linear"},
    {"milestones": (0.1, 0.5, 0.9), "schedule": "flat-then-linear"}, {"factor": -0.1}, {"factor": 1.1},
    {"warmup": -0.1}, {"warmup": 161.0}, {"warmup": 0.0, "schedule": "one-cycle"}, {"label_smoothing": 1.0},
    {"label_smoothing": math.nan}, {"dropout": 1.0}, {"dropout": -0.5}, {"crop": -1}, {"validation": 0.95},
    {"validation": -0.1}, {"rewind": (-0.1,)}, {"rewind": (161.0,)}, {"rewind": (1.0,), "epochs": 0.5},
]  # fmt: skip


@pytest.mark.parametrize("values", BAD, ids=str)
def test_what_no_training_can_have_is_refused_by_one_line_that_names_the_field(values):
    with pytest.raises(SpecError) as error:
        Recipe(**values)
    assert re.fullmatch(r"recipe: .+", str(error.value)), str(error.value)
    assert next(iter(values)) in str(error.value)


def test_every_field_but_flip_has_a_value_that_is_refused():
    assert {next(iter(values)) for values in BAD} == set(FIELDS) - {"flip"}


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("value", [None, ("a", "b"), "1", {}], ids=str)
def test_a_value_of_another_type_is_refused_by_name(name, value):
    with pytest.raises(SpecError, match=rf"^recipe: {name}=.+ is not "):
        Recipe(**{name: value})


def test_a_misspelled_word_is_answered_by_the_nearest():
    with pytest.raises(SpecError, match="did you mean 'cosine'"):
        Recipe(schedule="cosin")


def test_numbers_are_held_as_their_field_has_them_so_that_equal_recipes_are_equal():
    found = Recipe(epochs=20, lr=1, milestones=[5, 10], rewind=(2,))
    assert found == Recipe(epochs=20.0, lr=1.0, milestones=(5.0, 10.0), rewind=(2.0,))
    assert [type(v) for v in (found.epochs, found.lr, *found.milestones)] == [float] * 4
    assert repr(found) == repr(Recipe(epochs=20.0, lr=1.0, milestones=(5.0, 10.0), rewind=(2.0,)))


def test_positions_in_epochs_are_not_held_against_a_length_in_steps():
    assert Recipe(steps=1000, epochs=1, milestones=(2, 4), warmup=1, rewind=(3,)).length(50) == 1000


def test_every_field_names_rows_and_has_a_word_of_its_own():
    assert kinds(Recipe) == dict.fromkeys(FIELDS, Kind.ROW)


# Lengths and positions -----------------------------------------------------------------------------------------------


def batches(samples, size):
    """Sizes of an epoch's batches, one sample alone moved to the batch before it."""
    sizes = [len(range(a, min(a + size, samples))) for a in range(0, samples, size)]
    if len(sizes) > 1 and sizes[-1] == 1 < size:
        sizes[-2:] = [size + 1]
    return sizes


@given(st.integers(1, 300), st.integers(1, 40))
def test_an_epoch_has_the_batches_that_hold_its_samples(samples, size):
    assert Recipe(batch=size).per_epoch(samples) == len(batches(samples, size))


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 50), st.data())
def test_whole_epochs_have_all_their_batches_and_positions_lie_where_they_say(samples, size, epochs, data):
    found, each = Recipe(batch=size, epochs=epochs), len(batches(samples, size))
    assert found.length(samples) == epochs * each
    epoch = data.draw(st.integers(1, epochs))
    assert found.step_at(epoch, samples) == epoch * each
    share_of_t = data.draw(st.floats(0, 1, exclude_max=True))
    step = found.step_at(share_of_t, samples)
    assert abs(step - share_of_t * epochs * each) <= 0.5
    assert 0 <= step <= epochs * each
    assert found.step_at(share_of_t / 2, samples) <= step


@given(st.integers(1, 10**6), st.integers(1, 300), st.integers(1, 40))
def test_a_length_in_steps_holds_whatever_the_data(steps, samples, size):
    assert Recipe(batch=size, steps=steps).length(samples) == steps
    assert Recipe(batch=size, steps=steps).step_at(0.5, samples) in {steps // 2, (steps + 1) // 2}


def test_positions_at_the_ends():
    found = Recipe(batch=10, epochs=4)
    assert found.step_at(0, 100) == 0
    assert found.step_at(math.nextafter(1, 0), 100) == 40
    assert found.step_at(1, 100) == 10, "from 1 up, positions are epochs"
    assert found.step_at(4, 100) == 40
    for position in (4.1, 5, -0.1):
        with pytest.raises(SpecError, match=f"position {position:g} is outside the recipe, which has 4 epochs"):
            found.step_at(position, 100)


def test_a_training_of_less_than_an_epoch_has_a_step_at_least():
    assert Recipe(batch=10, epochs=0.5).length(100) == 5
    assert Recipe(batch=10, epochs=0.5).step_at(0.5, 100) == 2
    assert Recipe(batch=100, epochs=0.01, rewind=()).length(100) == 1
    with pytest.raises(SpecError, match=r"which has 0\.5 epochs"):
        Recipe(batch=10, epochs=0.5).step_at(1, 100)


# The registry --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_of_the_registry_is_what_its_function_makes_and_survives_being_written_out(name):
    module, _, function = RECIPES.entry(name).target.rpartition(":")
    own = getattr(importlib.import_module(module), function)()
    resolved = RECIPES.resolve(Spec(name))
    assert RECIPES.get(name)(**resolved) == own
    assert list(resolved) == FIELDS
    written = Spec.parse(str(Spec(name).with_params(resolved)))
    assert RECIPES.get(name)(**RECIPES.resolve(written)) == own
    assert RECIPES.minimal(written) == Spec(name)


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_may_be_made_short(name):
    changed = RECIPES.get(name)(**RECIPES.resolve(Spec.parse(f"{name}(epochs=2, batch=10)")))
    assert changed.length(100) == 20
    rates = [share(changed, step, 20, 10) for step in range(20)]
    assert 0 < min(rates) < max(rates) <= 1, "the schedule shrinks with it"
    assert all(0 <= changed.step_at(position, 100) <= 20 for position in changed.rewind)


def test_an_unknown_word_and_a_value_of_another_type_are_refused_when_a_spec_is_resolved():
    with pytest.raises(SpecError, match=r"takes no parameter 'epoch' \(did you mean 'epochs'"):
        RECIPES.resolve(Spec.parse("small-sgd(epoch=3)"))
    with pytest.raises(SpecError, match="recipe 'small-sgd': batch=0 must be at least 1"):
        RECIPES.resolve(Spec.parse("small-sgd(batch=0)"))
    with pytest.raises(SpecError, match=r"^recipe 'small-sgd': dropout=1 is outside \[0, 0\.9999\]$"):
        RECIPES.get("small-sgd")(**RECIPES.resolve(Spec.parse("small-sgd(dropout=1)")))


@pytest.fixture
def _nothing_stays(monkeypatch):
    monkeypatch.setattr(RECIPES, "entries", dict(RECIPES.entries))
    monkeypatch.setattr(RECIPES, "_objects", dict(RECIPES._objects))


@pytest.mark.usefixtures("_nothing_stays")
def test_a_decorated_function_becomes_an_entry_with_its_own_defaults():
    def mine() -> Recipe:
        """Short and steep."""
        return Recipe(lr=0.5, epochs=3)

    assert recipe("test-mine", paper="Doe 2026", notes="None.")(mine) is mine
    entry = RECIPES.entry("test-mine")
    assert (entry.kind, entry.summary, entry.paper, entry.notes) == ("recipe", "Short and steep", "Doe 2026", "None.")
    defaults = {p.name: p.default for p in entry.parameters}
    assert (defaults["lr"], defaults["epochs"], defaults["batch"]) == (0.5, 3.0, 128)
    made = RECIPES.get("test-mine")(**RECIPES.resolve(Spec.parse("test-mine(epochs=4)")))
    assert made == Recipe(lr=0.5, epochs=4)


@pytest.mark.usefixtures("_nothing_stays")
def test_a_taken_name_and_a_function_that_makes_something_else_are_refused():
    with pytest.raises(DuplicateNameError, match="'small-sgd' is registered twice"):
        recipe("small-sgd")(lambda: Recipe(lr=1))
    with pytest.raises(TypeError, match="recipe 'test-none': <lambda> returns a dict, no Recipe"):
        recipe("test-none")(lambda: {"lr": 0.1})
    assert "test-none" not in RECIPES.entries


# The papers ----------------------------------------------------------------------------------------------------------

STEPPED = {
    # name: optimiser, rate, momentum, Nesterov, decay, batch, epochs, epochs of the drops, factor, held back
    "cifar-lottery": ("sgd", 0.1, 0.9, False, 1e-4, 128, 160, (80, 120), 0.1, 0),
    "cifar-rewinding": ("sgd", 0.1, 0.9, False, 2e-4, 128, 182, (91, 136), 0.1, 0),
    "cifar-sanity": ("sgd", 0.1, 0.9, False, 1e-4, 64, 160, (80, 120), 0.1, 0),
    "tiny-imagenet-sanity": ("sgd", 0.1, 0.9, False, 1e-4, 64, 300, (150, 225), 0.1, 0),
    "cifar-jackpot": ("sgd", 0.1, 0.9, False, 5e-4, 64, 160, (80, 120), 0.1, 0),
    "cifar-synflow": ("sgd", 0.1, 0.9, True, 1e-4, 128, 160, (60, 120), 0.1, 0),
    "cifar-synflow-resnet": ("sgd", 0.01, 0.9, True, 5e-4, 128, 160, (60, 120), 0.2, 0),
    "tiny-imagenet-synflow": ("sgd", 0.01, 0.9, True, 1e-4, 128, 100, (30, 60, 80), 0.2, 0),
    "cifar-grasp": ("sgd", 0.1, 0.9, False, 5e-4, 128, 160, (80, 120), 0.1, 0),
    "tiny-imagenet-grasp": ("sgd", 0.1, 0.9, False, 5e-4, 128, 300, (150, 225), 0.1, 0),
    "cifar-force": ("sgd", 0.1, 0.9, False, 5e-4, 128, 350, (150, 250), 0.1, 0.1),
    "tiny-imagenet-force": ("sgd", 0.1, 0.9, False, 5e-4, 128, 300, (150, 225), 0.1, 0),
    "cifar-stability": ("adam", 1e-3, 0.9, False, 0, 128, 325, (150, 300), 0.1, 0.1),
    "cifar-stability-regularised": ("sgd", 0.1, 0.9, False, 1e-4, 128, 165, (83, 125), 0.1, 0.1),
    "imagenet-grda": ("sgd", 0.1, 0, False, 0, 256, 150, (140,), 0.1, 0),
}


def made(name):
    return RECIPES.get(name)(**RECIPES.resolve(Spec(name)))


@pytest.mark.parametrize("name", STEPPED)
def test_a_papers_recipe_has_its_published_numbers_and_drops_after_whole_epochs(name):
    optimiser, lr, momentum, nesterov, decay, batch, epochs, drops, factor, held_back = STEPPED[name]
    found = made(name)
    assert (found.optimiser, found.lr, found.nesterov) == (optimiser, lr, nesterov)
    assert (found.weight_decay, found.batch, found.validation) == (decay, batch, held_back)
    assert found.momentum == momentum
    for samples in (50_000, 45_000, 100_000):
        each = math.ceil(samples / batch)
        total = found.length(samples)
        assert total == epochs * each
        for epoch in range(epochs):
            expected = factor ** sum(epoch >= drop for drop in drops)
            for step in (epoch * each, (epoch + 1) * each - 1):
                assert share(found, step, total, each) == pytest.approx(expected, rel=1e-12)


def test_snips_recipe_drops_every_30_000_steps_of_150_000():
    found, samples = made("cifar-snip"), 45_000
    assert (found.batch, found.weight_decay, found.validation) == (128, 5e-4, 0.1)
    total = found.length(samples)
    assert total == pytest.approx(150_000, rel=1e-3)
    rates = [share(found, step, total, found.per_epoch(samples)) for step in range(total)]
    drops = [step for step in range(1, total) if rates[step] < rates[step - 1]]
    assert drops == pytest.approx([30_000, 60_000, 90_000, 120_000], rel=1e-3)
    assert sorted(set(rates)) == pytest.approx([1e-4, 1e-3, 1e-2, 1e-1, 1])


@pytest.mark.parametrize(
    ("name", "epochs", "whole", "ratio"),
    [("cifar-grda", 600, 600, 0.01), ("wrn-grda", 200, 200, 0.01), ("cifar-swa", 300, 161, 0.2)],
)
def test_flat_then_linear_is_at_the_start_of_every_epoch_what_the_authors_scripts_say(name, epochs, whole, ratio):
    found, each = made(name), 391
    assert found.length(50_000) == epochs * each
    for epoch in range(epochs):
        t = epoch / whole
        expected = 1.0 if t <= 0.5 else 1.0 - (1.0 - ratio) * (t - 0.5) / 0.4 if t <= 0.9 else ratio
        assert share(found, epoch * each, epochs * each, each) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("name", ["cifar-grda", "wrn-grda", "imagenet-grda"])
def test_directional_pruning_is_without_momentum_and_decay(name):
    assert (made(name).momentum, made(name).weight_decay, made(name).optimiser) == (0, 0, "sgd")


@pytest.mark.parametrize(("name", "total"), [("imagenet-rewinding", 112_590), ("imagenet-gmp", 128_000)])
def test_imagenet_schedules_are_those_of_the_authors_scripts(name, total):
    found, samples = made(name), 1_281_167
    assert found.lr == 0.1 * 1024 / 256
    assert (found.batch, found.momentum, found.nesterov, found.weight_decay) == (1024, 0.9, True, 1e-4)
    each = found.per_epoch(samples)
    assert found.length(samples) == pytest.approx(total, rel=1e-3), "their epochs leave out the last, smaller batch"
    for step in range(0, found.length(samples), 97):
        epoch = step / each
        steps = [(5, epoch / 5), (30, 1), (60, 0.1), (80, 0.01), (math.inf, 1e-3)]
        expected = next(rate for end, rate in steps if epoch < end)
        # Theirs rises from zero, this one from a step above it.
        assert share(found, step, found.length(samples), each) == pytest.approx(
            expected, rel=1e-12, abs=1.001 / (5 * each)
        )


def test_the_recipe_of_soft_thresholds_rises_for_five_epochs_and_falls_by_a_cosine_for_95():
    found, each = made("imagenet-str"), 5005
    assert (found.lr, found.momentum, found.weight_decay) == (0.256, 0.875, 0.00002251757813)
    assert (found.batch, found.label_smoothing) == (256, 0.1)
    assert found.per_epoch(1_281_167) == each
    rates = [share(found, epoch * each, 100 * each, each) for epoch in range(100)]
    assert rates[:5] == pytest.approx([(epoch * each + 1) / (5 * each) for epoch in range(5)])
    assert rates[5:] == pytest.approx([0.5 * (1 + math.cos(math.pi * e / 95)) for e in range(95)])


@pytest.mark.parametrize(
    ("kept", "position", "found"),
    [((0.05,), 8, 0.05), ((8.0,), 0.05, 8.0), ((0.1,), 0.1, 0.1), ((0.05,), 9, None), ((), 0.1, None)],
)
def test_a_rewind_point_is_found_by_its_share_or_its_epochs(kept, position, found):
    assert Recipe(epochs=160, rewind=kept).rewind_point(position) == found


def test_epochs_and_shares_are_not_compared_where_the_length_is_in_steps():
    assert Recipe(steps=100, rewind=(0.05,)).rewind_point(8) is None
