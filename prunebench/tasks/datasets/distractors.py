"""Inputs that tell nothing, beside inputs that do: where a pruner that sees no data cannot know which are which."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from prunebench.errors import DataError
from prunebench.registry import DATASETS
from prunebench.seeding import seed_of
from prunebench.tasks.datasets import identity
from prunebench.tasks.datasets.base import Dataset, Split
from prunebench.tasks.registration import dataset

if TYPE_CHECKING:
    from prunebench.tasks.datasets.base import Samples


@dataset("distractors", identity=identity.distractors)
def distractors(*, base: Literal["mnist1d", "digits"] = "mnist1d", dead: int = 1, noisy: int = 1) -> Dataset:
    """Another dataset, widened by inputs that are always zero and by inputs of pure noise.

    The last axis of width w becomes (1 + dead + noisy)·w: the base's inputs, then the dead ones, then the noisy ones.
    Noise is Gaussian with mean and deviation of the base's training inputs, drawn once for every sample, so that
    neither a scale nor a position but only the labels tell noise from signal.
    """
    if dead < 0 or noisy < 0:
        raise DataError(f"distractors: dead={dead} and noisy={noisy} must be at least 0")
    source: Dataset = DATASETS.get(base)()
    values = source.train.whole().x
    moments = values.mean(), values.std()
    train, test = (
        _widened(samples, name, dead, noisy, moments)
        for name, samples in (("train", source.train), ("test", source.test))
    )
    return Dataset("distractors", train, test, source.classes)


def _widened(samples: Samples, split: str, dead: int, noisy: int, moments: tuple[Tensor, Tensor]) -> Split:
    whole = samples.whole()
    *others, width = whole.x.shape
    generator = torch.Generator().manual_seed(seed_of(f"distractors/{split}", 0))
    mean, deviation = moments
    noise = mean + deviation * torch.randn(*others, noisy * width, generator=generator)
    return Split(torch.cat([whole.x, torch.zeros(*others, dead * width), noise], dim=-1), whole.y)
