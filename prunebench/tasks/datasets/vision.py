"""MNIST, Fashion-MNIST and CIFAR as torchvision reads them, from verified files in the data folder."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import torch

from prunebench.tasks.datasets.fetch import checked, checksum, fetch, unpack
from prunebench.tasks.datasets.images import in_memory
from prunebench.tasks.datasets.places import data_folder
from prunebench.tasks.datasets.prepared import prepared
from prunebench.tasks.registration import dataset

if TYPE_CHECKING:
    from torch import Tensor

    from prunebench.tasks.datasets.base import Dataset


def _fetch_mnist() -> None:
    from torchvision.datasets import MNIST

    _fetch_parts(MNIST)


def _fetch_fashion_mnist() -> None:
    from torchvision.datasets import FashionMNIST

    _fetch_parts(FashionMNIST)


def _fetch_cifar10() -> None:
    from torchvision.datasets import CIFAR10

    _fetch_archive(CIFAR10)


def _fetch_cifar100() -> None:
    from torchvision.datasets import CIFAR100

    _fetch_archive(CIFAR100)


@dataset("mnist", paper="LeCun et al. 1998", fetch=_fetch_mnist)
def mnist() -> Dataset:
    """MNIST's handwritten digits, 1 × 28 × 28: 60 000 for training, 10 000 for testing, ten classes."""
    from torchvision.datasets import MNIST

    return _in_parts("mnist", MNIST)


@dataset("fashion-mnist", paper="Xiao et al. 2017, arXiv:1708.07747", fetch=_fetch_fashion_mnist)
def fashion_mnist() -> Dataset:
    """Fashion-MNIST's clothes, 1 × 28 × 28: 60 000 for training, 10 000 for testing, ten classes."""
    from torchvision.datasets import FashionMNIST

    return _in_parts("fashion-mnist", FashionMNIST)


@dataset("cifar-10", paper="Krizhevsky 2009", fetch=_fetch_cifar10)
def cifar10() -> Dataset:
    """CIFAR-10's photographs, 3 × 32 × 32: 50 000 for training, 10 000 for testing, ten classes."""
    from torchvision.datasets import CIFAR10

    return _in_batches("cifar-10", CIFAR10, classes=10)


@dataset("cifar-100", paper="Krizhevsky 2009", fetch=_fetch_cifar100)
def cifar100() -> Dataset:
    """CIFAR-100's photographs, 3 × 32 × 32: 50 000 for training, 10 000 for testing, a hundred fine classes."""
    from torchvision.datasets import CIFAR100

    return _in_batches("cifar-100", CIFAR100, classes=100)


def _in_parts(name: str, source: Any) -> Dataset:
    """A set of torchvision's that lies in `<Name>/raw/` as four compressed files."""

    def decode() -> dict[str, Tensor]:
        archives = [checked(name, _raw(source) / file, md5) for file, md5 in source.resources]
        with TemporaryDirectory() as work:
            raw = Path(work) / source.__name__ / "raw"
            raw.mkdir(parents=True)
            for archive in archives:
                with gzip.open(archive) as packed, (raw / archive.stem).open("wb") as plain:
                    shutil.copyfileobj(packed, plain)
            return _tensors(
                {split: source(work, train=split == "train") for split in ("train", "test")}, lambda x: x[:, None]
            )

    return in_memory(name, prepared(name, _key(source.resources), decode), classes=10)


def _in_batches(name: str, source: Any, classes: int) -> Dataset:
    """A set of torchvision's that lies in a folder of pickled batches, each with its checksum."""

    def decode() -> dict[str, Tensor]:
        for file, md5 in _batch_files(source):
            checked(name, data_folder() / source.base_folder / file, md5)
        return _tensors(
            {split: source(data_folder(), train=split == "train") for split in ("train", "test")},
            lambda x: torch.from_numpy(x).permute(0, 3, 1, 2),
        )

    return in_memory(name, prepared(name, _key(_batch_files(source)), decode), classes)


def _tensors(splits: dict[str, Any], pixels: Any) -> dict[str, Tensor]:
    images = {f"{split}_x": pixels(data.data).contiguous() for split, data in splits.items()}
    labels = {f"{split}_y": torch.as_tensor(data.targets, dtype=torch.int64) for split, data in splits.items()}
    return {**images, **labels}


def _fetch_parts(source: Any) -> None:
    for file, md5 in source.resources:
        fetch([f"{mirror}{file}" for mirror in source.mirrors], _raw(source) / file, md5)


def _fetch_archive(source: Any) -> None:
    places = [(data_folder() / source.base_folder / file, md5) for file, md5 in _batch_files(source)]
    if all(path.is_file() and checksum(path) == md5 for path, md5 in places):
        return
    archive = data_folder() / source.filename
    fetch([source.url], archive, source.tgz_md5)
    unpack(archive, source.base_folder)


def _raw(source: Any) -> Path:
    return data_folder() / str(source.__name__) / "raw"


def _batch_files(source: Any) -> list[tuple[str, str]]:
    """File names and checksums, the class names' among them."""
    return [*map(tuple, source.train_list + source.test_list), (source.meta["filename"], source.meta["md5"])]


def _key(files: Any) -> str:
    """16 hexadecimal digits that stand for verified files."""
    return hashlib.sha256(json.dumps([list(file) for file in files]).encode()).hexdigest()[:16]
