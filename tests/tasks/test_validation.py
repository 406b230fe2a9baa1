"""The validation split: a part of train, stratified, and nothing of it on the other side."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from prunebench.errors import PruningError
from prunebench.tasks.datasets.base import Dataset, Split
from prunebench.tasks.datasets.images import Images, Scale


def samples(labels, values=None):
    """Inputs that are their position, or the given values."""
    y = torch.tensor(labels)
    x = torch.arange(float(len(y))) if values is None else torch.tensor(values, dtype=torch.float32)
    return Split(x[:, None], y)


def split(data, *arguments):
    return Dataset("x", data, Split(torch.zeros(1, 1), torch.zeros(1, dtype=torch.int64)), 2).split(*arguments)


@given(st.lists(st.integers(4, 30), min_size=1, max_size=5), st.floats(0.2, 0.8), st.integers(0, 5))
@settings(max_examples=50, deadline=None)
def test_without_copies_each_class_gives_its_rounded_share_and_every_sample_has_one_side(counts, share, repetition):
    labels = [label for label, n in enumerate(counts) for _ in range(n)]
    rest, held = split(samples(labels), share, repetition)
    assert torch.bincount(held.y, minlength=len(counts)).tolist() == [round(share * n) for n in counts]
    sides = [part.x[:, 0].long().tolist() for part in (rest, held)]
    assert sorted(sides[0] + sides[1]) == list(range(len(labels)))
    assert all(side == sorted(side) for side in sides)
    for part, side in zip((rest, held), sides, strict=True):
        assert part.y.tolist() == [labels[i] for i in side]


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 25)), min_size=60, max_size=90))
@settings(max_examples=50, deadline=None)
def test_equal_inputs_are_on_one_side_even_under_different_labels(pairs):
    labels, values = [label for label, _ in pairs], [value for _, value in pairs]
    labels += [0, 0, 1, 1, 2, 2]
    values += [100, 101, 102, 103, 104, 105]
    try:
        rest, held = split(samples(labels, values), 0.4)
    except PruningError:
        return
    assert not set(rest.x.flatten().tolist()) & set(held.x.flatten().tolist())
    for label in range(3):
        assert int((held.y == label).sum()) <= round(0.4 * labels.count(label))


def test_a_few_copies_cost_a_class_a_few_samples_at_most():
    labels = [i % 2 for i in range(200)]
    values = [i // 4 if i < 40 else i + 1000 for i in range(200)]
    rest, held = split(samples(labels, values), 0.1)
    assert not set(rest.x.flatten().tolist()) & set(held.x.flatten().tolist())
    assert all(8 <= n <= 10 for n in torch.bincount(held.y).tolist())


def test_the_draw_depends_on_the_repetition_and_on_nothing_else():
    data = samples([i % 3 for i in range(90)])
    torch.manual_seed(1)
    first = split(data)[1].x
    torch.manual_seed(2)
    state = torch.get_rng_state()
    assert torch.equal(split(data, 0.1, 0)[1].x, first)
    assert torch.equal(torch.get_rng_state(), state)
    assert not torch.equal(split(data, 0.1, 1)[1].x, first)


def test_images_keep_the_scale_of_the_whole_training_split():
    scale = Scale(torch.tensor([10.0]), torch.tensor([2.0]))
    pixels = torch.arange(40, dtype=torch.uint8).reshape(40, 1, 1, 1)
    rest, held = split(Images(pixels, torch.arange(40) % 2, scale), 0.25)
    assert isinstance(held, Images)
    assert (len(rest), len(held)) == (30, 10)
    assert torch.equal(held.whole().x, (held.pixels - 10.0) / 2)


@pytest.mark.parametrize(("labels", "values", "share"), [
    ([0] * 20 + [1] * 2, None, 0.1), ([0] * 20 + [1] * 2, None, 0.9),
    ([0] * 20 + [1] * 4, [*range(20), 7, 7, 7, 7], 0.5),
])  # fmt: skip
def test_a_class_that_would_miss_on_one_side_is_named(labels, values, share):
    with pytest.raises(PruningError, match=rf"class 1 has {labels.count(1)} samples: validation={share:g} leaves none"):
        split(samples(labels, values), share)
