"""Images of one size in memory, uint8, standardised by channel when they are taken."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from prunebench.tasks.datasets.base import Dataset, Samples, Split, equal_rows, hash_tensors

if TYPE_CHECKING:
    from collections.abc import Mapping
    from hashlib import _Hash as Hash

_CHUNK = 4096
"""Images that are counted at a time: a bound on memory."""


@dataclass(frozen=True)
class Scale:
    """Mean and standard deviation by channel `[c]` float32, of pixels from 0 to 255."""

    mean: Tensor
    deviation: Tensor

    def __call__(self, pixels: Tensor) -> Tensor:
        """Pixels `[n, c, h, w]` uint8 with the mean taken out, over the deviation, float32."""
        mean, deviation = (t.to(pixels.device)[:, None, None] for t in (self.mean, self.deviation))
        return pixels.float().sub_(mean).div_(deviation)

    @property
    def black(self) -> Tensor:
        """What pixels of value 0 become, `[c]`."""
        return -self.mean / self.deviation

    def to(self, device: torch.device) -> Scale:
        """The same numbers on a device."""
        return Scale(self.mean.to(device), self.deviation.to(device))

    @classmethod
    def of(cls, counts: Tensor) -> Scale:
        """From how often every value occurs in every channel, `[c, 256]`: integers, so that it is exact.

        A channel that has one value only keeps the deviation 1.
        """
        shares = counts.double() / counts.sum(1, keepdim=True)
        values = torch.arange(256, dtype=torch.float64)
        mean = shares @ values
        deviation = (shares * (values - mean[:, None]).square()).sum(1).sqrt()
        return cls(mean.float(), torch.where(deviation > 0, deviation, 1.0).float())


@dataclass(frozen=True)
class Images(Samples):
    """Pixels `[n, c, h, w]` uint8, labels `[n]` int64, and how pixels are standardised."""

    pixels: Tensor
    y: Tensor
    scale: Scale

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.pixels.shape[1:])

    def take(self, index: Tensor) -> Split:
        """The images at these positions, standardised."""
        index = index.to(self.pixels.device)
        return Split(self.scale(self.pixels[index]), self.y[index])

    def subset(self, index: Tensor) -> Images:
        """The images at these positions, standardised as before."""
        index = index.to(self.pixels.device)
        return Images(self.pixels[index], self.y[index], self.scale)

    def labelled(self, y: Tensor) -> Images:
        """The same images under other labels."""
        return Images(self.pixels, y, self.scale)

    def to(self, device: torch.device) -> Images:
        """The same images on a device, still uint8."""
        return Images(self.pixels.to(device), self.y.to(device), self.scale.to(device))

    def twins(self) -> Tensor:
        """Equal numbers for equal images."""
        return equal_rows(self.pixels)

    @property
    def black(self) -> Tensor:
        """Zero, standardised, `[c]`."""
        return self.scale.black

    def count_in(self, digest: Hash) -> None:
        """Shapes, pixels and labels."""
        hash_tensors(digest, self.pixels, self.y)


def value_counts(pixels: Tensor) -> Tensor:
    """How often every value occurs in every channel of `[n, c, h, w]` uint8: `[c, 256]` int64."""
    counts = torch.zeros(pixels.shape[1], 256, dtype=torch.int64)
    for start in range(0, len(pixels), _CHUNK):
        for channel, values in enumerate(pixels[start : start + _CHUNK].unbind(1)):
            counts[channel] += torch.bincount(values.flatten(), minlength=256)
    return counts


def in_memory(name: str, tensors: Mapping[str, Tensor], classes: int) -> Dataset:
    """The dataset of `train_x`, `train_y`, `test_x`, `test_y`, standardised by the training split's channels."""
    scale = Scale.of(value_counts(tensors["train_x"]))
    train, test = (Images(tensors[f"{s}_x"], tensors[f"{s}_y"], scale) for s in ("train", "test"))
    return Dataset(name, train, test, classes)
