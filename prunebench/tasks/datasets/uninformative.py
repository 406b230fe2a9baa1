"""Samples whose inputs tell little of their source: each shuffled, or all the same."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from prunebench.tasks.datasets.base import Samples, Split, hash_tensors, numbered, row_digests

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from hashlib import _Hash as Hash

_BATCH = 256


@dataclass(frozen=True)
class Shuffled(Samples):
    """Other samples, all values of each in an order of its own; shuffled when they are taken or moved to a device.

    The order hangs on the sample's key alone, whatever is taken with it.
    """

    source: Samples
    keys: Tensor
    """Seeds of the samples' permutations `[n]` int64, on the CPU."""
    y: Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "y", self.source.y)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.source.shape

    def take(self, index: Tensor) -> Split:
        """The samples at these positions, read and shuffled."""
        return self._shuffled(self.source.take(index), index)

    def subset(self, index: Tensor) -> Shuffled:
        """The samples at these positions, each with its own order."""
        return Shuffled(self.source.subset(index), self.keys[index.cpu()])

    def labelled(self, y: Tensor) -> Shuffled:
        """The same shuffled inputs under other labels."""
        return Shuffled(self.source.labelled(y), self.keys)

    def to(self, device: torch.device) -> Samples:
        """The same samples on a device; permutations are drawn on the CPU, so that they are the same everywhere.

        What lies in memory as float32 is shuffled here, once for all epochs.
        """
        if isinstance(self.source, Split):
            return self.whole().to(device)
        return Shuffled(self.source.to(device), self.keys)

    def chosen(self, batches: Sequence[Tensor], *, workers: int = 0) -> Iterator[Split]:
        """Batches of the samples at given positions, read ahead as the source reads them."""
        for part, index in zip(self.source.chosen(batches, workers=workers), batches, strict=True):
            yield self._shuffled(part, index)

    @property
    def black(self) -> Tensor:
        """As the source has it, by channel."""
        return self.source.black

    def twins(self) -> Tensor:
        """Equal numbers for inputs that are equal to the bit once they are shuffled; reads all of them."""
        return numbered([digest for batch in self.batches(_BATCH) for digest in row_digests(batch.x)])

    def count_in(self, digest: Hash) -> None:
        """The source and the permutations' seeds."""
        self.source.count_in(digest)
        hash_tensors(digest, self.keys)

    def _shuffled(self, part: Split, index: Tensor) -> Split:
        generator, size = torch.Generator(), math.prod(self.shape)
        order = torch.empty(len(index), size, dtype=torch.int64)
        for row, key in zip(order, self.keys[index.cpu()].tolist(), strict=True):
            torch.randperm(size, generator=generator.manual_seed(key), out=row)
        return Split(part.x.flatten(1).gather(1, order.to(part.x.device)).reshape(part.x.shape), part.y)


@dataclass(frozen=True)
class Constant(Samples):
    """Labels with one and the same input: ones, a deviation above the mean of standardised data.

    At zero, the mean, every gradient of the first layer's weights would be zero, and a network without biases would be
    silent: scores would be those of a dead network, not of one that sees no data.
    """

    each: tuple[int, ...]
    """Shape of one input."""
    y: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.each

    def take(self, index: Tensor) -> Split:
        """Ones, and the labels at these positions."""
        return Split(torch.ones(len(index), *self.each, device=self.y.device), self.y[index.to(self.y.device)])

    def subset(self, index: Tensor) -> Constant:
        """The labels at these positions."""
        return Constant(self.each, self.y[index.to(self.y.device)])

    def labelled(self, y: Tensor) -> Constant:
        """Other labels."""
        return Constant(self.each, y)

    def to(self, device: torch.device) -> Constant:
        """The same labels on a device, and what is taken there too."""
        return Constant(self.each, self.y.to(device))

    @property
    def black(self) -> Tensor:
        """One, so that borders of cut-outs do not show."""
        return torch.ones(1)

    def twins(self) -> Tensor:
        """All are equal."""
        return torch.zeros(len(self), dtype=torch.int64)

    def count_in(self, digest: Hash) -> None:
        """The shape and the labels."""
        digest.update(f"constant {self.each}".encode())
        hash_tensors(digest, self.y)
