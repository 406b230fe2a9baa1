"""What holds for every rule of keep ratios, and the ranking inside a layer."""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

import prunebench as pb
from prunebench.engine.method import build
from prunebench.engine.selection.ratios import KeepRatios, Layer, Layers
from prunebench.errors import SpecError
from prunebench.methods.erk import er, erk
from prunebench.methods.igq import igq
from prunebench.methods.smart_ratio import smart_ratio
from prunebench.methods.uniform import uniform
from prunebench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Callable

RULES: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "uniform": (uniform, {}),
    "uniform(first_dense=true)": (uniform, {"first_dense": True}),
    "uniform(first_dense=true, last_min=0.2)": (uniform, {"first_dense": True, "last_min": 0.2}),
    "er": (er, {}),
    "erk": (erk, {}),
    "igq": (igq, {}),
    "smart-ratio": (smart_ratio, {}),
    "smart-ratio(decay=square)": (smart_ratio, {"decay": "square"}),
    **{
        f"smart-ratio(profile={profile})": (smart_ratio, {"profile": profile})
        for profile in ("linear", "cubic", "ascending", "uniform")
    },
}

matrices = st.tuples(st.integers(1, 60), st.integers(1, 60))
kernels = st.tuples(st.integers(1, 40), st.integers(1, 40), st.integers(1, 5), st.integers(1, 5))
networks = st.lists(st.one_of(matrices, kernels), min_size=1, max_size=8)


def layers_of(*shapes: tuple[int, ...]) -> Layers:
    return Layers(Layer(f"l{i}", shape) for i, shape in enumerate(shapes, start=1))


def ratios(name: str, layers: Layers, density: float) -> list[float]:
    function, parameters = RULES[name]
    found = function(layers, density, **parameters)
    by_layer = found.by_layer if isinstance(found, KeepRatios) else found
    return [by_layer[layer.name] for layer in layers]


@pytest.mark.parametrize("name", RULES)
@given(networks, st.floats(0, 1), st.floats(0, 1))
@settings(deadline=None, max_examples=60)
@example([(3, 2)], 0.0, 1.0)
@example([(1, 1), (1, 1)], 0.0, 1.0)
@example([(60, 60), (1, 1), (60, 60)], 0.0, 0.5)
def test_ratios_are_shares_of_exactly_the_budget_and_never_fall_while_it_grows(
    name: str, shapes: list[tuple[int, ...]], first: float, second: float
) -> None:
    layers = layers_of(*shapes)
    total = sum(math.prod(shape) for shape in shapes)
    least = len(layers) / total
    low, high = sorted(least + share * (1 - least) for share in (first, second))
    found = [ratios(name, layers, density) for density in (low, high)]
    for density, at in zip((low, high), found, strict=True):
        assert all(-1e-12 <= ratio <= 1 + 1e-9 for ratio in at)
        kept = sum(ratio * math.prod(shape) for ratio, shape in zip(at, shapes, strict=True))
        assert kept == pytest.approx(density * total, rel=1e-9)
    assert all(b >= a - 1e-9 for a, b in zip(*found, strict=True))


@pytest.mark.parametrize("name", RULES)
def test_all_is_kept_of_every_layer_at_density_one(name: str) -> None:
    shapes = (8, 3, 3, 3), (8, 8, 3, 3), (20, 32), (10, 20)
    assert ratios(name, layers_of(*shapes), 1.0) == pytest.approx([1.0] * 4, rel=1e-12)


def network(dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3, groups=8), nn.ReLU(), nn.Flatten(), nn.Linear(32, 20),
        nn.ReLU(), nn.Linear(20, 10),
    ).to(dtype)  # fmt: skip


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_counts_are_exact_and_masks_nested_from_one_weight_a_layer_to_all(name: str, dtype: torch.dtype) -> None:
    model = network(dtype)
    total = 216 + 72 + 640 + 200
    previous: pb.Masks | None = None
    for count in (4, 5, 37, 400, 1000, 1128):
        masks = pb.prune(model, name, density=count / total, input_shape=(3, 6, 6))
        assert masks.kept() == count
        if previous is not None:
            assert all(not (previous[layer] & ~masks[layer]).any() for layer in masks)
        previous = masks


@pytest.mark.parametrize("name", RULES)
def test_a_network_of_one_layer_keeps_the_density_there(name: str) -> None:
    assert pb.prune(nn.Linear(10, 10), name, density=0.13, input_shape=(10,)).by_layer() == {"weight": 13}


def test_within_ranks_the_weights_of_a_layer_and_leaves_the_counts_alone() -> None:
    model = network()
    drawn = pb.prune(model, "erk", density=0.2, input_shape=(3, 6, 6))
    ranked = pb.prune(model, "erk(within=magnitude)", density=0.2, input_shape=(3, 6, 6))
    assert drawn.by_layer() == ranked.by_layer()
    assert drawn != ranked
    for name, weight in model.named_parameters():
        if name in ranked:
            kept = int(ranked[name].sum())
            best = weight.detach().abs().flatten().topk(kept).indices
            expected = torch.zeros(weight.numel(), dtype=torch.bool)
            expected[best] = True
            assert torch.equal(ranked[name].flatten(), expected)


def test_a_method_with_parameters_is_written_quoted_inside_another_in_either_spelling() -> None:
    torch.manual_seed(1)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.BatchNorm1d(12), nn.ReLU(), nn.Linear(12, 5))
    batch = torch.randn(20, 16), torch.arange(20) % 5

    def masks(spec: str) -> pb.Masks:
        return pb.prune(model, spec, density=0.3, batch=batch)

    evaluated = masks('erk(within="snip(mode=eval)")')
    for spelling in (
        'erk:within="snip(mode=eval)"',
        'erk(within="snip:mode=eval")',
        'erk:within="snip:mode=eval"',
        str(Spec.parse('erk(within="snip:mode=eval")')),
        'erk(within="snip(mode=eval, rounds=1)")',
    ):
        assert masks(spelling) == evaluated
    trained = masks('erk(within="snip(mode=train)")')
    assert trained == masks("erk(within=snip)")
    assert trained != evaluated
    # The scores that rank are those of the method inside: the best of the first layer by them.
    scores = pb.score(copy.deepcopy(model), "snip(mode=eval)", batch=batch)["1.weight"].flatten()
    kept = evaluated["1.weight"].flatten()
    assert float(scores[kept].min()) >= float(scores[~kept].max())


def test_rounds_of_the_method_inside_are_its_own() -> None:
    torch.manual_seed(2)
    model = nn.Sequential(nn.Flatten(), nn.Linear(16, 30), nn.ReLU(), nn.Linear(30, 5))
    batch = torch.randn(20, 16), torch.arange(20) % 5
    once, often = (pb.prune(model, f'igq(within="snip(rounds={n})")', density=0.1, batch=batch) for n in (1, 10))
    assert once.by_layer() == often.by_layer()
    assert once != often


@pytest.mark.parametrize("inner", ['"snip(mode=test)"', '"snip(scope=layer)"', "igq", '"synflow(rounds=adaptive)"'])
def test_what_is_no_plain_score_cannot_rank_inside_a_layer(inner: str) -> None:
    with pytest.raises(SpecError):
        build(Spec.parse(f"erk(within={inner})"))
