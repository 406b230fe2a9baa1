"""The network and data that a step works on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunebench.engine.collapse import Observer
from prunebench.engine.method import ScoreMethod, build
from prunebench.engine.pruning import open_session
from prunebench.environment import device
from prunebench.tasks.build import build_model, load_dataset

if TYPE_CHECKING:
    from torch import nn

    from prunebench.engine.scoring import Session
    from prunebench.spec import Spec
    from prunebench.tasks.datasets.base import Dataset


@dataclass(frozen=True)
class Subject:
    """A freshly initialised network, its data, and which repetition it is."""

    model: nn.Module
    data: Dataset
    repetition: int

    @classmethod
    def of(cls, model: Spec, dataset: Spec, repetition: int) -> Subject:
        """Build both from their specs."""
        data = load_dataset(dataset)
        return cls(build_model(model, data.shape, data.classes, repetition), data, repetition)

    def opened(self, method: Spec) -> tuple[ScoreMethod, Session]:
        """A method, and a session to score this network for it, on the step's device."""
        pruner = build(method)
        return pruner, open_session(
            pruner, self.model, self.data.shape, data=self.data.train, repetition=self.repetition, device=device()
        )

    def observer(self) -> Observer:
        """An observer of this architecture."""
        return Observer(self.model, self.data.shape)
