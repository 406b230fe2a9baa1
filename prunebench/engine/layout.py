"""All prunable tensors as one flat vector of N weights, in their order."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

if TYPE_CHECKING:
    from collections.abc import Mapping

Index = npt.NDArray[np.int64]
Values = npt.NDArray[np.floating]


@dataclass(frozen=True)
class Layout:
    """Names and shapes of the prunable tensors."""

    shapes: Mapping[str, torch.Size]

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor]) -> Layout:
        """The layout of tensors by name."""
        return cls({name: t.shape for name, t in tensors.items()})

    @cached_property
    def sizes(self) -> list[int]:
        """Weights of every layer."""
        return [math.prod(shape) for shape in self.shapes.values()]

    @cached_property
    def starts(self) -> Index:
        """First flat index of every layer."""
        return np.cumsum([0, *self.sizes[:-1]])

    @property
    def total(self) -> int:
        """N."""
        return sum(self.sizes)

    def flat(self, tensors: Mapping[str, Tensor]) -> Tensor:
        """`[N]`, the tensors one after the other."""
        return torch.cat([tensors[name].detach().flatten() for name in self.shapes])

    def split(self, flat: Tensor) -> dict[str, Tensor]:
        """Inverse of `flat`, as views."""
        parts = torch.split(flat, self.sizes)
        return {name: part.view(shape) for part, (name, shape) in zip(parts, self.shapes.items(), strict=True)}

    def segments(self, index: Index) -> dict[str, slice]:
        """For ascending flat indices, the slice of them that lies in each layer."""
        edges = [*np.searchsorted(index, self.starts), len(index)]
        return {name: slice(edges[i], edges[i + 1]) for i, name in enumerate(self.shapes)}
