"""Datasets: shapes, splits, fingerprints, class-balanced draws."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from torch.nn.functional import avg_pool2d

from prunebench.errors import PruningError, UnknownNameError
from prunebench.plugins import ready
from prunebench.registry import DATASETS
from prunebench.spec import Spec
from prunebench.tasks.build import load_dataset
from prunebench.tasks.datasets.base import Dataset, Split, standardised

if TYPE_CHECKING:
    from pathlib import Path

ready()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("data")


@pytest.fixture(autouse=True)
def _data_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRUNEBENCH_DATA", str(folder))


def global_states() -> tuple[object, ...]:
    return (
        random.getstate(),
        np.random.get_state()[1].tolist(),
        np.random.get_state()[2],
        torch.get_rng_state().tolist(),
    )


@pytest.fixture(scope="module")
def mnist1d(folder: Path) -> Dataset:
    random.seed(1)
    np.random.seed(2)
    torch.manual_seed(3)
    before = global_states()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PRUNEBENCH_DATA", str(folder))
        made = DATASETS.get("mnist1d")()
    assert global_states() == before, "generating changed a global random state"
    return made


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return DATASETS.get("digits")()


@pytest.fixture(scope="module")
def digits32() -> Dataset:
    return DATASETS.get("digits32")()


@pytest.fixture(params=["digits", "digits32", "mnist1d"])
def dataset(request: pytest.FixtureRequest) -> Dataset:
    return request.getfixturevalue(request.param)


SHAPES = {
    "digits": (1197, 600, (1, 8, 8)),
    "digits32": (1197, 600, (3, 32, 32)),
    "mnist1d": (4000, 16_000, (1, 40)),
}


def test_shapes_types_and_classes_are_as_described(dataset: Dataset) -> None:
    train, test, shape = SHAPES[dataset.name]
    assert (dataset.shape, dataset.classes) == (shape, 10)
    assert abs(len(dataset.train) - train) <= 5
    assert abs(len(dataset.test) - test) <= 5
    for split in (dataset.train, dataset.test):
        assert split.x.shape == (len(split), *shape)
        assert split.x.dtype == torch.float32
        assert split.y.dtype == torch.int64
        assert split.x.is_contiguous()
        assert torch.isfinite(split.x).all()
        assert torch.unique(split.y).tolist() == list(range(10))


def test_train_and_test_share_no_sample(dataset: Dataset) -> None:
    train = {x.tobytes() for x in dataset.train.x.numpy()}
    test = {x.tobytes() for x in dataset.test.x.numpy()}
    assert not train & test


def test_both_splits_have_the_classes_in_equal_shares(dataset: Dataset) -> None:
    train, test = (torch.bincount(s.y) / len(s) for s in (dataset.train, dataset.test))
    tolerance = 0.002 if dataset.name.startswith("digits") else 0.02
    assert float((train - test).abs().max()) < tolerance
    assert float((train - 0.1).abs().max()) < 0.02


def test_digits_are_all_of_the_source_split_one_to_two(digits: Dataset) -> None:
    source = load_digits()
    assert len(digits.train) + len(digits.test) == len(source.target) == 1797
    per_class = np.bincount(source.target)
    assert torch.bincount(digits.test.y).tolist() == [round(n / 3) for n in per_class]
    assert torch.bincount(digits.train.y).tolist() == [n - round(n / 3) for n in per_class]
    # Undoing the standardisation gives the source's images and their labels back.
    x = torch.cat([digits.train.x, digits.test.x]).flatten(1).double()
    y = torch.cat([digits.train.y, digits.test.y])
    scale = (float(x.max()) - float(x.min())) / 16
    images = ((x - x.min()) / scale).round().int().tolist()
    expected = sorted(
        (*image.astype(int).ravel().tolist(), int(label))
        for image, label in zip(source.images, source.target, strict=True)
    )
    assert sorted((*image, int(label)) for image, label in zip(images, y, strict=True)) == expected
    # The split is drawn: it is not the first third of each class.
    places = [
        np.flatnonzero((source.images.reshape(1797, -1) == image).all(1))[0] for image in images[-len(digits.test) :]
    ]
    assert 700 < np.mean(places) < 1100


def test_the_training_split_has_mean_zero_and_deviation_one(digits: Dataset, digits32: Dataset) -> None:
    for data in (digits, digits32):
        assert abs(float(data.train.x.mean())) < 1e-5
        assert abs(float(data.train.x.std()) - 1) < 1e-5
    train, test = standardised(torch.tensor([0.0, 2.0, 4.0]), torch.tensor([2.0, 6.0]))
    assert train.tolist() == [-1, 0, 1]
    assert test.tolist() == [0, 2]


def test_digits32_are_the_same_digits_enlarged_in_three_equal_channels(digits: Dataset, digits32: Dataset) -> None:
    assert torch.equal(digits32.train.y, digits.train.y)
    assert torch.equal(digits32.test.y, digits.test.y)
    x = digits32.train.x
    assert torch.equal(x[:, 0], x[:, 1])
    assert torch.equal(x[:, 0], x[:, 2])
    small = avg_pool2d(x[:50, :1], 4).flatten(1)
    correlation = torch.corrcoef(torch.cat([small, digits.train.x[:50].flatten(1)]))[:50, 50:]
    assert torch.equal(correlation.argmax(1), torch.arange(50))


def test_the_fingerprint_is_that_of_the_contents(dataset: Dataset) -> None:
    again = Dataset("another name", dataset.train, dataset.test, 10)
    assert len(dataset.fingerprint) == 16
    assert again.fingerprint == dataset.fingerprint
    for change in ("train.x", "train.y", "test.x", "test.y"):
        which, field = change.split(".")
        splits = {"train": dataset.train, "test": dataset.test}
        value = getattr(splits[which], field).clone()
        value.view(-1)[-1] += 1
        splits[which] = Split(value, splits[which].y) if field == "x" else Split(splits[which].x, value)
        assert Dataset("x", splits["train"], splits["test"], 10).fingerprint != dataset.fingerprint


def test_a_fingerprint_tells_shapes_apart_that_hold_the_same_bytes() -> None:
    y = torch.zeros(2, dtype=torch.int64)
    flat, square = (Split(torch.zeros(2, *shape), y) for shape in ((4,), (2, 2)))
    assert Dataset("a", flat, flat, 1).fingerprint != Dataset("a", square, square, 1).fingerprint


def test_loading_again_gives_the_same_data(digits: Dataset, mnist1d: Dataset) -> None:
    assert DATASETS.get("digits")().fingerprint == digits.fingerprint
    assert DATASETS.get("mnist1d")().fingerprint == mnist1d.fingerprint


def test_mnist1d_is_generated_once_and_then_read(
    mnist1d: Dataset, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cached,) = folder.glob("mnist1d*")
    assert cached.name.endswith("-4000-16000.safetensors")

    def fails(*_: object) -> None:
        raise AssertionError("generated again")

    monkeypatch.setattr("mnist1d.data.make_dataset", fails)
    again = DATASETS.get("mnist1d")()
    assert torch.equal(again.train.x, mnist1d.train.x)
    assert torch.equal(again.test.y, mnist1d.test.y)
    cached_again = list(folder.glob("mnist1d*"))
    assert cached_again == [cached]


def test_digits_are_read_from_scikit_learn_once(digits: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails() -> None:
        raise AssertionError("read again")

    monkeypatch.setattr("sklearn.datasets.load_digits", fails)
    again = DATASETS.get("digits")()
    assert torch.equal(again.train.x, digits.train.x)
    assert torch.equal(DATASETS.get("digits32")().test.y, digits.test.y)


def small_generator(arguments: object) -> dict[str, np.ndarray]:
    return {"x": np.ones((2, 40)), "y": np.zeros(2), "x_test": np.ones((3, 40)), "y_test": np.ones(3)}


def test_mnist1d_without_a_writable_cache_is_generated_each_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("PRUNEBENCH_DATA", str(blocked / "data"))
    monkeypatch.setattr("mnist1d.data.make_dataset", small_generator)
    for _ in range(2):
        made = DATASETS.get("mnist1d")()
        assert (len(made.train), len(made.test)) == (2, 3)
    assert list(tmp_path.iterdir()) == [blocked]


def test_a_cached_file_that_is_cut_off_is_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PRUNEBENCH_DATA", str(tmp_path))
    monkeypatch.setattr("mnist1d.data.make_dataset", small_generator)
    made = DATASETS.get("mnist1d")()
    (cached,) = tmp_path.iterdir()
    cached.write_bytes(cached.read_bytes()[:100])
    again = DATASETS.get("mnist1d")()
    assert again.fingerprint == made.fingerprint
    assert DATASETS.get("mnist1d")().fingerprint == made.fingerprint
    assert list(tmp_path.iterdir()) == [cached]


def test_data_are_kept_for_the_next_call_and_unknown_names_are_refused() -> None:
    assert load_dataset(Spec("digits")) is load_dataset(Spec("digits"))
    with pytest.raises(UnknownNameError, match="did you mean 'digits'"):
        load_dataset(Spec("digit"))


@given(
    counts=st.lists(st.integers(3, 12), min_size=1, max_size=5), per_class=st.integers(1, 3), seed=st.integers(0, 2**31)
)
@settings(max_examples=60, deadline=None)
def test_a_balanced_draw_has_as_many_of_every_class_without_repetition(
    counts: list[int], per_class: int, seed: int
) -> None:
    y = torch.cat([torch.full((n,), label) for label, n in enumerate(counts)])
    y = y[torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))]
    split = Split(torch.arange(float(len(y)))[:, None], y)
    state = torch.get_rng_state()
    drawn = split.balanced(per_class, torch.Generator().manual_seed(seed))
    assert torch.bincount(drawn.y).tolist() == [per_class] * len(counts)
    chosen = drawn.x[:, 0].long()
    assert len(set(chosen.tolist())) == len(chosen) == len(drawn)
    assert torch.equal(split.y[chosen], drawn.y)
    again = split.balanced(per_class, torch.Generator().manual_seed(seed))
    assert torch.equal(again.x, drawn.x)
    assert torch.equal(torch.get_rng_state(), state)


def test_balanced_draws_reach_every_sample() -> None:
    split = Split(torch.arange(20.0)[:, None], torch.arange(20) % 2)
    seen: set[float] = set()
    for seed in range(60):
        seen |= set(split.balanced(2, torch.Generator().manual_seed(seed)).x.flatten().tolist())
    assert seen == set(range(20))


def test_a_class_with_too_few_samples_is_named() -> None:
    split = Split(torch.zeros(5, 1), torch.tensor([0, 0, 0, 4, 4]))
    with pytest.raises(PruningError, match=r"class 4 has 2 samples; samples_per_class=3"):
        split.balanced(3, torch.Generator())
    assert len(split.balanced(2, torch.Generator())) == 4
