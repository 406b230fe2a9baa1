"""Exact selection."""

from __future__ import annotations

import warnings
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils import prune

from prunebench.engine.layout import Layout
from prunebench.engine.masks import Masks
from prunebench.engine.selection.allocate import Ties, best, descending, in_scope, keep_top
from prunebench.errors import PruningError, ScoreError

sizes = st.lists(st.integers(1, 12), min_size=1, max_size=5)
seeds = st.integers(0, 2**31)


def tied_scores(sizes: list[int], levels: int, seed: int) -> dict[str, torch.Tensor]:
    """Scores with few distinct values, of either sign and with both zeros."""
    generator = torch.Generator().manual_seed(seed)
    signs = (-1.0, 1.0)[seed % 2]
    return {
        f"layer{i}": signs * (torch.randint(0, levels, (n,), generator=generator) - levels // 2).float()
        for i, n in enumerate(sizes)
    }


def flat(tensors: dict[str, torch.Tensor] | Masks) -> list[float]:
    return torch.cat([t.flatten() for t in tensors.values()]).tolist()


def in_order(scores: dict[str, torch.Tensor], ties: Ties) -> list[int]:
    """Flat indices, best first, by Python's sort."""
    values = flat(scores)
    places = ties.places(len(values)).tolist()
    return sorted(range(len(values)), key=lambda i: (-values[i], places[i]))


@given(sizes, st.integers(1, 4), seeds)
@settings(max_examples=100, deadline=None)
def test_keep_top_keeps_what_a_sort_with_seeded_ties_keeps_at_every_count(
    sizes: list[int], levels: int, seed: int
) -> None:
    scores, ties = tied_scores(sizes, levels, seed), Ties(seed)
    order = in_order(scores, ties)
    for count in range(len(order) + 1):
        kept = flat(keep_top(scores, count, ties))
        assert {i for i, k in enumerate(kept) if k} == set(order[:count])


def test_what_masks_have_pruned_does_not_compete() -> None:
    scores = {"a": torch.tensor([9.0, 8.0, 7.0]), "b": torch.tensor([[6.0], [5.0]])}
    left = Masks({"a": torch.tensor([False, True, False]), "b": torch.tensor([[True], [True]])})
    kept = keep_top(scores, 2, Ties(0), left)
    assert flat(kept) == [False, True, False, True, False]
    with pytest.raises(PruningError, match="cannot keep 4 of 3 weights"):
        keep_top(scores, 4, Ties(0), left)


def test_shares_say_how_much_of_a_count_each_layer_gets() -> None:
    scores = {"a": torch.arange(10.0) + 100, "b": torch.arange(20.0), "c": torch.arange(10.0) + 50}
    shares = {"a": 2.0, "b": 6.0, "c": 4.0}
    for count, expected in ((12, [2, 6, 4]), (6, [1, 3, 2]), (24, [4, 12, 8])):
        assert list(keep_top(scores, count, Ties(0), shares=shares).by_layer().values()) == expected
    left = keep_top(scores, 12, Ties(0), shares=shares)
    assert flat(left) == [*([False] * 8), True, True, *([False] * 14), *([True] * 6), *([False] * 6), *([True] * 4)]
    # What a and c no longer have goes to b.
    only = Masks({"a": left["a"], "b": torch.ones(20, dtype=torch.bool), "c": left["c"]})
    assert list(keep_top(scores, 24, Ties(0), only, shares).by_layer().values()) == [2, 18, 4]


def test_ties_are_kept_in_an_order_that_the_seed_decides() -> None:
    scores = {"a": torch.zeros(40), "b": torch.zeros(2, 30)}
    first, again, other = (keep_top(scores, 50, Ties(seed)) for seed in (1, 1, 2))
    assert first.kept() == again.kept() == other.kept() == 50
    assert first == again
    assert first != other
    # A seeded order spreads over the layers; the order of indices would keep all of the first.
    assert 0 < int(first["a"].sum()) < 40


def test_the_order_of_ties_is_a_permutation_that_favours_no_place() -> None:
    places = np.stack([Ties(seed).places(20) for seed in range(400)])
    assert (np.sort(places, axis=1) == np.arange(20)).all()
    assert np.abs(places.mean(axis=0) - 9.5).max() < 5 * np.sqrt((20**2 - 1) / 12 / 400)


@given(st.lists(st.integers(1, 6), min_size=1, max_size=3), seeds, st.data())
@settings(max_examples=40, deadline=None)
def test_keep_top_equals_torch_global_unstructured_on_distinct_values(
    widths: list[int], seed: int, data: st.DataObject
) -> None:
    model = nn.Sequential(*(nn.Linear(a, b) for a, b in zip([3, *widths], [*widths, 2], strict=True)))
    total = sum(layer.weight.numel() for layer in model)
    generator = torch.Generator().manual_seed(seed)
    values = (torch.randperm(total, generator=generator) + 1.0) * (torch.rand(total, generator=generator) - 0.5).sign()
    for layer, part in zip(model, values.split([layer.weight.numel() for layer in model]), strict=True):
        layer.weight.data = part.view(layer.weight.shape).clone()
    scores = {f"{i}.weight": layer.weight.detach().abs() for i, layer in enumerate(model)}
    count = data.draw(st.integers(1, total))
    ours = keep_top(scores, count, Ties(0))
    prune.global_unstructured(
        [(layer, "weight") for layer in model], pruning_method=prune.L1Unstructured, amount=total - count
    )
    assert ours == Masks({f"{i}.weight": layer.weight_mask.bool() for i, layer in enumerate(model)})


def test_keeping_more_weights_than_there_are_or_fewer_than_none_is_refused() -> None:
    for count in (-1, 4):
        with pytest.raises(PruningError, match=f"cannot keep {count} of 3 weights"):
            keep_top({"a": torch.ones(3)}, count, Ties(0))


def test_scores_of_double_precision_are_not_rounded() -> None:
    scores = {"a": torch.tensor([1.0, 1.0 + 1e-12, 1.0 - 1e-12], dtype=torch.float64)}
    for seed in range(5):
        assert keep_top(scores, 1, Ties(seed))["a"].tolist() == [False, True, False]
        assert keep_top(scores, 2, Ties(seed))["a"].tolist() == [True, True, False]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_scores_of_any_floating_type_are_selected_from(dtype: torch.dtype) -> None:
    scores = {"a": torch.tensor([0.5, -2.0, 3.0], dtype=dtype), "b": torch.tensor([1.0], dtype=torch.float32)}
    masks = keep_top(scores, 2, Ties(0))
    assert masks["a"].tolist() == [False, False, True]
    assert masks["b"].tolist() == [True]


@given(sizes, st.integers(1, 4), seeds)
@settings(max_examples=60, deadline=None)
def test_descending_is_the_order_in_which_growing_counts_admit_weights(
    sizes: list[int], levels: int, seed: int
) -> None:
    scores, ties = tied_scores(sizes, levels, seed), Ties(seed)
    values, total = np.array(flat(scores), dtype=np.float32), sum(sizes)
    index = np.arange(total)
    order = descending(values, index, ties, total)
    assert order.tolist() == in_order(scores, ties)
    # The same on a subset: places belong to weights, not to positions.
    part = np.flatnonzero(np.random.default_rng(seed).random(total) < 0.6)
    kept = set(part.tolist())
    assert part[descending(values[part], part, ties, total)].tolist() == [i for i in order.tolist() if i in kept]
    for count in range(len(part) + 1):
        chosen = part[best(values[part], part, count, ties, total)]
        assert set(chosen.tolist()) == {i for i in order.tolist() if i in kept} - set(
            [i for i in order.tolist() if i in kept][count:]
        )


def test_scores_at_the_ends_of_the_floating_range_are_ordered_without_a_warning() -> None:
    huge = float(np.finfo(np.float32).max)
    values = np.array([-huge, huge, 0.0, -0.0, 1e-45, 0.0], dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        order = descending(values, np.arange(6), Ties(0), 6).tolist()
        assert descending(values[:2], np.arange(2), Ties(0), 2).tolist() == [1, 0]
    assert (order[:2], order[-1]) == ([1, 4], 0)
    assert sorted(order[2:5]) == [2, 3, 5]


def shares(scores: dict[str, torch.Tensor], ties: Ties) -> tuple[np.ndarray, Layout]:
    layout = Layout.of(scores)
    index = np.arange(layout.total)
    return in_scope(
        np.array(flat(scores), dtype=np.float32),
        index,
        layout,
        dict(zip(layout.shapes, layout.sizes, strict=True)),
        ties,
    ), layout


def layer_masks(scores: dict[str, torch.Tensor], count: int, ties: Ties) -> Masks:
    ranked, layout = shares(scores, ties)
    kept = best(ranked, np.arange(layout.total), count, ties, layout.total)
    return Masks(layout.split(torch.from_numpy(kept)))


def sainte_lague(sizes: list[int], count: int) -> list[set[int]]:
    """Seats by Webster's method with highest averages; where averages tie, every number of seats that is fair."""
    quotients = sorted((-Fraction(n, 2 * j + 1), i) for i, n in enumerate(sizes) for j in range(n))
    last = quotients[count - 1][0] if count else Fraction(-(10**9))
    sure = [sum(q < last and i == k for q, i in quotients) for k in range(len(sizes))]
    level = [sum(q == last and i == k for q, i in quotients) for k in range(len(sizes))]
    return [set(range(a, a + b + 1)) for a, b in zip(sure, level, strict=True)]


@given(sizes, st.integers(1, 5), seeds)
@settings(max_examples=80, deadline=None)
def test_layer_scope_keeps_exact_totals_shared_out_by_websters_method(sizes: list[int], levels: int, seed: int) -> None:
    scores, ties = tied_scores(sizes, levels, seed), Ties(seed)
    total, previous = sum(sizes), [0] * len(sizes)
    for count in range(1, total + 1):
        masks = layer_masks(scores, count, ties)
        seats = list(masks.by_layer().values())
        assert sum(seats) == count
        assert all(s in fair for s, fair in zip(seats, sainte_lague(sizes, count), strict=True))
        assert all(now >= before for now, before in zip(seats, previous, strict=True))
        exact = [count / total * n for n in sizes]
        assert all(abs(s - share) <= 1 + len(sizes) / 2 for s, share in zip(seats, exact, strict=True))
        rounded = [Fraction(count * n, total) for n in sizes]
        if sum(map(round, rounded)) == count and all(share % 1 != Fraction(1, 2) for share in rounded):
            assert seats == list(map(round, rounded))
        previous = seats


@given(sizes, st.integers(1, 5), seeds)
@settings(max_examples=60, deadline=None)
def test_layer_scope_keeps_the_best_of_every_layer_and_masks_are_nested(
    sizes: list[int], levels: int, seed: int
) -> None:
    scores, ties = tied_scores(sizes, levels, seed), Ties(seed)
    previous: Masks | None = None
    for count in range(1, sum(sizes) + 1):
        masks = layer_masks(scores, count, ties)
        for name, mask in masks.items():
            if mask.any() and not mask.all():
                assert scores[name][mask].min() >= scores[name][~mask].max()
            if previous is not None:
                assert not (previous[name] & ~mask).any()
        previous = masks


def test_layers_of_one_size_keep_equal_counts_in_layer_scope() -> None:
    scores = {name: torch.randn(12) * scale for name, scale in (("a", 1.0), ("b", 100.0), ("c", 1e-6))}
    assert layer_masks(scores, 15, Ties(0)).by_layer() == {"a": 5, "b": 5, "c": 5}


def test_global_scope_leaves_scores_as_they_are() -> None:
    values = np.array([3.0, -1.0, 2.0])
    layout = Layout.of({"a": torch.zeros(1), "b": torch.zeros(2)})
    assert in_scope(values, np.arange(3), layout, None, Ties(0)) is values


GOOD = {"conv": torch.ones(2, 3), "head": torch.ones(4)}
BAD = [
    ({**GOOD, "head": torch.tensor([1.0, float("nan"), 2.0, 3.0])}, r"1 of 4 scores of layer head are NaN"),
    ({**GOOD, "conv": torch.full((2, 3), float("inf"))}, r"6 of 6 scores of layer conv are infinite"),
    ({**GOOD, "conv": torch.full((2, 3), float("-inf"))}, r"6 of 6 scores of layer conv are infinite"),
    ({**GOOD, "conv": torch.ones(3, 2)}, r"scores of layer conv have shape \[3, 2\], the weight \[2, 3\]"),
    ({**GOOD, "conv": torch.ones(6)}, r"scores of layer conv have shape \[6\], the weight \[2, 3\]"),
    ({"conv": GOOD["conv"]}, r"no scores for layer head"),
    ({**GOOD, "bias": torch.ones(1)}, r"scores for 'bias', which is no prunable tensor"),
    ({**GOOD, "head": torch.ones(4, dtype=torch.int64)}, r"scores of layer head are torch.int64, not floating point"),
    ({**GOOD, "head": torch.ones(4, dtype=torch.bool)}, r"scores of layer head are torch.bool, not floating point"),
    ({**GOOD, "head": np.ones(4)}, r"scores of layer head are ndarray, not a tensor"),
    ([GOOD["conv"], GOOD["head"]], r"a scorer returns a dict of tensors by layer, not list"),
    (None, r"a scorer returns a dict of tensors by layer, not NoneType"),
    (GOOD["conv"], r"a scorer returns a dict of tensors by layer, not Tensor"),
]


@pytest.mark.parametrize(("scores", "message"), BAD)
def test_scores_that_cannot_be_used_are_refused_with_the_layer(scores: object, message: str) -> None:
    from prunebench.engine.selection.allocate import competing

    layout = Layout.of(GOOD)
    with pytest.raises(ScoreError, match=message) as caught:
        competing(scores, layout, np.arange(layout.total))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    competing(GOOD, layout, np.arange(layout.total))


def test_scores_of_weights_that_are_gone_do_not_matter() -> None:
    from prunebench.engine.selection.allocate import competing

    layout = Layout.of(GOOD)
    scores = {**GOOD, "head": torch.tensor([1.0, float("nan"), 2.0, 3.0])}
    alive = np.array([0, 5, 6, 8])
    assert competing(scores, layout, alive).tolist() == [1.0, 1.0, 1.0, 2.0]
