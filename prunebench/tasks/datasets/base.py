"""What a dataset is: two splits of samples, in memory or on disk, all read in one way."""

from __future__ import annotations

import functools
import hashlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from prunebench.errors import PruningError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from hashlib import _Hash as Hash


class Samples(ABC):
    """Inputs with labels, wherever they lie; what is taken from them is a `Split`, standardised and float32.

    `Split` holds float32 tensors, `images.Images` uint8 pixels in memory, `stream.Stream` files that are read when they
    are taken.
    """

    y: Tensor
    """Labels `[n]` int64."""

    def __len__(self) -> int:
        return len(self.y)

    @property
    @abstractmethod
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""

    @abstractmethod
    def take(self, index: Tensor) -> Split:
        """The samples at these positions, in this order; nothing else is read."""

    @abstractmethod
    def subset(self, index: Tensor) -> Samples:
        """The same kind of samples, only those at these positions; nothing is read or standardised anew."""

    @abstractmethod
    def labelled(self, y: Tensor) -> Samples:
        """The same inputs under other labels `[n]` int64; nothing is copied or read."""

    @abstractmethod
    def to(self, device: torch.device) -> Samples:
        """Samples that give their tensors on a device; what is in memory moves there."""

    @abstractmethod
    def twins(self) -> Tensor:
        """A number for every sample `[n]` int64, the same for samples with equal inputs."""

    @abstractmethod
    def count_in(self, digest: Hash) -> None:
        """Feed a digest with all that the samples are."""

    def digest(self) -> str:
        """SHA-256 over all that the samples are, 16 hexadecimal digits, computed once: see `count_in`."""
        return self._digest

    @functools.cached_property
    def _digest(self) -> str:
        digest = hashlib.sha256()
        self.count_in(digest)
        return digest.hexdigest()[:16]

    def whole(self) -> Split:
        """All samples as tensors in memory."""
        return self.take(torch.arange(len(self)))

    def batches(self, size: int, generator: torch.Generator | None = None, *, workers: int = 0) -> Iterator[Split]:
        """All samples once, `size` at a time, the last batch with what is left.

        Args:
            size: samples a batch.
            generator: on the CPU, for a shuffled order; None keeps the order.
            workers: processes that read ahead, where samples are read from files.
        """
        yield from self.chosen(torch.split(self._order(generator), size), workers=workers)

    def chosen(self, batches: Sequence[Tensor], *, workers: int = 0) -> Iterator[Split]:
        """Batches of the samples at given positions; `workers` processes read ahead where there are files to read."""
        del workers
        for index in batches:
            yield self.take(index)

    @property
    def black(self) -> Tensor:
        """What a pixel of value 0 is once it is standardised, by channel `[c]`; `[1]` zero where there are none."""
        return torch.zeros(1)

    def balanced(self, per_class: int, generator: torch.Generator) -> Split:
        """A class-balanced draw without replacement, `per_class` samples of every class, in class order.

        Raises:
            PruningError: a class has fewer samples.
        """
        chosen: list[Tensor] = []
        labels = self.y.cpu()
        for label in torch.unique(labels).tolist():
            members = torch.nonzero(labels == label).flatten()
            if len(members) < per_class:
                raise PruningError(f"class {label} has {len(members)} samples; samples_per_class={per_class} asks more")
            chosen.append(members[torch.randperm(len(members), generator=generator)[:per_class]])
        return self.take(torch.cat(chosen))

    def _order(self, generator: torch.Generator | None) -> Tensor:
        return torch.arange(len(self)) if generator is None else torch.randperm(len(self), generator=generator)


@dataclass(frozen=True)
class Split(Samples):
    """Inputs `[n, *shape]` float32 and labels `[n]` int64."""

    x: Tensor
    y: Tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.x.shape[1:])

    def take(self, index: Tensor) -> Split:
        """The samples at these positions."""
        return Split(self.x[index], self.y[index])

    def subset(self, index: Tensor) -> Split:
        """The samples at these positions."""
        return self.take(index)

    def labelled(self, y: Tensor) -> Split:
        """The same inputs under other labels."""
        return Split(self.x, y)

    def to(self, device: torch.device) -> Split:
        """The same tensors on a device."""
        return Split(self.x.to(device), self.y.to(device))

    def whole(self) -> Split:
        """Itself."""
        return self

    def twins(self) -> Tensor:
        """Equal numbers for inputs that are equal to the bit."""
        return equal_rows(self.x)

    def count_in(self, digest: Hash) -> None:
        """Shapes and values."""
        hash_tensors(digest, self.x, self.y)


@dataclass(frozen=True)
class Dataset:
    """Train and test split of one source. Whatever is selected is selected on a part of `train`."""

    name: str
    train: Samples
    test: Samples
    classes: int
    _splits: dict[tuple[float, int], tuple[Samples, Samples | None]] = field(
        default_factory=dict, compare=False, repr=False
    )

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return self.train.shape

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 over both splits, 16 hexadecimal digits: of their values in memory, of the listing of a stream."""
        digest = hashlib.sha256()
        for samples in (self.train, self.test):
            samples.count_in(digest)
        return digest.hexdigest()[:16]

    def split(self, validation: float = 0.1, repetition: int = 0) -> tuple[Samples, Samples | None]:
        """What a repetition trains on: `train` without a validation part, and that part, kept for the next call.

        Without a share to hold back, `train` and None; see `validation.split`.
        """
        from prunebench.tasks.datasets.validation import split

        if not validation:
            return self.train, None
        if (validation, repetition) not in self._splits:
            self._splits[validation, repetition] = split(self.train, validation, repetition)
        return self._splits[validation, repetition]


def hash_tensors(digest: Hash, *tensors: Tensor) -> None:
    """Feed a digest with shapes and values."""
    for tensor in tensors:
        digest.update(str(tuple(tensor.shape)).encode())
        if tensor.numel():
            digest.update(tensor.cpu().contiguous().numpy().reshape(-1).view(np.uint8).data)


def equal_rows(x: Tensor) -> Tensor:
    """A number for every row `[n]` int64, the same for rows that are equal to the bit."""
    if not len(x):
        return torch.zeros(0, dtype=torch.int64)
    return numbered(row_digests(x))


def row_digests(x: Tensor) -> list[bytes]:
    """A digest of every row's bits; there is at least one row."""
    rows = x.cpu().contiguous().numpy().reshape(len(x), -1).view(np.uint8)
    return [hashlib.blake2b(row.data, digest_size=16).digest() for row in rows]


def numbered(values: list[bytes]) -> Tensor:
    """A number for every value `[n]` int64, the same for equal ones."""
    known: dict[bytes, int] = {}
    return torch.tensor([known.setdefault(value, len(known)) for value in values], dtype=torch.int64)


def standardised(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Both splits with the training split's mean and standard deviation taken out, over all values."""
    mean, deviation = train.mean(), train.std()
    return (train - mean) / deviation, (test - mean) / deviation
