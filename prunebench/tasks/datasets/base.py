"""What a dataset is: two splits of tensors in memory."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

import torch
from torch import Tensor

from prunebench.errors import PruningError


@dataclass(frozen=True)
class Split:
    """Inputs `[n, *shape]` float32 and labels `[n]` int64."""

    x: Tensor
    y: Tensor

    def __len__(self) -> int:
        return len(self.y)

    def balanced(self, per_class: int, generator: torch.Generator) -> Split:
        """A class-balanced draw without replacement, `per_class` samples of every class, in class order.

        Raises:
            PruningError: a class has fewer samples.
        """
        chosen: list[Tensor] = []
        for label in torch.unique(self.y).tolist():
            members = torch.nonzero(self.y == label).flatten()
            if len(members) < per_class:
                raise PruningError(f"class {label} has {len(members)} samples; samples_per_class={per_class} asks more")
            chosen.append(members[torch.randperm(len(members), generator=generator)[:per_class]])
        index = torch.cat(chosen)
        return Split(self.x[index], self.y[index])


@dataclass(frozen=True)
class Dataset:
    """Train and test split of one source. Whatever is selected is selected on a part of `train`."""

    name: str
    train: Split
    test: Split
    classes: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return tuple(self.train.x.shape[1:])

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 over both splits, 16 hexadecimal digits."""
        digest = hashlib.sha256()
        for tensor in (self.train.x, self.train.y, self.test.x, self.test.y):
            digest.update(str(tuple(tensor.shape)).encode())
            digest.update(tensor.contiguous().numpy().tobytes())
        return digest.hexdigest()[:16]


def standardised(train: Tensor, test: Tensor) -> tuple[Tensor, Tensor]:
    """Both splits with the training split's mean and standard deviation taken out, over all values."""
    mean, deviation = train.mean(), train.std()
    return (train - mean) / deviation, (test - mean) / deviation
