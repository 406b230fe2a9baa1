"""Tiny ImageNet, read from its archive as it is published: 200 classes of 64 × 64 pixels."""

from __future__ import annotations

import zipfile
from typing import TYPE_CHECKING, BinaryIO, cast

import torch

from prunebench.errors import DataError
from prunebench.tasks.datasets import identity
from prunebench.tasks.datasets.fetch import checked, fetch
from prunebench.tasks.datasets.images import in_memory
from prunebench.tasks.datasets.places import data_folder
from prunebench.tasks.datasets.prepared import prepared
from prunebench.tasks.datasets.reader import Reader
from prunebench.tasks.registration import dataset

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from prunebench.tasks.datasets.base import Dataset

URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"
_TOP = "tiny-imagenet-200"
_CLASSES, _SIDE = 200, 64


def _archive() -> Path:
    return data_folder() / f"{_TOP}.zip"


def _fetch() -> None:
    fetch([URL], _archive(), MD5)


@dataset("tiny-imagenet", paper="Le & Yang 2015, CS231n", identity=identity.decoded, fetch=_fetch)
def tiny_imagenet() -> Dataset:
    """Tiny ImageNet, 3 × 64 × 64: 100 000 for training, 200 classes; its validation split of 10 000 is the test split.

    The published test split has no labels and is not used.
    """
    return in_memory("tiny-imagenet", prepared("tiny-imagenet", MD5[:16], _decoded), _CLASSES)


def _decoded() -> dict[str, Tensor]:
    """Both splits; the validation images lie in one folder, with a table of their classes beside it."""
    path = checked("tiny-imagenet", _archive(), MD5)
    try:
        with zipfile.ZipFile(path) as archive:
            names = sorted(archive.namelist())
            train = [n for n in names if n.startswith(f"{_TOP}/train/") and n.endswith(".JPEG")]
            table = archive.read(f"{_TOP}/val/val_annotations.txt").decode().splitlines()
            rows = sorted(line.split("\t")[:2] for line in table if line)
            test = [f"{_TOP}/val/images/{name}" for name, _ in rows]
            wnids = [name.split("/")[2] for name in train], [wnid for _, wnid in rows]
            number = {wnid: i for i, wnid in enumerate(sorted(set(wnids[0])))}
            if len(number) != _CLASSES or not set(wnids[1]) <= set(number):
                raise DataError(f"{path} has {len(number)} classes, not the {_CLASSES} of Tiny ImageNet")
            return {
                "train_x": _pixels(archive, train),
                "train_y": torch.tensor([number[w] for w in wnids[0]]),
                "test_x": _pixels(archive, test),
                "test_y": torch.tensor([number[w] for w in wnids[1]]),
            }
    except (zipfile.BadZipFile, KeyError, ValueError, OSError) as error:
        raise DataError(f"{path} is not laid out as Tiny ImageNet: {error}") from error


def _pixels(archive: zipfile.ZipFile, names: list[str]) -> Tensor:
    """`[n, 3, 64, 64]` uint8; some of the images are grey."""
    pixels, reader = torch.empty(len(names), 3, _SIDE, _SIDE, dtype=torch.uint8), Reader(_SIDE, _SIDE)
    for i, name in enumerate(names):
        with archive.open(name) as file:
            pixels[i] = reader(cast("BinaryIO", file), f"{archive.filename}: {name}")
    return pixels
