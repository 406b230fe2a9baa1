"""Learning rates by step: torch's schedulers as oracles, and small cases by hand."""

from __future__ import annotations

import itertools
import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler as schedulers

from prunebench.tasks.recipes.base import Recipe
from prunebench.tasks.recipes.rates import last, share

SAMPLES, BATCH = 1000, 100
EACH = 10


def rates(recipe):
    total = recipe.length(SAMPLES)
    return [share(recipe, step, total, recipe.per_epoch(SAMPLES)) for step in range(total)]


def torchs(scheduler, total):
    """Rates of a scheduler that is stepped after each step, of a largest rate of 1."""
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    walked = scheduler(optimiser)
    found = []
    with warnings.catch_warnings():
        # SequentialLR itself passes the epoch that it warns of.
        warnings.filterwarnings("ignore", message="The epoch parameter in `scheduler.step", category=UserWarning)
        for _ in range(total):
            found.append(float(optimiser.param_groups[0]["lr"]))
            optimiser.step()
            walked.step()
    return found


def rising(optimiser, steps):
    return schedulers.LinearLR(optimiser, start_factor=1 / steps, total_iters=steps - 1)


@pytest.mark.parametrize(
    ("epochs", "milestones", "drops", "factor"),
    [
        (8, (0.5, 0.75), [40, 60], 0.1), (8, (2, 5), [20, 50], 0.2), (8, (2, 0.5), [20, 40], 0.5),
        (8, (2.5, 0.95), [25, 76], 0.3), (0.7, (0.5,), [4], 0.1), (8, (0, 0.5), [0, 40], 0.1),
        (8, (0.5, 0.5), [40, 40], 0.1), (8, (8,), [80], 0.1), (8, (), [], 0.1),
        (3, (91 / 182, 136 / 182), [15, 22], 0.1),
    ],
    ids=str,
)  # fmt: skip
def test_steps_are_those_of_multi_step_lr(epochs, milestones, drops, factor):
    recipe = Recipe(batch=BATCH, epochs=epochs, milestones=milestones, factor=factor)
    expected = torchs(lambda o: schedulers.MultiStepLR(o, drops, gamma=factor), recipe.length(SAMPLES))
    assert rates(recipe) == pytest.approx(expected, rel=1e-12)


@given(st.integers(1, 400), st.lists(st.floats(0.01, 0.99), max_size=5), st.floats(0.05, 1))
def test_any_steps_are_those_of_multi_step_lr(total, shares, factor):
    drops = [round(share_of_t * total) for share_of_t in sorted(shares)]
    recipe = Recipe(batch=BATCH, steps=total, milestones=tuple(sorted(shares)), factor=factor)
    expected = torchs(lambda o: schedulers.MultiStepLR(o, drops, gamma=factor), total)
    assert rates(recipe) == pytest.approx(expected, rel=1e-9)


@given(st.integers(1, 400))
def test_a_cosine_is_that_of_cosine_annealing_lr(total):
    recipe = Recipe(batch=BATCH, steps=total, schedule="cosine")
    expected = torchs(lambda o: schedulers.CosineAnnealingLR(o, T_max=total), total)
    assert rates(recipe) == pytest.approx(expected, rel=1e-6, abs=1e-12)


@pytest.mark.parametrize(("warmup", "steps"), [(0.1, 8), (0.5, 40), (2, 20), (1.5, 15)])
def test_warm_up_is_that_of_linear_lr_and_a_cosine_begins_at_its_end(warmup, steps):
    def cosine(optimiser):
        parts = [rising(optimiser, steps), schedulers.CosineAnnealingLR(optimiser, T_max=80 - steps)]
        return schedulers.SequentialLR(optimiser, parts, milestones=[steps])

    def stepped(optimiser):
        return schedulers.ChainedScheduler([rising(optimiser, steps), schedulers.MultiStepLR(optimiser, [4, 60])])

    recipe = {"batch": BATCH, "epochs": 8, "warmup": warmup}
    assert rates(Recipe(schedule="cosine", **recipe)) == pytest.approx(torchs(cosine, 80), abs=1e-9)
    assert rates(Recipe(milestones=(0.05, 0.75), **recipe)) == pytest.approx(torchs(stepped, 80), abs=1e-12)
    constant = torchs(lambda o: rising(o, steps), 80)
    assert rates(Recipe(schedule="constant", **recipe)) == pytest.approx(constant, abs=1e-12)


@pytest.mark.parametrize(("warmup", "top"), [(0.3, 24), (0.05, 4), (0.9, 72), (2, 20), (0.306, 24.48)])
def test_one_cycle_is_that_of_one_cycle_lr_with_positions_from_nothing_to_t(warmup, top):
    """Torch's has its top at `pct_start` · T − 1 and its end at T − 1: one of T + 1 steps ends at T."""

    def cycle(optimiser):
        return schedulers.OneCycleLR(
            optimiser, max_lr=1.0, total_steps=81, pct_start=(top + 1) / 81, cycle_momentum=False
        )

    recipe = Recipe(batch=BATCH, epochs=8, schedule="one-cycle", warmup=warmup)
    found = rates(recipe)
    assert found == pytest.approx(torchs(cycle, 80), rel=1e-9)
    assert found[0] == pytest.approx(0.04)
    assert share(recipe, 80, 80, EACH) == pytest.approx(4e-6)


def test_flat_then_linear_by_hand():
    recipe = Recipe(batch=BATCH, steps=10, schedule="flat-then-linear", milestones=(0.5, 0.9), factor=0.01)
    assert rates(recipe) == pytest.approx([1, 1, 1, 1, 1, 1, 0.7525, 0.505, 0.2575, 0.01])
    jump = Recipe(batch=BATCH, steps=4, schedule="flat-then-linear", milestones=(0.5, 0.5), factor=0.2)
    assert rates(jump) == pytest.approx([1, 1, 0.2, 0.2])
    in_epochs = Recipe(batch=500, epochs=3, schedule="flat-then-linear", milestones=(1, 3), factor=0)
    assert rates(in_epochs) == [1, 1, 1, 0.75, 0.5, 0.25]


def test_warm_up_by_hand():
    assert rates(Recipe(steps=6, schedule="constant", warmup=0.5)) == pytest.approx([1 / 3, 2 / 3, 1, 1, 1, 1])
    assert rates(Recipe(steps=4, schedule="constant", warmup=0.125)) == [1, 1, 1, 1]
    assert rates(Recipe(batch=500, steps=3, schedule="cosine", warmup=2)) == [0.25, 0.5, 0.75], "longer than the run"


@given(
    st.sampled_from(["constant", "step", "cosine", "one-cycle", "flat-then-linear"]), st.integers(1, 200),
    st.floats(1e-3, 0.999), st.lists(st.floats(0, 0.999), min_size=2, max_size=2), st.sampled_from([0, 0.01, 0.2, 1]),
)  # fmt: skip
def test_every_rate_is_a_share_of_the_largest_and_falls_after_the_warm_up(schedule, total, warmup, places, factor):
    recipe = Recipe(
        batch=BATCH, steps=total, schedule=schedule, warmup=warmup, milestones=tuple(sorted(places)), factor=factor
    )
    found = rates(recipe)
    assert all(0 <= rate <= 1 for rate in found)
    assert sum(found) > 0 or factor == 0
    after = [rate for step, rate in enumerate(found) if step >= warmup * total]
    assert all(a >= b - 1e-12 for a, b in itertools.pairwise(after))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({}, 0.01), ({"milestones": (0.3, 0.6, 0.8), "factor": 0.2}, 0.008), ({"milestones": (0.5, 0.999)}, 0.1),
        ({"schedule": "constant"}, 1), ({"schedule": "cosine"}, 0.01), ({"schedule": "one-cycle", "warmup": 0.3}, 0.01),
        ({"schedule": "flat-then-linear", "milestones": (0.5, 0.9), "factor": 0.05}, 0.05),
        ({"schedule": "flat-then-linear", "milestones": (0.5, 0.9), "factor": 0}, 0.01), ({"factor": 0}, 0.01),
    ],
    ids=str,
)  # fmt: skip
def test_fine_tuning_takes_the_last_rate_or_a_hundredth_where_that_is_nothing(values, expected):
    recipe = Recipe(batch=BATCH, epochs=8, **values)
    assert last(recipe, 80, EACH) == pytest.approx(expected)
