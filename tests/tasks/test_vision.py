"""MNIST, Fashion-MNIST, CIFAR, Tiny ImageNet: read as published, verified, downloaded only when asked."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.datasets import CIFAR10, CIFAR100, MNIST, FashionMNIST

from prunebench.errors import DataError
from prunebench.plugins import ready
from prunebench.registry import DATASETS
from prunebench.spec import Spec
from prunebench.tasks.build import fetch_dataset
from prunebench.tasks.datasets import tiny_imagenet
from tests.tasks.fake_data import (
    cifar_files,
    md5,
    mnist_files,
    patch_cifar,
    patch_mnist,
    pixels,
    served,
    tar_gz,
    tiny_imagenet_zip,
)  # fmt: skip

ready()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PRUNEBENCH_DATA", str(tmp_path / "data"))
    return tmp_path / "data"


def unstandardised(samples):
    """Pixels and labels, whatever the scale."""
    return samples.pixels.numpy(), samples.y.tolist()


@pytest.mark.parametrize(("name", "source"), [("mnist", MNIST), ("fashion-mnist", FashionMNIST)])
def test_mnist_is_read_from_its_compressed_files(name, source, folder, monkeypatch):
    images, labels = (pixels(6, 28, 28), pixels(4, 28, 28, seed=1)), ([3, 1, 4, 1, 5, 9], [2, 6, 5, 3])
    files = mnist_files(images, labels)
    patch_mnist(monkeypatch, source, files)
    raw = folder / source.__name__ / "raw"
    raw.mkdir(parents=True)
    for file, data in files.items():
        (raw / file).write_bytes(data)
    data = DATASETS.get(name)()
    assert (data.name, data.shape, data.classes) == (name, (1, 28, 28), 10)
    for samples, x, y in zip((data.train, data.test), images, labels, strict=True):
        got, classes = unstandardised(samples)
        assert np.array_equal(got[:, 0], x)
        assert classes == y
    values = images[0].astype(float)
    expected = (images[1].astype(float) - values.mean()) / values.std()
    assert np.allclose(data.test.whole().x[:, 0].numpy(), expected, atol=1e-5)


def test_cifar_is_read_batch_after_batch_in_channels_first(folder, monkeypatch):
    x = pixels(9, 3, 32, 32)
    train, test = [(x[:4], [0, 1, 2, 3]), (x[4:7], [4, 5, 6])], (x[7:], [9, 8])
    files = cifar_files(train, test)
    patch_cifar(monkeypatch, CIFAR10, files)
    (folder / "cifar-10-batches-py").mkdir(parents=True)
    for file, data in files.items():
        (folder / "cifar-10-batches-py" / file).write_bytes(data)
    data = DATASETS.get("cifar-10")()
    assert (data.shape, data.classes) == ((3, 32, 32), 10)
    assert np.array_equal(data.train.pixels.numpy(), x[:7])
    assert np.array_equal(data.test.pixels.numpy(), x[7:])
    assert (data.train.y.tolist(), data.test.y.tolist()) == ([0, 1, 2, 3, 4, 5, 6], [9, 8])
    values = x[:7].astype(float)
    mean, deviation = (f(values, axis=(0, 2, 3), keepdims=True) for f in (np.mean, np.std))
    assert np.allclose(data.test.whole().x.numpy(), (x[7:] - mean) / deviation, atol=1e-5)


def test_cifar_100_has_its_fine_labels(folder, monkeypatch):
    files = cifar_files([(pixels(3, 3, 32, 32), [99, 0, 50])], (pixels(1, 3, 32, 32), [7]), labels="fine_labels")
    patch_cifar(monkeypatch, CIFAR100, files)
    (folder / "cifar-100-python").mkdir(parents=True)
    for file, data in files.items():
        (folder / "cifar-100-python" / file).write_bytes(data)
    data = DATASETS.get("cifar-100")()
    assert data.classes == 100
    assert data.train.y.tolist() == [99, 0, 50]


def test_tiny_imagenet_is_read_from_its_archive_and_the_table_of_its_validation_split(folder, monkeypatch):
    archive, files = tiny_imagenet_zip()
    monkeypatch.setattr(tiny_imagenet, "MD5", md5(archive))
    folder.mkdir()
    (folder / "tiny-imagenet-200.zip").write_bytes(archive)
    data = DATASETS.get("tiny-imagenet")()
    assert (data.shape, data.classes, len(data.train), len(data.test)) == ((3, 64, 64), 200, 200, 2)
    assert data.train.y.tolist() == list(range(200))
    # The archive's first class is its last by name, and has val_1; val_0 is of the first by name, and grey.
    assert data.test.y.tolist() == [0, 199]

    def read(name):
        return np.asarray(Image.open(io.BytesIO(files[name])).convert("RGB")).transpose(2, 0, 1)

    assert np.array_equal(data.test.pixels[0].numpy(), read("val/images/val_0.JPEG"))
    assert np.array_equal(data.test.pixels[1].numpy(), read("val/images/val_1.JPEG"))
    assert np.array_equal(data.train.pixels[5].numpy(), read("train/n00000005/images/n00000005_0.JPEG"))


def test_an_archive_of_another_layout_is_refused(folder, monkeypatch):
    folder.mkdir()
    for archive, words in [
        (tiny_imagenet_zip(classes=3)[0], "has 3 classes, not the 200"),
        (b"no archive", "is not laid out as Tiny ImageNet"),
    ]:
        (folder / "tiny-imagenet-200.zip").write_bytes(archive)
        monkeypatch.setattr(tiny_imagenet, "MD5", md5(archive))
        with pytest.raises(DataError, match=words):
            DATASETS.get("tiny-imagenet")()


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("mnist", "MNIST/raw/train-images-idx3-ubyte.gz"),
        ("fashion-mnist", "FashionMNIST/raw/train-images-idx3-ubyte.gz"),
        ("cifar-10", "cifar-10-batches-py/data_batch_1"),
        ("cifar-100", "cifar-100-python/train"),
        ("tiny-imagenet", "tiny-imagenet-200.zip"),
    ],
)
def test_data_that_are_missing_are_not_fetched_but_named(name, place, folder, monkeypatch):
    def fails(*_, **__):
        raise AssertionError("the network was used")

    monkeypatch.setattr("socket.socket.connect", fails)
    with pytest.raises(DataError) as error:
        DATASETS.get(name)()
    assert str(error.value) == (
        f"data set {name!r}: no {folder / place}: --download fetches it, --data DIR looks in another folder"
    )


def test_a_damaged_file_is_named_with_both_checksums(folder, monkeypatch):
    files = cifar_files([(pixels(2, 3, 32, 32), [0, 1])], (pixels(1, 3, 32, 32), [1]))
    patch_cifar(monkeypatch, CIFAR10, files)
    (folder / "cifar-10-batches-py").mkdir(parents=True)
    for file, data in files.items():
        (folder / "cifar-10-batches-py" / file).write_bytes(data)
    damaged = folder / "cifar-10-batches-py" / "test_batch"
    damaged.write_bytes(b"x" + files["test_batch"][1:])
    with pytest.raises(
        DataError, match=f"test_batch is damaged .MD5 {md5(damaged.read_bytes())}, not {md5(files['test_batch'])}"
    ):
        DATASETS.get("cifar-10")()


def test_cifar_is_downloaded_once_verified_and_unpacked(folder, monkeypatch, capsys):
    files = cifar_files([(pixels(2, 3, 32, 32), [0, 1])], (pixels(1, 3, 32, 32), [1]))
    archive = tar_gz("cifar-10-batches-py", files)
    with served({"cifar.tar.gz": archive}) as (address, asked):
        patch_cifar(monkeypatch, CIFAR10, files, f"{address}cifar.tar.gz", archive)
        fetch_dataset(Spec("cifar-10"))
        assert f"downloading {address}cifar.tar.gz" in capsys.readouterr().err
        assert DATASETS.get("cifar-10")().train.y.tolist() == [0, 1]
        fetch_dataset(Spec("cifar-10"))
        assert asked == ["/cifar.tar.gz"]
        # What is damaged later is unpacked again from the archive that is still there.
        (folder / "cifar-10-batches-py" / "test_batch").write_bytes(b"")
        fetch_dataset(Spec("cifar-10"))
    assert asked == ["/cifar.tar.gz"]
    assert (folder / "cifar-10-batches-py" / "test_batch").read_bytes() == files["test_batch"]
    assert {p.name for p in folder.iterdir()} == {"cifar-10-batches-py", "cifar-10-python.tar.gz", "decoded"}


def test_mnist_is_downloaded_from_the_first_mirror_that_has_it(folder, monkeypatch):
    files = mnist_files((pixels(2, 28, 28), pixels(1, 28, 28)), ([0, 1], [2]))
    with served(files) as (address, asked):
        patch_mnist(monkeypatch, MNIST, files, [f"{address}gone/", address])
        fetch_dataset(Spec("mnist"))
    assert asked == [f"/{where}{name}" for name, _ in MNIST.resources for where in ("gone/", "")]
    assert DATASETS.get("mnist")().test.y.tolist() == [2]


def test_tiny_imagenet_is_downloaded_whole(folder, monkeypatch):
    archive, _ = tiny_imagenet_zip()
    with served({"tiny.zip": archive}) as (address, _):
        monkeypatch.setattr(tiny_imagenet, "MD5", md5(archive))
        monkeypatch.setattr(tiny_imagenet, "URL", f"{address}tiny.zip")
        fetch_dataset(Spec("tiny-imagenet"))
    assert (folder / "tiny-imagenet-200.zip").read_bytes() == archive
    assert DATASETS.get("tiny-imagenet")().classes == 200


@pytest.mark.parametrize(
    ("sent", "words"),
    [(b"something else", "MD5 {found}, not {md5}"), (None, "Not Found"), ("half", "MD5 {found}, not {md5}")],
)
def test_a_download_that_fails_says_why_and_leaves_nothing(sent, words, folder, monkeypatch):
    archive, _ = tiny_imagenet_zip(classes=3)
    data = archive[: len(archive) // 2] if sent == "half" else sent
    monkeypatch.setattr(tiny_imagenet, "MD5", md5(archive))
    with served({} if data is None else {"tiny.zip": data}) as (address, _):
        monkeypatch.setattr(tiny_imagenet, "URL", f"{address}tiny.zip")
        with pytest.raises(DataError) as error:
            fetch_dataset(Spec("tiny-imagenet"))
    expected = words.format(found=md5(data or b""), md5=md5(archive))
    assert str(error.value) == (
        f"tiny-imagenet-200.zip could not be downloaded into {folder}: {address}tiny.zip: {expected}"
    )
    assert list(folder.iterdir()) == []


def test_without_a_network_the_error_is_one_line(folder, monkeypatch):
    with served({}) as (address, _):
        pass
    monkeypatch.setattr(tiny_imagenet, "URL", f"{address}tiny.zip")
    with pytest.raises(DataError, match=r"could not be downloaded into .*Connection refused"):
        fetch_dataset(Spec("tiny-imagenet"))


def test_fetching_data_that_are_made_or_the_users_own_does_nothing(folder):
    for name in ("digits", "mnist1d", "image-folder", "imagenet"):
        fetch_dataset(Spec(name))
    assert not folder.exists()


def test_the_published_checksums_are_torchvisions_and_the_courses_own():
    assert CIFAR10.tgz_md5 == "c58f30108f718f92721af3b95e74349a"
    assert dict(MNIST.resources)["train-images-idx3-ubyte.gz"] == "f68b3c2dcbeaaa9fbdd348bbdeb94873"
    assert tiny_imagenet.MD5 == "90528d7ca1a48142e341f4ef8d21d0de"


def test_what_was_decoded_once_is_read_from_then_on(folder, monkeypatch):
    files = mnist_files((pixels(2, 28, 28), pixels(1, 28, 28)), ([0, 1], [2]))
    patch_mnist(monkeypatch, MNIST, files)
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for file, data in files.items():
        (raw / file).write_bytes(data)
    first = DATASETS.get("mnist")()
    for file in files:
        (raw / file).unlink()
    again = DATASETS.get("mnist")()
    assert again.fingerprint == first.fingerprint
    assert torch.equal(again.train.whole().x, first.train.whole().x)
    (kept,) = (folder / "decoded").glob("*.safetensors")
    whole = kept.read_bytes()
    for damage in (whole[:-1] + bytes([whole[-1] ^ 1]), whole[:-40], b""):
        kept.write_bytes(damage)
        with pytest.raises(DataError, match=r"no .*train-images"):
            DATASETS.get("mnist")()
