"""The walk: score, keep the best, score again."""

from __future__ import annotations

import itertools
import tracemalloc
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from prunebench.engine.collapse import Observer
from prunebench.engine.method import build
from prunebench.engine.selection.pruning import Round, Walker, masks_at, target_count
from prunebench.engine.selection.schedules import counts
from prunebench.engine.selection.scorer import ScoreMethod, Words
from prunebench.engine.selection.scoring import Scores, Scoring, Session
from prunebench.errors import PruningError, ScoreError
from prunebench.plugins import ready
from prunebench.spec import Spec
from prunebench.tasks.models.initial import initialised
from tests.walking import descend, prune, walk
from tests.zoo import conv_4, lenet_300_100, resnet_20, vgg_16

if TYPE_CHECKING:
    from collections.abc import Callable

    from prunebench.engine.masks import Masks

ready()
seeds = st.integers(0, 2**31)
schedules = st.sampled_from(["exponential", "linear", "cubic"])
scopes = st.sampled_from(["global", "layer"])


def network(*widths: int) -> nn.Module:
    return nn.Sequential(*(nn.Linear(a, b) for a, b in itertools.pairwise(widths)))


def session(model: nn.Module, shape: tuple[int, ...], *, repetition: int = 0, purpose: str = "probe") -> Session:
    device = torch.device("cpu")
    return Session(model, shape, mode="eval", batch=None, purpose=purpose, repetition=repetition, device=device)


def method(scorer: Callable[[Scoring], Scores], **words: Any) -> ScoreMethod:
    return ScoreMethod("probe", scorer, Words(**words), frozenset())


def anew(levels: int = 0) -> Callable[[Scoring], Scores]:
    """Scores drawn anew every round, of few levels if any are given; weights that are gone score highest."""

    def scorer(ctx: Scoring) -> Scores:
        scores = {}
        for name, w in ctx.weights.items():
            drawn = torch.randn(w.shape, generator=ctx.generator)
            drawn = (drawn * levels).round() if levels else drawn
            scores[name] = torch.where(ctx.masks[name], drawn, 1e9)
        return scores

    return scorer


@given(
    widths=st.lists(st.integers(1, 6), min_size=2, max_size=4), levels=st.sampled_from([0, 1, 2]), schedule=schedules,
    scope=scopes, rounds=st.integers(1, 8), share=st.floats(0, 1), seed=st.integers(0, 5),
)  # fmt: skip
@settings(max_examples=80, deadline=None)
def test_a_walk_keeps_exact_counts_and_nested_masks_in_every_round(
    widths: list[int], levels: int, schedule: Any, scope: Any, rounds: int, share: float, seed: int
) -> None:
    s = session(network(*widths), (widths[0],), repetition=seed)
    total, layers = s.layout.total, len(widths) - 1
    density = (layers + share * (total - layers)) / total
    found = method(anew(levels), rounds=rounds, schedule=schedule, scope=scope)
    steps = list(walk(found, s, density))
    assert [int(step.kept.sum()) for step in steps] == counts(total, density, rounds, schedule)
    for before, after in itertools.pairwise(steps):
        assert np.array_equal(before.index[before.kept], after.index)
    assert np.array_equal(steps[0].index, np.arange(total))
    masks = prune(found, s, density)
    assert masks.kept() == round(density * total)
    assert masks == s.masks(steps[-1].index[steps[-1].kept])


def test_each_round_scores_what_the_round_before_kept() -> None:
    seen: list[Masks] = []

    def scorer(ctx: Scoring) -> Scores:
        seen.append(ctx.masks)
        return {name: w.abs() for name, w in ctx.weights.items()}

    s = session(network(6, 5, 4), (6,))
    steps = list(walk(method(scorer, rounds=5), s, 0.1))
    assert [m.kept() for m in seen] == [50, *(int(step.kept.sum()) for step in steps)][:-1]
    assert seen[0].density() == 1
    assert seen[1:] == [s.masks(step.index[step.kept]) for step in steps[:-1]]


@given(widths=st.lists(st.integers(1, 6), min_size=2, max_size=4), levels=st.sampled_from([0, 1, 2]),
       scope=scopes, schedule=schedules, rounds=st.integers(1, 6), seed=st.integers(0, 5))  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_ranks_of_a_descent_are_a_permutation_and_serve_every_count(
    widths: list[int], levels: int, scope: Any, schedule: Any, rounds: int, seed: int
) -> None:
    s = session(network(*widths), (widths[0],), repetition=seed)
    total, layers = s.layout.total, len(widths) - 1
    found = method(anew(levels), rounds=rounds, scope=scope, schedule=schedule)
    descent = descend(found, s)
    ranks = torch.cat([r.flatten() for r in descent.ranks.values()])
    assert ranks.sort().values.tolist() == list(range(1, total + 1))
    previous = masks_at(descent.ranks, 0)
    for count in range(1, total + 1):
        masks = masks_at(descent.ranks, count)
        assert masks.kept() == count
        assert all(not (previous[n] & ~masks[n]).any() for n in masks)
        previous = masks
    # At the counts of its rounds it is the walk itself.
    for step in walk(found, s, layers / total):
        assert masks_at(descent.ranks, int(step.kept.sum())) == s.masks(step.index[step.kept])
    if rounds == 1:
        for count in range(layers, total + 1):
            assert masks_at(descent.ranks, count) == prune(found, s, count / total)


def test_rounds_do_not_change_the_shares_of_the_layers_in_layer_scope() -> None:
    s = session(network(3, 17, 5, 2), (3,))
    for schedule in ("exponential", "linear"):
        for kept in (3, 10, 40, 77):
            density = kept / s.layout.total
            once, often = (
                prune(method(anew(), rounds=rounds, scope="layer", schedule=schedule), s, density) for rounds in (1, 12)
            )
            assert once.by_layer() == often.by_layer()
            assert once != often


def test_a_descent_serves_a_count_between_two_rounds_by_the_round_that_it_falls_in() -> None:
    s = session(network(4, 4, 4), (4,))
    found = method(anew(), rounds=3)
    descent = descend(found, s)
    steps = list(walk(found, s, 2 / 32))
    for step in steps:
        kept = int(step.kept.sum())
        for count in range(kept, len(step.index) + 1):
            alive = masks_at(descent.ranks, count)
            best = step.index[np.argsort(-step.scores)[:count]]
            assert alive == s.masks(np.sort(best))


def scored(scores: dict[str, torch.Tensor]) -> Callable[[Scoring], Scores]:
    return lambda _: scores


def test_a_density_that_leaves_fewer_weights_than_layers_is_refused_with_the_largest_compression() -> None:
    with pytest.raises(PruningError, match=r"keeps 1 of 100 weights, fewer than the 2 prunable layers.*compression 50"):
        target_count(100, 2, 0.01)
    assert target_count(100, 2, 0.02) == 2
    with pytest.raises(PruningError, match="fewer than the 3 prunable layers") as caught:
        prune(method(anew()), session(network(3, 3, 3, 3), (3,)), 0.05)
    assert "\n" not in str(caught.value)


def test_counts_are_rounded_and_not_cut_off() -> None:
    s = session(network(10, 10), (10,))
    for density, kept in ((0.126, 13), (0.124, 12), (0.994, 99), (0.996, 100), (1.0, 100), (0.29, 29), (0.57, 57)):
        assert prune(method(anew()), s, density).kept() == kept


def test_scores_that_go_bad_in_a_later_round_are_refused_with_the_layer() -> None:
    def scorer(ctx: Scoring) -> Scores:
        scores = {name: torch.rand(w.shape, generator=ctx.generator) for name, w in ctx.weights.items()}
        if ctx.masks.density() < 1:
            scores["1.weight"] = scores["1.weight"] / torch.zeros(())
        return scores

    with pytest.raises(ScoreError, match=r"of layer 1\.weight are infinite"):
        prune(method(scorer, rounds=3), session(network(4, 4, 4), (4,)), 0.3)


def test_a_ticket_says_where_no_score_decided_what_went() -> None:
    silent = method(lambda ctx: {n: torch.zeros_like(w) for n, w in ctx.weights.items()}, rounds=3)
    s = session(network(4, 4), (4,))
    ticket = Walker(silent, s).ticket(0.5)
    assert ticket.masks.kept() == 8
    (note,) = ticket.notes
    assert "all scores of 'probe' are zero" in note
    assert "the order among equals decided" in note
    assert Walker(silent, s).ticket(1).notes == ()
    assert Walker(method(anew()), s).ticket(0.5).notes == ()


def test_a_ticket_holds_one_round_at_a_time() -> None:
    s = session(network(300, 300), (300,))

    def peak(rounds: int) -> int:
        tracemalloc.start()
        try:
            prune(method(anew(), rounds=rounds), s, 0.5)
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    assert peak(30) < 2 * peak(3)


def test_only_scores_of_kept_weights_need_to_be_finite() -> None:
    def scorer(ctx: Scoring) -> Scores:
        return {n: torch.where(ctx.masks[n], torch.rand(w.shape), float("nan")) for n, w in ctx.weights.items()}

    assert prune(method(scorer, rounds=4), session(network(4, 4, 4), (4,)), 0.25).kept() == 8


def test_prune_and_cut_size_are_sums_of_absolute_scores() -> None:
    scores = {"0.weight": torch.tensor([[1.0, -2.0], [3.0, -4.0]]), "1.weight": torch.tensor([[-10.0, 20.0]])}
    s = session(network(2, 2, 1), (2,))
    (step,) = walk(method(scored(scores)), s, 0.5)
    # Kept: 20, 3, 1. Gone: −2, −4, −10.
    assert step.prune_size() == 16
    assert step.cut_size(frozenset({"0.weight", "1.weight"})) == 10
    assert step.cut_size(frozenset({"1.weight"})) == 30
    assert step.cut_size(frozenset()) == 0
    dead = {"0.weight": torch.zeros(2, 2), "1.weight": torch.tensor([[1.0, 2.0]])}
    (step,) = walk(method(scored(dead)), s, 0.5)
    assert step.cut_size(frozenset({"0.weight", "1.weight"})) == 3


def test_a_descent_reports_prune_over_cut_of_every_round() -> None:
    s = session(network(5, 4, 3), (5,))
    found = method(lambda ctx: {n: w.abs() for n, w in ctx.weights.items()}, rounds=3)
    descent = descend(found, s)
    steps = list(walk(found, s, 2 / 32))
    assert descent.kept == tuple(int(step.kept.sum()) for step in steps)
    totals = [
        min(np.abs(step.scores[part], dtype=np.float64).sum() for part in step.layout.segments(step.index).values())
        for step in steps
    ]
    expected = [
        np.abs(step.scores[~step.kept]).sum(dtype=np.float64) / t for step, t in zip(steps, totals, strict=True)
    ]
    assert descent.prune_over_cut == pytest.approx(expected, rel=1e-12)
    silent = descend(method(lambda ctx: {n: torch.zeros_like(w) for n, w in ctx.weights.items()}), s)
    assert silent.prune_over_cut == (None,)


def assert_below_the_cut(step: Round, cuts: frozenset[str]) -> None:
    removed = np.abs(step.scores[~step.kept], dtype=np.float64)
    parts = {n: np.abs(step.scores[p], dtype=np.float64).sum() for n, p in step.layout.segments(step.index).items()}
    assert len(removed) >= 1
    assert removed.sum() < min(parts[name] for name in cuts if parts[name] > 0) or len(removed) == 1


ADAPTIVE: list[tuple[str, Callable[[], nn.Module], tuple[int, ...]]] = [
    ("lenet-300-100", lambda: lenet_300_100((1, 6, 6), 5, width=0.05), (1, 6, 6)),
    ("conv-4", lambda: conv_4((1, 8, 8), 4, width=0.05), (1, 8, 8)),
    ("vgg-16", lambda: vgg_16((3, 32, 32), 4, width=0.06), (3, 32, 32)),
]


@pytest.mark.parametrize(("name", "make", "shape"), ADAPTIVE, ids=[a[0] for a in ADAPTIVE])
def test_adaptive_synflow_reaches_maximal_compression_on_networks_without_shortcuts(
    name: str, make: Callable[[], nn.Module], shape: tuple[int, ...]
) -> None:
    found = build(Spec.parse("synflow(rounds=adaptive)"))
    for seed in range(3):
        torch.manual_seed(seed)
        model = make()
        s = session(model, shape, purpose="synflow", repetition=seed)
        layers = len(s.layout.shapes)
        steps = []
        for step in walk(found, s, layers / s.layout.total):
            assert_below_the_cut(step, s.cuts)
            steps.append(step)
        masks = s.masks(steps[-1].index[steps[-1].kept])
        assert list(masks.by_layer().values()) == [1] * layers
        view = Observer(model, shape).view(masks)
        assert view.effective == masks
        assert all(view.survives()[n] for n in ("dead_layer", "dead_effective_layer", "no_path"))


def test_adaptive_rounds_stay_below_the_cut_where_a_hundred_do_not() -> None:
    torch.manual_seed(0)
    model = initialised(nn.Sequential(*(part for _ in range(30) for part in (nn.Linear(20, 20), nn.ReLU()))))
    hundred, adaptive = (
        descend(build(Spec.parse(spec)), session(model, (20,), purpose="synflow"))
        for spec in ("synflow", "synflow(rounds=adaptive)")
    )
    assert max(ratio or 0 for ratio in hundred.prune_over_cut) > 1
    assert max(ratio or 0 for ratio in adaptive.prune_over_cut) < 1
    assert len(adaptive.kept) > len(hundred.kept)


def test_adaptive_rounds_stay_below_the_cut_on_a_residual_network_too() -> None:
    torch.manual_seed(0)
    s = session(resnet_20((3, 8, 8), 4, width=0.15), (3, 8, 8))
    assert s.cuts == {"conv.weight", "classifier.weight"}
    for step in walk(build(Spec.parse("synflow(rounds=adaptive)")), s, 0.01):
        assert_below_the_cut(step, s.cuts)


def test_adaptive_rounds_pass_through_the_counts_of_a_hundred_rounds() -> None:
    s = session(network(8, 30, 8, 4), (8,))
    found = build(Spec.parse("synflow(rounds=adaptive)"))
    kept = [int(step.kept.sum()) for step in walk(found, s, 0.02)]
    planned = counts(s.layout.total, 0.02, 100, "exponential")
    assert set(planned) <= set(kept)
    assert kept == sorted(set(kept), reverse=True)


def test_an_adaptive_round_does_not_empty_a_layer_whose_total_is_the_cut_to_the_last_digit() -> None:
    """Sums in another order differ in the last digit: 0.1 added up ten times one by one is less than 1."""
    wide = torch.float64
    scores = {"0.weight": torch.full((10, 1), 0.1, dtype=wide), "1.weight": torch.full((40, 10), 10.0, dtype=wide)}
    assert np.cumsum(np.full(10, 0.1))[-1] < np.full(10, 0.1).sum()
    s = session(network(1, 10, 40).double(), (1,))
    first = next(iter(walk(method(scored(scores), rounds="adaptive"), s, 2 / 410)))
    masks = s.masks(first.index[first.kept])
    assert masks.by_layer() == {"0.weight": 1, "1.weight": 400}


def test_an_adaptive_round_prunes_one_weight_where_any_single_weight_reaches_the_cut() -> None:
    scores = {"0.weight": torch.ones(1, 1), "1.weight": torch.full((600, 1), 5.0)}
    s = session(network(1, 1, 600), (1,))
    first = next(iter(walk(method(scored(scores), rounds="adaptive"), s, 2 / 601)))
    assert counts(601, 2 / 601, 100, "exponential")[0] < 600
    assert s.masks(first.index[first.kept]).by_layer() == {"0.weight": 0, "1.weight": 600}


@pytest.mark.parametrize("spec", ["random", "snip", "magnitude", "synflow"])
def test_every_method_can_walk_adaptively(spec: str) -> None:
    found = build(Spec.parse(f"{spec}(rounds=adaptive)"))
    from prunebench.tasks.datasets.base import Split

    torch.manual_seed(0)
    batch = Split(torch.randn(6, 5), torch.arange(6) % 3)
    s = Session(
        network(5, 8, 3), (5,), mode=found.words.mode, batch=batch, purpose=spec, repetition=0,
        device=torch.device("cpu"),
    )  # fmt: skip
    assert prune(found, s, 0.1).kept() == round(0.1 * 64)
    ranks = torch.cat([r.flatten() for r in descend(found, s).ranks.values()])
    assert ranks.sort().values.tolist() == list(range(1, 65))
