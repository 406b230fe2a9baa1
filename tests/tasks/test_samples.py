"""Samples in memory and on disk: the same reads, whatever they lie in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from prunebench.errors import PruningError
from prunebench.tasks.datasets.base import Dataset, Split
from prunebench.tasks.datasets.images import Images, Scale, value_counts
from prunebench.tasks.datasets.listing import listed
from prunebench.tasks.datasets.reader import Reader
from prunebench.tasks.datasets.stream import Stream
from tests.tasks.fake_data import pixels, tree, write_images

SCALE = Scale(torch.tensor([100.0, 120.0, 140.0]), torch.tensor([50.0, 60.0, 70.0]))
COUNT = 12


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    write_images(folder, tree(per_class=4, classes=("ant", "bee", "cat"), side=8))
    return folder


@pytest.fixture(scope="module")
def expected(folder):
    """Inputs and labels as torchvision reads and standardises them."""
    transform = v2.Compose(
        [
            v2.PILToTensor(),
            v2.ToDtype(torch.float32, scale=False),
            v2.Normalize(SCALE.mean.tolist(), SCALE.deviation.tolist()),
        ]
    )
    data = ImageFolder(folder / "train", transform=transform)
    return torch.stack([x for x, _ in data]), torch.tensor(data.targets)


@pytest.fixture(params=["split", "images", "stream"])
def samples(request, folder, expected):
    if request.param == "split":
        return Split(*expected)
    stream = Stream.of(listed(folder).train, Reader(8, 8), SCALE)
    if request.param == "stream":
        return stream
    data = ImageFolder(folder / "train", transform=v2.PILToTensor())
    return Images(torch.stack([x for x, _ in data]), torch.tensor(data.targets), SCALE)


def assert_same(split, x, y):
    assert isinstance(split, Split)
    assert split.x.dtype == torch.float32
    assert split.y.dtype == torch.int64
    assert torch.allclose(split.x, x, atol=1e-5)
    assert torch.equal(split.y, y)


def test_the_whole_is_what_torchvision_reads(samples, expected):
    assert (len(samples), samples.shape) == (COUNT, (3, 8, 8))
    assert torch.equal(samples.y, expected[1])
    assert_same(samples.whole(), *expected)


def test_taking_follows_the_index_and_a_subset_is_the_same_samples(samples, expected):
    x, y = expected
    index = torch.tensor([7, 0, 7, 11])
    assert_same(samples.take(index), x[index], y[index])
    part = samples.subset(torch.tensor([2, 3, 5, 9]))
    assert type(part) is type(samples)
    assert len(part) == 4
    assert torch.equal(part.y, y[[2, 3, 5, 9]])
    assert_same(part.take(torch.tensor([3, 1])), x[[9, 3]], y[[9, 3]])
    assert len(samples.take(torch.tensor([], dtype=torch.int64))) == 0
    assert samples.take(torch.tensor([], dtype=torch.int64)).x.shape == (0, 3, 8, 8)


def test_batches_are_all_samples_once_in_order_or_in_the_generators(samples, expected):
    x, y = expected
    in_order = list(samples.batches(5))
    assert [len(b) for b in in_order] == [5, 5, 2]
    assert_same(Split(torch.cat([b.x for b in in_order]), torch.cat([b.y for b in in_order])), x, y)
    state = torch.get_rng_state()
    shuffled = list(samples.batches(5, torch.Generator().manual_seed(3)))
    assert torch.equal(torch.get_rng_state(), state)
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(3))
    assert_same(Split(torch.cat([b.x for b in shuffled]), torch.cat([b.y for b in shuffled])), x[order], y[order])


def test_a_balanced_draw_is_the_same_wherever_samples_lie(samples, expected):
    state = torch.get_rng_state()
    drawn = samples.balanced(2, torch.Generator().manual_seed(1))
    assert torch.equal(torch.get_rng_state(), state)
    other = Split(*expected).balanced(2, torch.Generator().manual_seed(1))
    assert_same(drawn, other.x, other.y)
    assert drawn.y.tolist() == [0, 0, 1, 1, 2, 2]
    with pytest.raises(PruningError, match=r"class 0 has 4 samples; samples_per_class=5"):
        samples.balanced(5, torch.Generator())


def test_moving_to_a_device_keeps_the_values(samples, expected):
    moved = samples.to(torch.device("cpu"))
    assert_same(moved.whole(), *expected)
    meta = samples.to(torch.device("meta"))
    assert meta.take(torch.tensor([0, 1])).x.device.type == "meta"


def test_a_balanced_draw_reads_only_the_images_it_needs(folder, monkeypatch):
    stream = Stream.of(listed(folder).train, Reader(8, 8), SCALE)
    read = []
    monkeypatch.setattr(Reader, "__call__", lambda self, path, name="": read.append(path) or torch.zeros(3, 8, 8))
    drawn = stream.balanced(1, torch.Generator().manual_seed(0))
    assert len(drawn) == len(read) == 3
    assert [Path(path).parent.name for path in read] == ["ant", "bee", "cat"]


def test_worker_processes_read_the_same_batches(folder, expected):
    stream = Stream.of(listed(folder).train, Reader(8, 8), SCALE)
    batches = list(stream.batches(5, torch.Generator().manual_seed(3), workers=1))
    order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(3))
    assert torch.equal(torch.cat([b.y for b in batches]), expected[1][order])
    assert torch.allclose(torch.cat([b.x for b in batches]), expected[0][order], atol=1e-5)


def test_the_scale_is_mean_and_population_deviation_by_channel():
    x = pixels(5000, 3, 4, 4)
    x[:, 2] = 7
    scale = Scale.of(value_counts(torch.from_numpy(x)))
    assert np.allclose(scale.mean.numpy(), x.mean(axis=(0, 2, 3), dtype=np.float64), rtol=1e-6)
    assert np.allclose(scale.deviation[:2].numpy(), x.std(axis=(0, 2, 3), dtype=np.float64)[:2], rtol=1e-6)
    assert scale.deviation[2] == 1, "a channel of one value is not divided by zero"
    counts = value_counts(torch.from_numpy(x))
    assert counts[2].tolist() == [0] * 7 + [5000 * 16] + [0] * 248
    assert counts[0].tolist() == np.bincount(x[:, 0].ravel(), minlength=256).tolist()


def test_a_streams_scale_is_that_of_its_pixels(folder):
    found = listed(folder)
    measured = Stream.of(found.train, Reader(8, 8), SCALE).measured()
    data = ImageFolder(folder / "train", transform=v2.PILToTensor())
    x = torch.stack([x for x, _ in data]).double()
    assert torch.allclose(measured.mean.double(), x.mean((0, 2, 3)))
    assert torch.allclose(measured.deviation.double(), x.std((0, 2, 3), correction=0))


def test_twins_are_samples_with_equal_inputs_and_no_others(samples):
    assert len(set(samples.twins().tolist())) == COUNT
    twice = samples.subset(torch.tensor([4, 0, 4, 1, 0, 4]))
    numbers = twice.twins().tolist()
    assert numbers[0] == numbers[2] == numbers[5]
    assert numbers[1] == numbers[4]
    assert len(set(numbers)) == 3


def test_copies_of_a_file_are_twins_whatever_their_name(tmp_path):
    images = tree(per_class=3, splits=("train", "test"))
    images["train/bee/copy.png"] = images["train/ant/01.png"]
    write_images(tmp_path, images)
    files = listed(tmp_path).train
    numbers = Stream.of(files, Reader(32, 32), SCALE).twins().tolist()
    copies = {i for i, name in enumerate(files.names) if name in {"bee/copy.png", "ant/01.png"}}
    assert len({numbers[i] for i in copies}) == 1
    assert len(set(numbers)) == len(numbers) - 1


def test_fingerprints_tell_contents_and_listings_apart(tmp_path):
    def fingerprint(images, reader=None):
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        write_images(folder, images)
        found, reader = listed(folder), reader or Reader(32, 32)
        return Dataset(
            "x", Stream.of(found.train, reader, SCALE), Stream.of(found.test, reader, SCALE), 2
        ).fingerprint  # fmt: skip

    images = tree()
    seen = {
        fingerprint(images), fingerprint(images | {"test/ant/99.png": images["test/ant/00.png"]}),
        fingerprint({n.replace("train/ant/00", "train/bee/88"): x for n, x in images.items()}),
        fingerprint(images | {"train/ant/00.png": np.zeros((32, 32, 3), np.uint8)}),
        fingerprint(images, Reader(16, 16)),
    }  # fmt: skip
    assert len(seen) == 5
    assert fingerprint(images) in seen

    x, y = torch.from_numpy(pixels(4, 3, 2, 2)), torch.tensor([0, 1, 0, 1])

    def of(pixels, labels=y):
        return Dataset("x", Images(pixels, labels, SCALE), Images(x, y, SCALE), 2).fingerprint

    assert len({of(x), of(x.flip(0)), of(x, 1 - y), of(x.reshape(4, 3, 4, 1))}) == 4
    assert of(x) == of(x.clone())
