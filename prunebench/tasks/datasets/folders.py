"""Images in folders, one a class: anybody's, and ImageNet's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import torch

from prunebench.errors import DataError
from prunebench.tasks.datasets import identity
from prunebench.tasks.datasets.base import Dataset
from prunebench.tasks.datasets.images import Scale, in_memory
from prunebench.tasks.datasets.listing import listed
from prunebench.tasks.datasets.places import located
from prunebench.tasks.datasets.prepared import prepared
from prunebench.tasks.datasets.reader import Reader
from prunebench.tasks.datasets.stream import Stream
from prunebench.tasks.registration import dataset

if TYPE_CHECKING:
    from torch import Tensor

    from prunebench.tasks.datasets.listing import Files, Listing

IN_MEMORY = 2 << 30
"""Bytes of decoded pixels, both splits together, up to which a folder is decoded once and then lies in memory. Tiny
ImageNet has 1.4e9, ImageNet 2e11. What is read is the same either way."""

_IMAGENET = Scale(torch.tensor([0.485, 0.456, 0.406]) * 255, torch.tensor([0.229, 0.224, 0.225]) * 255)
"""Of ImageNet's training split, as torchvision's model zoo publishes them."""


@dataset("image-folder", identity=identity.folder)
def image_folder(*, path: str = "images", size: int = 32) -> Dataset:
    """Images in PATH/train/CLASS/ and PATH/test/CLASS/ (or val), as RGB squares; PATH is under --data, or absolute.

    An image of another size has its shorter side brought to `size`, and its
    centre cut out. Pixels are standardised by channel with the training split's mean and deviation.

    Raises:
        DataError: the folder has another layout, or an image cannot be read.
    """
    if size < 1:
        raise DataError(f"image-folder: size={size} must be at least 1")
    found, reader = listed(located(path)), Reader(size, size)
    key = f"{found.state}-{size}"
    if (len(found.train) + len(found.test)) * 3 * size * size <= IN_MEMORY:
        tensors = prepared("image-folder", key, lambda: _decoded(found, reader))
        return in_memory("image-folder", tensors, len(found.classes))
    unscaled = Stream.of(found.train, reader, Scale(torch.zeros(3), torch.ones(3)))
    kept = prepared("image-folder-scale", key, lambda: vars(unscaled.measured()))
    return _streamed("image-folder", found, reader, Scale(**kept))


@dataset("imagenet", paper="Russakovsky et al. 2015, arXiv:1409.0575", identity=identity.folder)
def imagenet(*, path: str = "imagenet", size: int = 224) -> Dataset:
    """ImageNet's 1 000 classes (ILSVRC 2012) from a folder of yours, never downloaded.

    It has `train/<wnid>/` and `val/<wnid>/`; `path` is relative to the data folder. The shorter side is brought to
    size · 256/224, the centre cut out; read from the files, never held in memory; standardised with the published
    constants. The validation split is the test split.

    Raises:
        DataError: the folder has another layout or other classes, or an image cannot be read.
    """
    if size < 1:
        raise DataError(f"imagenet: size={size} must be at least 1")
    folder = located(path)
    found = listed(folder)
    if len(found.classes) != 1000 or not all(re.fullmatch(r"n\d{8}", name) for name in found.classes):
        raise DataError(
            f"imagenet: {folder} has {len(found.classes)} classes, not the 1000 of ILSVRC 2012 by their wnid: "
            "read a part of it as image-folder"
        )
    return _streamed("imagenet", found, Reader(size, round(size * 256 / 224)), _IMAGENET)


def _streamed(name: str, found: Listing, reader: Reader, scale: Scale) -> Dataset:
    train, test = (Stream.of(files, reader, scale) for files in (found.train, found.test))
    return Dataset(name, train, test, len(found.classes))


def _decoded(found: Listing, reader: Reader) -> dict[str, Tensor]:
    """Both splits as `[n, 3, side, side]` uint8 and `[n]` int64."""
    return {
        **{f"{split}_x": _pixels(files, reader) for split, files in (("train", found.train), ("test", found.test))},
        **{
            f"{split}_y": torch.tensor(files.labels, dtype=torch.int64)
            for split, files in (("train", found.train), ("test", found.test))
        },
    }


def _pixels(files: Files, reader: Reader) -> Tensor:
    pixels = torch.empty(len(files), 3, reader.side, reader.side, dtype=torch.uint8)
    for i, name in enumerate(files.names):
        pixels[i] = reader(files.folder / name)
    return pixels
