"""scikit-learn's handwritten digits: 1 797 images of 8 × 8, ten classes. They saturate: smoke tests only."""

from __future__ import annotations

from importlib.metadata import version

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from prunebench.seeding import seed_of
from prunebench.tasks.datasets import identity
from prunebench.tasks.datasets.base import Dataset, Split, standardised
from prunebench.tasks.datasets.prepared import prepared
from prunebench.tasks.registration import dataset

_TEST_SHARE = 1 / 3


@dataset("digits", paper="Alpaydin & Kaynak 1998 (UCI), as in scikit-learn", identity=identity.scikit_learn)
def digits() -> Dataset:
    """Handwritten digits, 1 × 8 × 8, embedded; a stratified third is the test split."""
    images, labels = _raw()
    return _split("digits", images[:, None], labels)


@dataset("digits32", paper="Alpaydin & Kaynak 1998 (UCI), as in scikit-learn", identity=identity.scikit_learn)
def digits32() -> Dataset:
    """Digits upscaled to 3 × 32 × 32, so that CIFAR-shaped networks have real inputs offline."""
    images, labels = _raw()
    large = interpolate(images[:, None], size=(32, 32), mode="bilinear", align_corners=False)
    return _split("digits32", large.expand(-1, 3, -1, -1).contiguous(), labels)


def _raw() -> tuple[Tensor, Tensor]:
    """Images `[n, 8, 8]` and labels, kept beside other data: importing scikit-learn takes two seconds a process."""
    tensors = prepared("digits", version("scikit-learn"), _read)
    return tensors["images"], tensors["labels"]


def _read() -> dict[str, Tensor]:
    from sklearn.datasets import load_digits

    data = load_digits()
    return {"images": torch.from_numpy(data.images).float(), "labels": torch.from_numpy(data.target).long()}


def _split(name: str, x: Tensor, y: Tensor) -> Dataset:
    generator = torch.Generator().manual_seed(seed_of("split/digits", 0))
    test = torch.zeros(len(y), dtype=torch.bool)
    for label in range(10):
        members = torch.nonzero(y == label).flatten()
        shuffled = members[torch.randperm(len(members), generator=generator)]
        test[shuffled[: round(_TEST_SHARE * len(members))]] = True
    train_x, test_x = standardised(x[~test], x[test])
    return Dataset(name, Split(train_x, y[~test]), Split(test_x, y[test]), classes=10)
