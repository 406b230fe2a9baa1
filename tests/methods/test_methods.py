"""Methods: their scores by hand, and what holds for every registered one."""

from __future__ import annotations

import copy
import itertools
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

import prunebench as pb
from prunebench.engine.method import build
from prunebench.engine.prunable import prunable
from prunebench.engine.subject import Subject
from prunebench.errors import DuplicateNameError, SpecError, UnknownNameError
from prunebench.plugins import ready
from prunebench.registry import METHODS, chooses, whole
from prunebench.spec import Spec
from prunebench.tasks.build import build_model
from prunebench.tasks.datasets.base import Split
from prunebench.tasks.recipes.base import Recipe
from tests.walking import open_session, prune

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prunebench.engine.selection.scoring import Scores, Scoring, Session

ready()
ALL = sorted(entry.name for entry in METHODS if entry.target.startswith("prunebench."))
SCORED = [name for name in ALL if "schedule" in {p.name for p in METHODS.entry(name).parameters}]
CHEAP = {"random", "magnitude", "snip", "synflow"}
EXACT = [name for name in ALL if not chooses(Spec(name)) and not whole(Spec(name))]
CPU = torch.device("cpu")
TWO_STEPS = Recipe(lr=0.2, batch=20, epochs=1, validation=0.0, rewind=(0.5,))

NARROW = {
    "lenet-300-100": ("lenet-300-100(width=0.1)", (1, 8, 8)),
    "conv-4": ("conv-4(width=0.1)", (1, 8, 8)),
    "resnet-20": ("resnet-20(width=0.25)", (3, 8, 8)),
    "vgg-16": ("vgg-16(width=0.06)", (3, 32, 32)),
}
WIDE = {
    "lenet-300-100": ("lenet-300-100", (1, 28, 28), 266_200),
    "conv-4": ("conv-4", (3, 32, 32), 2_425_024),
    "resnet-20": ("resnet-20", (3, 32, 32), 270_896),
    "vgg-16": ("vgg-16", (3, 32, 32), 14_715_584),
}


@pytest.fixture(autouse=True)
def _no_trace_in_the_registry() -> Iterator[None]:
    yield
    for name in [name for name in METHODS.entries if name.startswith("test-")]:
        del METHODS.entries[name], METHODS._objects[name]


def data(shape: tuple[int, ...], classes: int = 10, per_class: int = 4) -> Split:
    generator = torch.Generator().manual_seed(7)
    count = classes * per_class
    return Split(torch.randn(count, *shape, generator=generator), torch.arange(count) % classes)


def opened(spec: str, model: nn.Module, shape: tuple[int, ...], repetition: int = 0) -> tuple[Any, Session]:
    method = build(Spec.parse(spec))
    if method.needs & {"data"}:
        method = build(Spec.parse(spec).with_params({**Spec.parse(spec).mapping, "samples_per_class": 2}))
    return method, open_session(method, model, shape, data=data(shape), repetition=repetition, device=CPU)


def test_magnitude_is_the_absolute_weight() -> None:
    model = nn.Linear(2, 2)
    model.weight.data = torch.tensor([[1.0, -2.0], [0.0, 5.0]])
    assert torch.equal(pb.score(model, "magnitude", input_shape=(2,))["weight"], torch.tensor([[1.0, 2], [0, 5]]) / 8)


def test_magnitude_does_not_change_by_iteration() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 4))
    once = pb.prune(model, "magnitude", density=0.2, input_shape=(8,))
    assert pb.prune(model, "magnitude(rounds=10)", density=0.2, input_shape=(8,)) == once


def two_by_two() -> nn.Module:
    """2-2-2 whose logits on the input (1, 1) are (4, 4)."""
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 2, bias=False))
    model[0].weight.data = torch.tensor([[2.0, -1.0], [1.0, 2.0]])
    model[2].weight.data = torch.tensor([[1.0, 1.0], [4.0, 0.0]])
    return model


def test_snip_by_hand() -> None:
    # h = (1, 3), p = (½, ½), label 0: ∂L/∂logits = (−½, ½), ∂L/∂h = (1.5, −0.5).
    scores = pb.score(two_by_two(), "snip", batch=(torch.ones(1, 2), torch.tensor([0])))
    expected = {"0.weight": torch.tensor([[3.0, 1.5], [0.5, 1.0]]), "2.weight": torch.tensor([[0.5, 1.5], [2.0, 0.0]])}
    for name, score in scores.items():
        torch.testing.assert_close(score * 10, expected[name], rtol=1e-6, atol=0)


def test_synflow_by_hand() -> None:
    # |W₂||W₁|: h = (3, 7), R = 5·3 + 6·7 = 57.
    model = nn.Sequential(nn.Linear(2, 2, bias=False), nn.ReLU(), nn.Linear(2, 1, bias=False))
    model[0].weight.data = torch.tensor([[1.0, -2.0], [3.0, 4.0]])
    model[2].weight.data = torch.tensor([[5.0, -6.0]])
    scores = pb.score(model, "synflow(rounds=1)", input_shape=(2,))
    torch.testing.assert_close(
        scores["0.weight"] * 114, torch.tensor([[5.0, 10.0], [18.0, 24.0]]).double(), rtol=1e-6, atol=0
    )
    torch.testing.assert_close(scores["2.weight"] * 114, torch.tensor([[15.0, 42.0]]).double(), rtol=1e-6, atol=0)


def test_snip_is_the_derivative_of_the_loss_with_respect_to_the_mask() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Softplus(), nn.Flatten(), nn.Linear(8, 3)
    ).double().eval()  # fmt: skip
    x, y = torch.randn(9, 1, 4, 4, dtype=torch.float64), torch.arange(9) % 3
    for mode in ("eval", "train"):
        scores = pb.score(model, f"snip(mode={mode})", batch=(x, y))
        probe = copy.deepcopy(model).train(mode == "train")
        slopes = {}
        for name, weight in prunable(probe).items():
            slope = torch.zeros_like(weight)
            for i in itertools.product(*map(range, weight.shape)):
                value, losses = float(weight[i].detach()), []
                for mask in (1 + 1e-5, 1 - 1e-5):
                    weight.data[i] = value * mask
                    losses.append(float(cross_entropy(probe(x), y).detach()))
                weight.data[i] = value
                slope[i] = abs(losses[0] - losses[1]) / 2e-5
            slopes[name] = slope.detach()
        total = sum(s.sum() for s in slopes.values())
        for name, score in scores.items():
            torch.testing.assert_close(score, slopes[name] / total, rtol=1e-5, atol=1e-8)


def test_the_sign_of_snip_without_its_absolute_value_is_conserved_and_snip_itself_is_not() -> None:
    @pb.scorer("test-signed-snip", needs={"data", "labels", "gradients"}, mode="eval")
    def signed(ctx: Scoring) -> Scores:
        """g ⊙ θ."""
        gradients = ctx.gradients(ctx.loss())
        return {name: gradients[name] * w for name, w in ctx.weights.items()}

    torch.manual_seed(2)
    layers = [nn.Linear(a, b, bias=False) for a, b in ((4, 6), (6, 5), (5, 3))]
    model = nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.LeakyReLU(0.2), layers[2]).double()
    batch = torch.randn(300, 4, dtype=torch.float64), torch.arange(300) % 3
    kept = list(pb.score(model, "test-signed-snip", batch=batch).values())
    lost = list(pb.score(model, "snip(mode=eval)", batch=batch).values())
    for before, after in itertools.pairwise(kept):
        torch.testing.assert_close(before.sum(1), after.sum(0), rtol=1e-9, atol=1e-15)
        assert float(before.sum()) == pytest.approx(float(after.sum()), rel=1e-9)
    assert max(float((a.sum(1) - b.sum(0)).abs().max()) for a, b in itertools.pairwise(lost)) > 1e-3


def test_random_scores_are_uniform_and_know_nothing_of_the_weights() -> None:
    shape = (784,)
    models = [build_model(Spec("lenet-300-100"), shape, 10, repetition) for repetition in (0, 1)]
    scores = [pb.score(model, "random", input_shape=shape, seed=0) for model in models]
    assert all(torch.equal(scores[0][n], scores[1][n]) for n in scores[0])
    # The stream of the masks is not that of the initialisation of the same repetition.
    flat = torch.cat([s.flatten() for s in scores[0].values()])
    weights = torch.cat([w.detach().flatten() for w in prunable(models[0]).values()])
    assert abs(float(torch.corrcoef(torch.stack([flat, weights]))[0, 1])) < 0.01
    assert abs(float(torch.corrcoef(torch.stack([flat, weights.abs()]))[0, 1])) < 0.01
    scaled = flat / flat.max()
    assert float(scaled.min()) >= 0
    assert torch.histc(scaled, 10, 0, 1).sub(len(flat) / 10).abs().max() < 6 * (0.09 * len(flat)) ** 0.5


def test_random_rounds_draw_anew() -> None:
    torch.manual_seed(0)
    model = nn.Linear(30, 30)
    method, session = opened("random(rounds=2)", model, (30,))
    everything = np.arange(900)
    first, second = (session.scores(method.scorer, session.masks(everything), number)["weight"] for number in (0, 1))
    assert not torch.equal(first, second)


def finder(spec: str, model: nn.Module, shape: tuple[int, ...], repetition: int = 0) -> Any:
    """A method at work, of whatever kind, with a small scoring set and a short training."""
    given = Spec.parse(spec)
    if "samples_per_class" in {p.name for p in METHODS.entry(given.name).parameters}:
        given = given.with_params({**given.mapping, "samples_per_class": 2})
    return build(given).open(Subject(model, shape, repetition, CPU, train=data(shape), recipe=TWO_STEPS))


@pytest.mark.parametrize("name", EXACT)
def test_the_same_seed_gives_the_same_masks(name: str) -> None:
    model = build_model(Spec.parse("lenet-300-100(width=0.1)"), (1, 8, 8), 10, 0)

    def masks(repetition: int) -> pb.Masks:
        return finder(name, model, (1, 8, 8), repetition).ticket(0.1).masks

    torch.manual_seed(5)
    first = masks(0)
    torch.manual_seed(6)
    assert masks(0) == first
    # Another seed: other draws of the method, other scoring data; without either, the same masks.
    assert (masks(1) != first) == bool({"random", "data"} & set(METHODS.entry(name).capabilities))


COMBINATIONS = [
    *(f"rounds=1,scope={s},mode={m}" for s in ("global", "layer") for m in ("train", "eval")),
    *(f"rounds=4,schedule={s},scope={p}" for s in ("exponential", "linear", "cubic") for p in ("global", "layer")),
]


@pytest.mark.parametrize("family", NARROW)
@pytest.mark.parametrize("name", SCORED)
def test_every_score_keeps_exact_nested_counts_on_narrow_networks(name: str, family: str) -> None:
    spec, shape = NARROW[family]
    model = build_model(Spec.parse(spec), shape, 10, 0)
    total = sum(w.numel() for w in prunable(model).values())
    for words in COMBINATIONS if name in CHEAP else COMBINATIONS[::3]:
        at_work = finder(f"{name}:{words}", model, shape)
        previous: pb.Masks | None = None
        for density in (0.01, 0.1, 0.537) if name in CHEAP else (0.02, 0.3):
            masks = at_work.ticket(density).masks
            assert masks.kept() == round(density * total)
            assert list(masks) == list(prunable(model))
            if previous is not None and "rounds=1," in words:
                assert all(not (previous[n] & ~masks[n]).any() for n in masks)
            if "scope=layer" in words:
                counts = masks.by_layer()
                bound = 1 + len(counts) / 2
                assert all(abs(counts[n] - density * m.numel()) <= bound for n, m in masks.items())
            previous = masks


@pytest.mark.parametrize("family", NARROW)
@pytest.mark.parametrize("name", [name for name in EXACT if name not in SCORED])
def test_ratios_and_methods_of_their_own_kind_keep_exact_counts(name: str, family: str) -> None:
    spec, shape = NARROW[family]
    model = build_model(Spec.parse(spec), shape, 10, 0)
    total = sum(w.numel() for w in prunable(model).values())
    at_work = finder(name, model, shape)
    for density in (0.01, 0.1, 0.537, 1):
        if name in {"small-dense", "imp"} and density < 0.1:
            continue  # less than a channel a layer; 21 rounds
        masks = at_work.ticket(density).masks
        assert masks.kept() == round(density * total)
        assert list(masks) == list(prunable(model))


@pytest.mark.parametrize("family", WIDE)
@pytest.mark.parametrize("name", ["random", "magnitude"])
def test_cheap_methods_keep_exact_nested_counts_on_full_networks(name: str, family: str) -> None:
    spec, shape, total = WIDE[family]
    model = build_model(Spec.parse(spec), shape, 10, 0)
    method, session = opened(name, model, shape)
    scarce = prune(method, session, 0.001)
    many = prune(method, session, 0.3)
    assert (scarce.total(), scarce.kept(), many.kept()) == (total, round(0.001 * total), round(0.3 * total))
    assert all(not (scarce[n] & ~many[n]).any() for n in many)


def test_iterated_snip_scores_the_network_that_is_left() -> None:
    torch.manual_seed(3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 3))
    batch = torch.randn(30, 12), torch.arange(30) % 3
    once = pb.prune(model, "snip", density=0.05, batch=batch)
    often = pb.prune(model, "snip(rounds=20)", density=0.05, batch=batch)
    assert once.kept() == often.kept() == round(0.05 * 300)
    assert once != often


def test_synflow_with_one_round_empties_a_layer_that_a_hundred_rounds_keep() -> None:
    model = build_model(Spec.parse("conv-4(width=0.2)"), (3, 8, 8), 10, 0)
    once = pb.prune(model, "synflow(rounds=1)", density=0.005, input_shape=(3, 8, 8))
    often = pb.prune(model, "synflow", density=0.005, input_shape=(3, 8, 8))
    assert once.dead_layers()
    assert not often.dead_layers()


def test_the_scoring_mode_decides_what_batch_norm_does() -> None:
    model = build_model(Spec.parse("resnet-20(width=0.25)"), (3, 8, 8), 10, 0)
    batch = torch.randn(20, 3, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(20) % 10
    train, evaluated, default = (
        pb.score(model, spec, batch=batch) for spec in ("snip(mode=train)", "snip(mode=eval)", "snip")
    )
    assert all(torch.equal(train[n], default[n]) for n in train)
    assert not any(torch.allclose(train[n], evaluated[n], rtol=0.1) for n in train)


def test_words_of_the_engine_are_parameters_of_every_method() -> None:
    words = build(Spec.parse("snip(rounds=7, schedule=linear, scope=layer, mode=eval, samples_per_class=3)")).words
    assert (words.rounds, words.schedule, words.scope, words.mode, words.samples_per_class) == (
        7, "linear", "layer", "eval", 3,
    )  # fmt: skip
    assert build(Spec("snip")).words.mode == "train"
    synflow = build(Spec("synflow")).words
    assert (synflow.rounds, synflow.schedule, synflow.scope, synflow.mode) == (100, "exponential", "global", "eval")
    assert build(Spec.parse("synflow:rounds=adaptive")).words.rounds == "adaptive"


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("snip(rounds=0)", "rounds=0"),
        ("snip(rounds=1.5)", "rounds=1.5"),
        ("snip(rounds=often)", "rounds=often"),
        ("snip(samples_per_class=0)", "samples_per_class=0"),
        ("snip(mode=test)", "mode=test"),
        ("magnitude(samples_per_class=10)", "samples_per_class"),
        ("magnitude(schedule=square)", "schedule=square"),
        ("random(scope=none)", "scope=none"),
        ("synflow(round=3)", "round"),
    ],
)
def test_parameters_that_a_method_does_not_take_are_refused(spec: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        build(Spec.parse(spec))


def test_an_unknown_method_is_refused_with_a_suggestion() -> None:
    with pytest.raises(UnknownNameError, match="did you mean 'synflow'"):
        build(Spec("sinflow"))


def test_a_registered_scorer_is_a_method_with_its_own_parameters() -> None:
    @pb.scorer("test-power", paper="Doe 2026", rounds=3)
    def power(ctx: Scoring, *, exponent: float = 2.0, inverse: bool = False) -> Scores:
        """|θ| to a power."""
        sign = -1 if inverse else 1
        return {name: w.abs() ** (sign * exponent) for name, w in ctx.weights.items()}

    model = nn.Linear(2, 1, bias=False)
    model.weight.data = torch.tensor([[1.0, 3.0]])
    assert pb.score(model, "test-power", input_shape=(2,))["weight"].tolist() == [
        [pytest.approx(0.1), pytest.approx(0.9)]
    ]
    cubed = pb.score(model, "test-power(exponent=3)", input_shape=(2,))["weight"]
    assert cubed.tolist() == [[pytest.approx(1 / 28), pytest.approx(27 / 28)]]
    assert pb.prune(model, "test-power(inverse=true)", density=0.5, input_shape=(2,))["weight"].tolist() == [
        [True, False]
    ]
    assert METHODS.entry("test-power").paper == "Doe 2026"
    assert build(Spec("test-power")).words.rounds == 3


@pytest.mark.parametrize("word", ["rounds", "schedule", "scope", "mode", "samples_per_class"])
def test_no_scorer_may_use_the_name_of_an_engines_word(word: str) -> None:
    scope: dict[str, Callable[..., Scores]] = {}
    exec(f"def function(ctx, *, {word}: int = 1): '''Doc.'''", scope)
    with pytest.raises(DuplicateNameError, match=f"parameter '{word}' is the engine's word"):
        pb.scorer("test-word")(scope["function"])


def test_two_scorers_of_one_name_are_refused() -> None:
    def first(ctx: Scoring) -> Scores:
        """One."""
        return {}

    def second(ctx: Scoring) -> Scores:
        """Another."""
        return {}

    pb.scorer("test-twice")(first)
    with pytest.raises(DuplicateNameError, match="registered twice"):
        pb.scorer("test-twice")(second)


@pytest.mark.parametrize("name", ALL)
def test_every_method_says_what_it_is_and_scores_every_layer(name: str) -> None:
    entry = METHODS.entry(name)
    assert entry.summary
    model = build_model(Spec.parse("resnet-20(width=0.25)"), (3, 8, 8), 10, 0)
    batch = data((3, 8, 8))
    if name not in SCORED:
        density = finder(name, model, (3, 8, 8)).ticket(0.2).masks.density()
        assert 0 < density <= 1 if name not in EXACT else density == pytest.approx(0.2, abs=1e-4)
        return
    scores = pb.score(model, name, batch=(batch.x, batch.y))
    assert list(scores) == list(prunable(model))
    assert all(torch.isfinite(s).all() and s.shape == prunable(model)[n].shape for n, s in scores.items())
    assert not any(s.requires_grad for s in scores.values())
    assert float(sum(s.abs().sum(dtype=torch.float64) for s in scores.values())) == pytest.approx(1, rel=1e-5)


def test_a_batch_size_in_eval_mode_is_refused_because_it_would_do_nothing() -> None:
    with pytest.raises(SpecError, match="batch_size is for mode=train"):
        build(Spec.parse("snip(mode=eval, batch_size=7)"))
    assert build(Spec.parse("snip(batch_size=7)")).words.batch_size == 7
