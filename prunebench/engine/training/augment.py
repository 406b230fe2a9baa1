"""Augmentation of whole batches: one draw for an epoch, no loop over images."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch.nn import functional as F

from prunebench.errors import TrainingError

if TYPE_CHECKING:
    from torch import Tensor

    from prunebench.tasks.recipes.base import Recipe


@dataclass(frozen=True)
class Augmentation:
    """Where each of an epoch's samples is cut out, and whether it is mirrored."""

    border: int
    offsets: Tensor
    """`[n, 2]` rows and columns from 0 to twice the border."""
    mirrored: Tensor
    """`[n]` bool."""

    @classmethod
    def draw(cls, recipe: Recipe, samples: int, generator: torch.Generator) -> Augmentation:
        """For an epoch of so many samples, from a generator on the CPU."""
        offsets = torch.randint(0, 2 * recipe.crop + 1, (samples, 2), generator=generator)
        mirrored = torch.rand(samples, generator=generator) < (0.5 if recipe.flip else 0.0)
        return cls(recipe.crop, offsets, mirrored)

    def __call__(self, images: Tensor, first: int, black: Tensor) -> Tensor:
        """Images `[b, c, h, w]`, the epoch's `first`-th and those after it, as the draw has them.

        Args:
            images: standardised.
            first: place of the first of them in the epoch.
            black: what fills the border, by channel `[c]` or `[1]`.

        Raises:
            TrainingError: the inputs are no images.
        """
        if images.dim() != 4:
            raise TrainingError(f"crop and flip need images [channels, height, width], not {list(images.shape[1:])}")
        part = slice(first, first + len(images))
        if self.mirrored[part].any():
            mirrored = self.mirrored[part].to(images.device)[:, None, None, None]
            images = torch.where(mirrored, images.flip(-1), images)
        if not self.border:
            return images
        height, width = images.shape[2:]
        black = black.to(images.device)[:, None, None]
        wide = F.pad(images - black, [self.border] * 4) + black
        rows, columns = self.offsets[part].to(images.device).unbind(1)
        rows = rows[:, None] + torch.arange(height, device=images.device)
        columns = columns[:, None] + torch.arange(width, device=images.device)
        each = torch.arange(len(images), device=images.device)[:, None, None]
        # Indexing around the channels puts them last.
        return wide[each, :, rows[:, :, None], columns[:, None, :]].movedim(-1, 1).contiguous()
