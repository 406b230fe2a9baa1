"""The network that is pruned, and the data that its pruner may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from prunebench.environment import device
from prunebench.errors import PruningError
from prunebench.seeding import seed_of
from prunebench.tasks.build import build_model, load_dataset

if TYPE_CHECKING:
    from torch import nn

    from prunebench.spec import Spec
    from prunebench.tasks.datasets.base import Samples, Split


@dataclass(frozen=True)
class Subject:
    """A network, what it takes in, the data that belong to it, and which repetition it is."""

    model: nn.Module
    shape: tuple[int, ...]
    """Of one input."""
    repetition: int
    device: torch.device
    train: Samples | None = None
    """The training split; a test split never gets here."""
    batch: Split | None = None
    """A scoring set that was given, instead of one that is drawn from `train`."""
    fingerprint: str = ""
    """Of the dataset."""

    @classmethod
    def of(cls, model: Spec, dataset: Spec, repetition: int) -> Subject:
        """A freshly initialised network and its data, on the step's device."""
        data = load_dataset(dataset)
        network = build_model(model, data.shape, data.classes, repetition)
        return cls(network, data.shape, repetition, device(), train=data.train, fingerprint=data.fingerprint)

    def scoring_set(self, per_class: int) -> Split:
        """The batch that was given, else a class-balanced draw of `per_class` training samples of each class.

        Equal repetitions draw equal samples, whatever the method.

        Raises:
            PruningError: there are no data, or too few samples of a class.
        """
        if self.batch is not None:
            return self.batch
        if self.train is None:
            raise PruningError("the method needs data: give it a batch of inputs and labels")
        generator = torch.Generator().manual_seed(seed_of("scoring-data", self.repetition))
        return self.train.balanced(per_class, generator)
