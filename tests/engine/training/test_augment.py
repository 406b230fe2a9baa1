"""Crops and mirrors of whole batches against torchvision, image by image, on pixels before they are standardised."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torchvision.transforms.v2 import functional as tv

from prunebench.engine.training.augment import Augmentation
from prunebench.errors import TrainingError
from prunebench.tasks.datasets.images import Images, Scale
from prunebench.tasks.recipes.base import Recipe
from tests.engine.training.plain_training import CLASSES, mlp, trainer, vectors


def stream(seed=0):
    return torch.Generator().manual_seed(seed)


def images(n, height, width, channels=3, seed=0):
    pixels = torch.randint(0, 256, (n, channels, height, width), generator=stream(seed), dtype=torch.uint8)
    scale = Scale(torch.linspace(90, 140, channels), torch.linspace(50, 70, channels))
    return Images(pixels, torch.arange(n) % CLASSES, scale)


def by_torchvision(data, draw, border, first, count):
    """Padded with black, cut out and mirrored one by one as uint8, then standardised."""
    height, width = data.shape[1:]
    found = []
    for place in range(first, first + count):
        pixels = data.pixels[place]
        if bool(draw.mirrored[place]):
            pixels = tv.horizontal_flip(pixels)
        top, left = draw.offsets[place].tolist()
        found.append(tv.crop(tv.pad(pixels, [border], fill=0), top, left, height, width))
    return data.scale(torch.stack(found))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 4), st.booleans(), st.integers(1, 6), st.integers(1, 7), st.integers(1, 3), st.integers(0, 5),
    st.integers(0, 99),
)  # fmt: skip
def test_a_batch_is_what_torchvision_makes_of_its_images_one_by_one(border, flip, height, width, channels, first, seed):
    data = images(12, height, width, channels, seed)
    draw = Augmentation.draw(Recipe(crop=border, flip=flip), len(data), stream(seed))
    batch = data.take(torch.arange(first, 12)).x
    before = batch.clone()
    found = draw(batch, first, data.black)
    torch.testing.assert_close(found, by_torchvision(data, draw, border, first, 12 - first), atol=1e-6, rtol=1e-6)
    assert torch.equal(batch, before), "the batch that was given stays as it is"
    assert found.is_contiguous()


def test_the_border_is_black_not_the_mean():
    data = Images(torch.full((1, 2, 1, 1), 200, dtype=torch.uint8), torch.zeros(1, dtype=torch.int64),
                  Scale(torch.tensor([100.0, 50.0]), torch.tensor([50.0, 25.0])))  # fmt: skip
    corner = Augmentation(1, torch.tensor([[0, 0]]), torch.tensor([False]))
    assert corner(data.whole().x, 0, data.black).flatten().tolist() == [-2.0, -2.0]
    centre = Augmentation(1, torch.tensor([[1, 1]]), torch.tensor([False]))
    assert centre(data.whole().x, 0, data.black).flatten().tolist() == [2.0, 6.0]


def test_all_places_and_both_sides_are_drawn_alike():
    """A χ² over the 5 × 5 places and the mirrors of 20 000 draws stays below its 99.99 % point."""
    n = 20000
    draw = Augmentation.draw(Recipe(crop=2, flip=True), n, stream())
    found = Counter(zip(*draw.offsets.T.tolist(), draw.mirrored.tolist(), strict=True))
    assert len(found) == 50
    expected = n / 50
    assert sum((count - expected) ** 2 / expected for count in found.values()) < 93.5


def test_nothing_is_drawn_that_was_not_asked_for():
    shifted = Augmentation.draw(Recipe(crop=3), 100, stream())
    assert not shifted.mirrored.any()
    mirrored = Augmentation.draw(Recipe(flip=True), 100, stream())
    assert not mirrored.offsets.any()
    x = images(100, 4, 4).whole().x
    out = mirrored(x, 0, torch.zeros(3))
    assert torch.equal(out[~mirrored.mirrored], x[~mirrored.mirrored])
    assert torch.equal(out[mirrored.mirrored], x[mirrored.mirrored].flip(-1))


def test_mirrors_of_an_epoch_do_not_depend_on_the_batch_size():
    """A batch takes its part of the epoch's draw."""
    data = images(12, 5, 5)
    draw = Augmentation.draw(Recipe(crop=2, flip=True), 12, stream(3))
    whole = draw(data.whole().x, 0, data.black)
    for size in (1, 5, 12):
        parts = [draw(data.take(torch.arange(a, min(a + size, 12))).x, a, data.black) for a in range(0, 12, size)]
        assert torch.equal(torch.cat(parts), whole)


class Looks(nn.Module):
    """A linear classifier that keeps what it was shown."""

    def __init__(self, shape):
        super().__init__()
        self.layer = nn.Linear(shape.numel(), CLASSES)
        self.shown = []

    def forward(self, x):
        self.shown.append(x.clone())
        return self.layer(x.flatten(1))


def test_a_training_shows_every_image_once_an_epoch_moved_within_the_border_and_anew_in_every_epoch():
    data = images(11, 6, 6)
    model = Looks(torch.Size(data.shape))
    one = trainer(model, Recipe(batch=4, epochs=3, crop=1, flip=True, rewind=()), data)
    one.run()
    epochs = [torch.cat(model.shown[i : i + 3]) for i in (0, 3, 6)]
    versions = {}
    for number in range(len(data)):
        for mirrored in (False, True):
            pixels = tv.horizontal_flip(data.pixels[number]) if mirrored else data.pixels[number]
            for top in range(3):
                for left in range(3):
                    moved = data.scale(tv.crop(tv.pad(pixels, [1], fill=0), top, left, 6, 6)[None])
                    versions[number, mirrored, top, left] = moved[0]
    names, table = list(versions), torch.stack(list(versions.values())).flatten(1)
    shown = []
    for epoch in epochs:
        distance, nearest = (epoch.flatten(1)[:, None] - table).abs().amax(2).min(1)
        assert float(distance.max()) < 1e-5
        shown.append([names[i] for i in nearest.tolist()])
        assert sorted(name[0] for name in shown[-1]) == list(range(11))
    assert len({tuple(sorted(epoch)) for epoch in shown}) == 3
    again = Looks(torch.Size(data.shape))
    trainer(again, Recipe(batch=4, epochs=3, crop=1, flip=True, rewind=(), lr=1.0), data).run()
    assert all(torch.equal(a, b) for a, b in zip(model.shown, again.shown, strict=True))
    other = Looks(torch.Size(data.shape))
    trainer(other, Recipe(batch=4, epochs=3, crop=1, flip=True, rewind=()), data, repetition=1).run()
    assert not torch.equal(model.shown[0], other.shown[0])


@pytest.mark.parametrize("values", [{"crop": 1}, {"flip": True}, {"crop": 2, "flip": True}], ids=str)
def test_inputs_that_are_no_images_are_refused_in_one_line(values):
    with pytest.raises(TrainingError, match=r"^crop and flip need images \[channels, height, width\], not \[6\]$"):
        trainer(mlp(), Recipe(batch=5, epochs=1, rewind=(), **values), vectors()).run()
