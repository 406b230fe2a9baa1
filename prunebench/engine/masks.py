"""Masks: one boolean tensor per prunable tensor."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor, nn

from prunebench.engine import archive
from prunebench.engine.holding import Holding
from prunebench.engine.prunable import prunable
from prunebench.errors import PruningError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


_FORMAT = "prunebench-masks-1"


class Masks(Mapping[str, Tensor]):
    """Boolean tensors by name of the prunable tensor, in module order; True keeps the weight. Immutable by contract."""

    def __init__(self, masks: Mapping[str, Tensor]) -> None:
        """Take boolean tensors by name.

        Raises:
            TypeError: a tensor is not boolean.
        """
        for name, mask in masks.items():
            if mask.dtype is not torch.bool:
                raise TypeError(f"mask of {name} is {mask.dtype}, not bool")
        self._masks = dict(masks)

    @classmethod
    def full(cls, weights: Mapping[str, Tensor]) -> Masks:
        """Masks that keep everything."""
        return cls({name: torch.ones_like(w, dtype=torch.bool) for name, w in weights.items()})

    def __getitem__(self, name: str) -> Tensor:
        return self._masks[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._masks)

    def __len__(self) -> int:
        return len(self._masks)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Masks):
            return NotImplemented
        return list(self) == list(other) and all(torch.equal(self[n], other[n]) for n in self)

    def __hash__(self) -> int:
        return hash(tuple(self.by_layer().items()))

    def __repr__(self) -> str:
        return f"Masks({self.kept()} of {self.total()} weights kept in {len(self)} layers)"

    def total(self) -> int:
        """Number of prunable weights, N."""
        return sum(mask.numel() for mask in self.values())

    def kept(self) -> int:
        """Number of kept weights."""
        return sum(self.by_layer().values())

    def density(self) -> float:
        """Kept over prunable weights."""
        return self.kept() / self.total()

    def by_layer(self) -> dict[str, int]:
        """Kept weights of every layer."""
        return {name: int(mask.sum()) for name, mask in self.items()}

    def dead_layers(self) -> list[str]:
        """Layers without a kept weight."""
        return [name for name, kept in self.by_layer().items() if kept == 0]

    def apply(self, model: nn.Module) -> None:
        """Set the pruned weights of a model to zero, in place.

        Raises:
            PruningError: the model's prunable tensors are not those of the masks.
        """
        weights = prunable(model)
        check_alike(self, weights)
        with torch.no_grad():
            for name, weight in weights.items():
                weight.masked_fill_(~self[name].to(weight.device), 0)

    def hold(self, model: nn.Module, optimiser: torch.optim.Optimizer | None = None) -> Holding:
        """Set the pruned weights of a model to zero and keep them there in a training loop of the user's own.

        Holds on the model's present parameters: a copy of the model, or a parameter that replaces one, is free, and
        values that are loaded later come back until the next call. What is added to weights or gradients outside of
        backward passes is not undone either, nor is what an optimiser does that has momentum already or mixes the
        weights of a tensor, such as Muon: give the optimiser then.

        Args:
            model: to be trained.
            optimiser: whose momentum and moments of pruned weights become zero too, and after each of whose steps they
                are zero whatever it does. None suffices for a new one that works value by value, as SGD and Adam do.

        Raises:
            PruningError: the model's prunable tensors are not those of the masks.
        """
        check_alike(self, prunable(model))
        return Holding(model, self, optimiser)

    def save(self, path: str | Path) -> None:
        """Write a safetensors file, eight weights a byte, shapes in its metadata.

        Raises:
            PruningError: the file cannot be written.
        """
        shapes = {name: list(mask.shape) for name, mask in self.items()}
        archive.write(path, "masks", self.packed(), {"format": _FORMAT, "shapes": json.dumps(shapes)})

    @classmethod
    def load(cls, path: str | Path) -> Masks:
        """Masks that `save` wrote.

        Raises:
            PruningError: there is no such file, or it holds no masks.
        """
        metadata, packed = archive.read(path, "masks", _FORMAT)
        return cls.unpacked(packed, shapes_in(path, metadata, packed))

    def packed(self) -> dict[str, Tensor]:
        """Eight weights a byte, for storage; `unpacked` needs the shapes back."""
        return {name: torch.from_numpy(np.packbits(mask.cpu().numpy())) for name, mask in self.items()}

    @classmethod
    def unpacked(cls, packed: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> Masks:
        """Inverse of `packed`, with names, order and shapes of `weights`."""
        bits = {name: np.unpackbits(packed[name].numpy(), count=w.numel()) for name, w in weights.items()}
        return cls({name: torch.from_numpy(bits[name].astype(bool)).view(w.shape) for name, w in weights.items()})


def overlap(first: Mapping[str, Tensor], second: Mapping[str, Tensor]) -> tuple[float, float]:
    """Intersection over union of two networks' masks, and what independent masks would have.

    Returns:
        |A ∩ B| / |A ∪ B| over all layers; and the same with Σ_l a_l b_l / n_l in place of |A ∩ B|, the intersection
        that is expected of uniformly drawn masks with a_l and b_l of the n_l weights of layer l.

    Raises:
        PruningError: the masks are of different networks.
    """
    check_alike(Masks(dict(first)), dict(second))
    both = sum(int((mask & second[name].to(mask.device)).sum()) for name, mask in first.items())
    counts = [(int(mask.sum()), int(second[name].sum()), mask.numel()) for name, mask in first.items()]
    total = sum(a + b for a, b, _ in counts)
    chance = sum(a * b / n for a, b, n in counts)
    return both / (total - both), chance / (total - chance)


def check_alike(given: Mapping[str, Tensor], weights: Mapping[str, Tensor]) -> None:
    """Raise PruningError unless both have the same names and shapes."""
    if given.keys() != weights.keys():
        odd = sorted(given.keys() ^ weights.keys())
        raise PruningError(f"masks and model do not have the same prunable tensors: {', '.join(odd[:3])}")
    for name, weight in weights.items():
        if given[name].shape != weight.shape:
            raise PruningError(f"mask of {name} is {list(given[name].shape)}, the weight {list(weight.shape)}")


def shapes_in(path: str | Path, metadata: Mapping[str, str], packed: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors without values, of the shapes that a file's metadata have for its packed masks.

    Raises:
        PruningError: the file is damaged.
    """
    try:
        shapes: dict[str, list[int]] = json.loads(metadata["shapes"])
        empty = {name: torch.empty(shape, device="meta") for name, shape in shapes.items()}
    except (KeyError, ValueError, TypeError, AttributeError, RuntimeError) as error:
        raise PruningError(f"{path} is damaged: it has no shapes of its masks") from error
    for name, shape in shapes.items():
        found = packed[name].numel() if name in packed else 0
        if found != -(-math.prod(shape) // 8):
            raise PruningError(f"{path} is damaged: layer {name} has {found} bytes")
    return empty
