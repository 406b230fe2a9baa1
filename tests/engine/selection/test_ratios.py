"""Keep ratios: shares of layers that become whole counts."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import prunebench as pb
from prunebench.engine.layout import Layout
from prunebench.engine.method import build
from prunebench.engine.selection.pruning import masks_at
from prunebench.engine.selection.ratios import KeepRatios, Layer, Layers, quotas
from prunebench.engine.selection.scorer import keep_ratios
from prunebench.errors import DuplicateNameError, PruningError, SpecError, UnknownNameError
from prunebench.graph import Component
from prunebench.registry import METHODS
from prunebench.spec import Spec
from tests.walking import registering

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SIZES = (6, 40, 200, 30)


def layout(sizes: tuple[int, ...] = SIZES) -> Layout:
    return Layout({f"l{i}": torch.Size((size, 1)) for i, size in enumerate(sizes)})


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 20), nn.ReLU(), nn.Linear(20, 10), nn.ReLU(), nn.Linear(10, 3))


def skewed(layers: Layers, density: float, *, first: float = 0.5) -> dict[str, float]:
    """The first layer at d·(f + (1 − f)·d), the rest at one density."""
    head, *rest = layers
    ratio = density * (first + (1 - first) * density)
    left = density * layers.total - ratio * head.size
    return {head.name: ratio, **{layer.name: left / sum(r.size for r in rest) for layer in rest}}


@pytest.fixture
def rule() -> Iterator[Callable[..., None]]:
    with registering():
        yield lambda function, **given: keep_ratios("probe", **given)(function)


def test_a_rule_sees_shapes_sizes_and_kinds() -> None:
    model = nn.Sequential(nn.Conv2d(3, 4, 5, groups=1), nn.Flatten(), nn.Linear(16, 2))
    layers = Layers.of(Layout.of({"0.weight": model[0].weight, "2.weight": model[2].weight}))
    assert layers == (Layer("0.weight", (4, 3, 5, 5)), Layer("2.weight", (2, 16)))
    assert [(layer.size, layer.linear) for layer in layers] == [(300, False), (32, True)]
    assert layers.total == 332


def test_counts_of_layers_are_the_rule_rounded(rule: Any) -> None:
    rule(skewed)
    model = network()
    masks = pb.prune(model, "probe(first=0.25)", density=0.1, input_shape=(6,))
    # 350 weights, 35 kept: 0.1·0.325·120 = 3.9 of the first 120, the other 31.1 by size of 200 and 30: 27.04 and 4.06.
    assert masks.by_layer() == {"0.weight": 4, "2.weight": 27, "4.weight": 4}


@given(st.lists(st.integers(1, 60), min_size=1, max_size=6), st.data())
@settings(max_examples=60, deadline=None)
def test_any_rule_is_apportioned_to_an_exact_total_within_a_weight_of_each_share(sizes: list[int], data: Any) -> None:
    total = sum(sizes)
    given_ratios = [data.draw(st.floats(0, 1)) for _ in sizes]
    asked = sum(r * n for r, n in zip(given_ratios, sizes, strict=True)) / total
    if round(asked * total) < len(sizes):
        return
    model = nn.ModuleList([nn.Linear(size, 1, bias=False) for size in sizes])
    with registering():
        keep_ratios("probe", within="magnitude")(
            lambda layers, density: {
                layer.name: min(1.0, r * density / asked) for layer, r in zip(layers, given_ratios, strict=True)
            }
        )
        masks = pb.prune(model, "probe", density=asked, input_shape=(1,))
    assert masks.kept() == round(round(asked, 12) * total)
    for kept, ratio, size in zip(masks.by_layer().values(), given_ratios, sizes, strict=True):
        assert abs(kept - ratio * size) < len(sizes)


def test_within_says_which_weights_of_a_layer_are_kept(rule: Any) -> None:
    rule(skewed)
    model = network()
    masks = pb.prune(model, "probe(within=magnitude)", density=0.1, input_shape=(6,))
    for name, mask in masks.items():
        weight = model.get_parameter(name).detach().abs()
        assert weight[mask].min() > weight[~mask].max()
    drawn = [pb.prune(model, "probe", density=0.1, input_shape=(6,), seed=seed) for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0].by_layer() == drawn[2].by_layer() == masks.by_layer()


def test_within_takes_a_whole_spec_with_the_data_that_it_needs(rule: Any) -> None:
    rule(skewed)
    model = network()
    x, y = torch.randn(12, 6), torch.arange(12) % 3
    found = pb.prune(model, 'probe(within="snip(mode=eval, rounds=3)")', density=0.2, batch=(x, y))
    assert found.by_layer() == pb.prune(model, "probe", density=0.2, input_shape=(6,)).by_layer()
    assert found != pb.prune(model, "probe(within=magnitude)", density=0.2, input_shape=(6,))
    with pytest.raises(PruningError, match="needs data"):
        pb.prune(model, "probe:within=snip", density=0.2, input_shape=(6,))


def test_one_descent_follows_the_rule_through_all_densities(rule: Any) -> None:
    rule(skewed, within="magnitude")
    from prunebench.engine.subject import Subject

    model = network()
    subject = Subject(model, (6,), 0, torch.device("cpu"))
    walker: Any = build(Spec.parse("probe")).open(subject)
    ranks = walker.descend().ranks
    total = 350
    last = None
    for count in (300, 200, 100, 50, 20, 10):
        masks = masks_at(ranks, count)
        alone = pb.prune(model, "probe", density=count / total, input_shape=(6,))
        assert masks.kept() == count
        assert all(abs(masks.by_layer()[n] - alone.by_layer()[n]) <= 1 for n in masks)
        assert last is None or all(bool((~masks[n] | last[n]).all()) for n in masks)
        last = masks


def test_a_rule_that_scores_once_is_scored_once_on_the_way_down(rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from prunebench.engine.selection.scoring import Session
    from prunebench.engine.subject import Subject

    rule(skewed)
    calls = itertools.count()
    scores = Session.scores
    monkeypatch.setattr(Session, "scores", lambda self, *given: (next(calls), scores(self, *given))[1])
    subject = Subject(network(), (6,), 0, torch.device("cpu"))
    for spec, rounds in (("probe", 1), ('probe(within="magnitude(rounds=4)")', 4)):
        start = next(calls) + 1
        walker: Any = build(Spec.parse(spec)).open(subject)
        walker.descend()
        assert next(calls) - start == rounds


@pytest.mark.parametrize(
    ("ratios", "message"),
    [
        ({"l0": 0.5}, "no keep ratio for layer l1"),
        ({"l0": 0.1, "l1": 0.1, "l2": 0.1, "l3": 0.1, "odd": 1.0}, "a keep ratio for 'odd'"),
        ({"l0": 1.2, "l1": 0.1, "l2": 0.1, "l3": 0.1}, "1.2 of layer l0 is outside"),
        ({"l0": float("nan"), "l1": 0.1, "l2": 0.1, "l3": 0.1}, "outside"),
        ({"l0": 0.2, "l1": 0.2, "l2": 0.2, "l3": 0.2}, r"sum to 55\.2 weights where the density asks for 27\.6"),
        ([0.1] * 4, "are a mapping by layer, not list"),
    ],
)
def test_ratios_that_cannot_be_used_are_an_error_that_says_why(ratios: Any, message: str) -> None:
    with pytest.raises(PruningError, match=message):
        quotas(lambda _layers, _density: ratios, layout(), 0.1, "probe")


def test_notes_of_a_rule_reach_the_ticket(rule: Any) -> None:
    rule(lambda layers, density: KeepRatios(dict.fromkeys((x.name for x in layers), density), ("scaled down",)))
    assert pb.find_ticket(network(), "probe", density=0.5, input_shape=(6,)).notes == ("scaled down",)


def test_a_layer_without_a_share_goes_first(rule: Any) -> None:
    rule(lambda layers, density: {x.name: 0.0 if i == 0 else density * 350 / 230 for i, x in enumerate(layers)})
    masks = pb.prune(network(), "probe", density=0.3, input_shape=(6,))
    assert masks.by_layer()["0.weight"] == 0
    assert masks.kept() == 105


def test_what_cannot_rank_inside_a_layer_is_refused(rule: Any) -> None:
    rule(skewed)
    with pytest.raises(UnknownNameError, match=r"unknown method 'magnitud'.*magnitude"):
        METHODS.resolve(Spec.parse("probe(within=magnitud)"))
    with pytest.raises(SpecError, match="takes no parameter 'odd'"):
        METHODS.resolve(Spec.parse('probe(within="snip(odd=1)")'))
    for within in ("probe", "synflow(rounds=adaptive)", "magnitude(scope=layer)"):
        with pytest.raises(SpecError, match=r"within=|adaptive"):
            build(Spec("probe", (("within", within),)))
    with pytest.raises(DuplicateNameError, match="'within' is the engine's word"):
        keep_ratios("other")(_taken)


def test_the_code_of_the_ranking_method_counts_in_the_key(rule: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    import prunebench.graph as graph

    rule(skewed)
    seen: list[str] = []
    monkeypatch.setattr(graph, "code_digest", lambda module: seen.append(module) or f"<{module}>")
    plain = Component("method", Spec.parse("probe(within=magnitude)")).plain()["$component"]
    assert plain[2].endswith("+<prunebench.methods.magnitude>")
    assert plain[2] != Component("method", Spec.parse("probe(within=snip)")).plain()["$component"][2]


def test_one_ranking_has_one_way_of_being_written(rule: Any) -> None:
    rule(skewed)
    for text, short in (
        ('probe(within="snip(mode=train)")', "probe(within=snip)"),
        ("probe(within=random)", "probe"),
        ('probe:within="random:rounds=1"', "probe"),
        ('probe(within="snip( rounds = 3 )", first=0.5)', 'probe(within="snip(rounds=3)")'),
    ):
        assert str(METHODS.minimal(Spec.parse(text))) == short


def _taken(layers: Layers, density: float, *, within: str = "x") -> dict[str, float]:
    raise NotImplementedError
