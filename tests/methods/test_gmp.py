"""Gradual magnitude pruning: the schedule by hand, what each cut keeps, the runs of a user."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import dataclass, field

import pytest
import torch
from torch import nn

from prunebench.engine.method import build
from prunebench.engine.prunable import prunable
from prunebench.engine.subject import Subject
from prunebench.engine.training.by_function import TrainFunction
from prunebench.engine.training.rewinding import train
from prunebench.engine.training.trainer import Trainer
from prunebench.errors import PruningError, SpecError
from prunebench.methods.gmp import cubic
from prunebench.plugins import ready
from prunebench.spec import Spec
from prunebench.tasks.build import load_dataset

ready()
CPU = torch.device("cpu")
MNIST1D = Spec("mnist1d")


@dataclass
class Noise:
    """A train function that moves every weight a little, and remembers what it was asked and what it left."""

    stretches: list = field(default_factory=list)
    left: list = field(default_factory=list)
    generator: torch.Generator = field(default_factory=lambda: torch.Generator().manual_seed(1))

    def __call__(self, model, stretch):
        with torch.no_grad():
            for weight in model.parameters():
                weight.add_(torch.randn(weight.shape, generator=self.generator) * 0.05)
        stretch.masks.apply(model)
        self.stretches.append(stretch)
        self.left.append({name: w.detach().clone() for name, w in prunable(model).items()})

    @property
    def places(self):
        return [(s.begin, s.end) for s in self.stretches]


def dense(*widths):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(*(nn.Linear(a, b) for a, b in itertools.pairwise(widths)))


def conv():
    """36, 360 and 100 weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return nn.Sequential(
            nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 10, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(10, 10)
        )


def by_noise(spec, model, density, steps=100):
    noise = Noise()
    subject = Subject(model, (model[0].weight.shape[1],), 0, CPU, by_function=TrainFunction(noise, steps))
    return build(Spec.parse(spec)).open(subject).ticket(density), noise


def counts(noise):
    return [list(s.masks.by_layer().values()) for s in noise.stretches]


def on_mnist1d(spec, density, *, recipe="small-sgd(epochs=2)", model="mlp(repeat=2)", repetition=0):
    subject = Subject.of(Spec.parse(model), MNIST1D, repetition, Spec.parse(recipe))
    return subject, build(Spec.parse(spec)).open(subject).ticket(density)


# The schedule --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("done", "initial", "final", "sparsity"),
    [
        (0, 0, 0.9, 0),
        (0.25, 0, 0.9, 0.5203125),  # 0.9 · (1 − 27/64)
        (0.5, 0, 0.9, 0.7875),  # 0.9 · 7/8
        (0.75, 0, 0.9, 0.8859375),  # 0.9 · 63/64
        (1, 0, 0.9, 0.9),
        (0, 0.3, 0.8, 0.3),
        (0.2, 0.3, 0.8, 0.544),  # 0.8 − 0.5 · 0.512
        (-0.5, 0.3, 0.8, 0.3),
        (1.5, 0.3, 0.8, 0.8),
        (0.7, 0.6, 0.6, 0.6),
    ],
)
def test_the_cubic_by_hand(done, initial, final, sparsity):
    assert cubic(done, initial, final) == pytest.approx(sparsity, abs=1e-15)


def test_every_cut_keeps_what_the_formula_says():
    # 400 weights in two layers, sparsities after 0 to 4 of 4 cuts from step 20 to 60 as above: 400, 191.875, 85,
    # 45.625 and 40 are left, half of them in each layer.
    ticket, noise = by_noise("gmp(start=0.2, end=0.6, events=4)", dense(20, 10, 20), 0.1)
    assert noise.places == [(0, 20), (20, 30), (30, 40), (40, 50), (50, 60), (60, 100)]
    found = counts(noise)
    assert [sum(c) for c in found] == [400, 400, 192, 85, 46, 40]
    assert [sorted(c) for c in found] == [[200, 200], [200, 200], [96, 96], [42, 43], [23, 23], [20, 20]]
    assert list(ticket.masks.by_layer().values()) == [20, 20]
    assert (ticket.phase, ticket.spent, ticket.notes) == (None, 1.0, ())


@pytest.mark.parametrize("scope", ["layer", "global"])
def test_each_cut_takes_the_smallest_that_are_left_and_none_comes_back(scope):
    _, noise = by_noise(f"gmp(events=7, scope={scope})", dense(20, 30, 10), 0.13)
    gone = 0
    for before, weights, after in zip(noise.stretches, noise.left, noise.stretches[1:], strict=False):
        kept, lost = {}, {}
        for name, weight in weights.items():
            old, new = before.masks[name], after.masks[name]
            assert not (new & ~old).any()
            kept[name], lost[name] = weight.abs()[new], weight.abs()[old & ~new]
            gone += lost[name].numel()
        groups = zip(kept.values(), lost.values(), strict=True)
        if scope == "global":
            groups = [(torch.cat(list(kept.values())), torch.cat(list(lost.values())))]
        assert all(a.min() >= b.max() for a, b in groups if a.numel() and b.numel())
    assert gone == 900 - 117


def test_by_layer_all_have_one_density_and_over_all_layers_they_do_not():
    model = dense(20, 50, 4)
    with torch.no_grad():
        model[0].weight.copy_(5 + torch.rand(50, 20))
    by_layer, together = (by_noise(f"gmp(scope={s})", model, 0.1)[0].masks for s in ("layer", "global"))
    assert list(by_layer.by_layer().values()) == [100, 20]
    assert list(together.by_layer().values()) == [120, 0]


def test_the_first_cut_takes_the_initial_sparsity_at_once():
    # 0.8 − 0.3 · (1 − i/2)³ of 400 weights: 200 and 95 are left before the last 80.
    _, noise = by_noise("gmp(initial=0.5, events=2, start=0.1, end=0.5)", dense(20, 10, 20), 0.2)
    assert [(s.begin, s.masks.kept()) for s in noise.stretches] == [(0, 400), (10, 200), (30, 95), (50, 80)]


def test_cuts_on_one_step_are_one_and_the_last_of_them_counts():
    # Steps 4, 4.2, 4.4, 4.6, 4.8 and 5: three cuts at step 4, where 0.9 · (1 − 0.6³) are gone, and three at step 5.
    _, noise = by_noise("gmp(start=0.4, end=0.5, events=5)", dense(20, 10, 20), 0.1, steps=10)
    assert [(s.begin, s.masks.kept()) for s in noise.stretches] == [(0, 400), (4, 118), (5, 40)]
    _, noise = by_noise("gmp(start=0.3, end=0.3)", dense(20, 10, 20), 0.1)
    assert [(s.begin, s.masks.kept()) for s in noise.stretches] == [(0, 400), (30, 40)]


def test_epochs_are_positions_too():
    # 36 batches an epoch, cuts at steps 36, 45, 54, 63 and 72, which is the end.
    held = []
    with pytest.MonkeyPatch.context() as patch:
        hold = Trainer.hold
        patch.setattr(Trainer, "hold", lambda self, masks, *a: (held.append(self.step), hold(self, masks, *a)))
        on_mnist1d("gmp(start=1, end=2, events=4)", 0.1)
    assert held == [36, 45, 54, 63, 72]


def test_a_density_of_one_is_plain_training():
    subject, ticket = on_mnist1d("gmp", 1.0)
    plain = train(subject).weights
    assert ticket.masks.kept() == ticket.masks.total()
    assert all(torch.equal(ticket.weights[name], value) for name, value in plain.items())


@pytest.mark.parametrize("density", [0.003, 0.0371, 0.5, 0.9999])
@pytest.mark.parametrize("spec", ["gmp", "gmp(scope=global)", "gmp(variant=v2)"])
def test_counts_are_exact_at_any_density(spec, density):
    model = conv()
    ticket, noise = by_noise(spec, model, max(density, 3 / 496))
    assert ticket.masks.kept() == round(max(density, 3 / 496) * 496)
    for before, after in itertools.pairwise(noise.stretches):
        assert all(not (after.masks[name] & ~before.masks[name]).any() for name in after.masks)


# Version 2 -----------------------------------------------------------------------------------------------------------


def test_v2_by_hand_on_a_convolutional_network():
    # 120 of 496: all 36 of the first layer, 20 of the classifier's 100, 64 of the other 360. Half way 7/8 of what is
    # to go is gone, in every layer: 0, 70 of 80, 259 of 296.
    ticket, noise = by_noise("gmp(variant=v2, events=2)", conv(), 120 / 496)
    assert counts(noise) == [[36, 360, 100], [36, 360, 100], [36, 101, 30], [36, 64, 20]]
    assert list(ticket.masks.by_layer().values()) == [36, 64, 20]
    # 150 steps, cuts from 37.5 to 112.5.
    assert noise.places == [(0, 38), (38, 75), (75, 112), (112, 150)]
    assert (ticket.spent, ticket.phase, ticket.notes) == (1.5, None, ())


def test_v2_with_an_initial_sparsity_leaves_the_first_layer_whole():
    # 0.5 · 496 = 248 of 376 are gone at first: of every layer 248/376 of what it is to lose.
    _, noise = by_noise("gmp(variant=v2, events=1, initial=0.5)", conv(), 120 / 496)
    assert counts(noise)[1] == [36, 165, 47]  # 360 − 195.2, 100 − 52.8


def test_v2_without_a_convolution_spares_the_classifier_alone():
    # 100 of 1000: 40 of the last 200, 30 of each other 400.
    ticket, _ = by_noise("gmp(variant=v2)", dense(20, 20, 20, 10), 0.1)
    assert list(ticket.masks.by_layer().values()) == [30, 30, 40]
    assert ticket.notes == ()


@pytest.mark.parametrize(
    ("density", "kept", "notes"),
    [
        (0.2, [80, 80, 40], []),
        # At 80 % sparsity the classifier would have less than the others.
        (0.3, [120, 120, 60], ["4.weight keeps 0.3 as the other layers do"]),
        # 4 of 1000, at least one each for the first two.
        (0.004, [1, 1, 2], ["scaled down, 4.weight keeps 0.01"]),
    ],
)
def test_v2_says_where_the_classifier_cannot_have_its_fifth(density, kept, notes):
    model = nn.Sequential(*(m for layer in dense(20, 20, 20, 10) for m in (layer, nn.ReLU())))
    ticket, _ = by_noise("gmp(variant=v2)", model, density)
    assert list(ticket.masks.by_layer().values()) == kept
    assert len(ticket.notes) == len(notes)
    assert all(part in note for part, note in zip(notes, ticket.notes, strict=True))


def test_v2_scales_a_first_layer_down_that_the_budget_cannot_hold():
    # 25 of 496: one is left for the middle, 24 for 36 + 20.
    ticket, _ = by_noise("gmp(variant=v2)", conv(), 25 / 496)
    assert list(ticket.masks.by_layer().values()) == [15, 1, 9]
    assert "scaled down" in ticket.notes[0]


def test_v2_stretches_the_learning_rates():
    rates = []
    with pytest.MonkeyPatch.context() as patch:
        rate = Trainer.rate
        patch.setattr(Trainer, "rate", lambda self: rates.append(rate(self)) or rates[-1])
        _, ticket = on_mnist1d("gmp(variant=v2)", 0.1)
    # Two epochs of 36 batches are 72 steps, so 108, of which 5.4 rise to 0.1 and the others fall by half a cosine.
    assert (len(rates), ticket.spent) == (108, 1.5)
    assert rates[0] == pytest.approx(0.1 / 5.4)
    assert rates[54] == pytest.approx(0.05 * (1 + math.cos(math.pi * 48.6 / 102.6)))
    assert rates[107] == pytest.approx(0.05 * (1 + math.cos(math.pi * 101.6 / 102.6)))


# Training by a recipe ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "optimiser",
    ["momentum=0.9, weight_decay=0.01", "optimiser=adam, lr=0.01, weight_decay=0.01",
     "optimiser=adamw, lr=0.01, weight_decay=0.1"],
)  # fmt: skip
@pytest.mark.parametrize("variant", ["original", "v2"])
def test_pruned_weights_are_zero_at_the_end_under_every_optimiser(optimiser, variant):
    _, ticket = on_mnist1d(f"gmp(variant={variant})", 0.1, recipe=f"small-sgd(epochs=2, {optimiser})")
    assert ticket.masks.kept() == 1500
    for name, mask in ticket.masks.items():
        assert not ticket.weights[name][~mask].any()
        assert ticket.weights[name][mask].all()


def test_a_ticket_needs_no_more_training_and_is_the_same_every_time():
    subject, ticket = on_mnist1d("gmp", 0.1)
    again = build(Spec("gmp")).open(subject).ticket(0.1)
    assert ticket.masks == again.masks
    assert all(torch.equal(ticket.weights[name], value) for name, value in again.weights.items())
    ended = train(subject, ticket)
    assert (ended.steps, ended.spent) == (0, 1.0)
    assert all(torch.equal(ticket.weights[name], value) for name, value in ended.weights.items())


def test_it_is_better_than_pruning_an_untrained_network():
    test = load_dataset(MNIST1D).test

    def accuracy(spec):
        subject, ticket = on_mnist1d(spec, 0.1, recipe="small-sgd(epochs=6)")
        model = subject.network(train(subject, ticket).weights).eval()
        with torch.no_grad():
            return float((model(test.x).argmax(1) == test.y).double().mean())

    assert accuracy("gmp") > max(accuracy("random"), accuracy("magnitude")) + 0.05


def test_a_run_of_the_suite_takes_it(command, tmp_path):
    ended = command(
        "run", "tradeoff", "-m", "gmp(events=5)", "-m", "gmp(variant=v2)", "--seeds", 1, "--executor", "inline",
        "--set", 'recipes=["small-sgd(epochs=1)"]', "--set", "densities=[0.1]",
    )  # fmt: skip
    assert ended.code == 0, ended.err
    (folder,) = (tmp_path / ".prunebench" / "runs").iterdir()
    records = [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]
    own = [r for r in records if r["row"]["method"].startswith("gmp") and r["row"]["arm"] is None]
    assert {(r["row"]["method"], r["metrics"]["kept"], r["metrics"]["trainings"]) for r in own} == {
        ("gmp(events=5)", 1500, 1.0), ("gmp(variant=v2)", 1500, 1.5),
    }  # fmt: skip


# What is refused -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ("events=0", "events=0 must be at least 1"),
        ("start=-0.1", r"start=-0\.1 must be at least 0"),
        ("end=-1", "end=-1 must be at least 0"),
        ("initial=-0.1", r"initial=-0\.1 is no sparsity"),
        ("initial=1.0", r"initial=1 is no sparsity"),
        ("variant=v2, scope=global", "variant=v2 says what each layer keeps"),
        ("variant=v3", "variant=v3"),
        ("scope=none", "scope=none"),
    ],
)
def test_parameters_that_make_no_sense_are_refused_before_any_training(parameters, message):
    with pytest.raises(SpecError, match=message) as caught:
        build(Spec.parse(f"gmp({parameters})"))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "kind", "message"),
    [
        ("gmp(start=0.6, end=0.5)", SpecError, r"start=0\.6 \(step 43\.2\) lies behind end=0\.5 \(step 36\)"),
        ("gmp(start=1, end=0.2)", SpecError, r"start=1 \(step 36\) lies behind end=0\.2"),
        ("gmp(end=3)", SpecError, "end=3 is past the end of the training, 2 epochs"),
        ("gmp(variant=v2, end=4)", SpecError, "end=4 is past the end of the training, 3 epochs"),
        ("gmp(initial=0.6)", PruningError, r"initial=0\.6 is above the final sparsity 0\.5 of density 0\.5"),
    ],
)
def test_parameters_that_do_not_fit_the_training_are_refused(spec, kind, message):
    with pytest.raises(kind, match=message) as caught:
        on_mnist1d(spec, 0.5)
    assert "\n" not in str(caught.value)


def test_a_train_function_has_no_epochs():
    with pytest.raises(SpecError, match="end=2 counts epochs: a train function takes shares below 1"):
        by_noise("gmp(end=2)", dense(20, 10, 20), 0.1)
