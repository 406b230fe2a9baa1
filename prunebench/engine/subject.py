"""The network that is pruned, and the data that its pruner may see."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from prunebench.engine.prunable import private_copy, prunable
from prunebench.engine.ticket import fill
from prunebench.environment import device
from prunebench.errors import PruningError
from prunebench.registry import RECIPES
from prunebench.seeding import seed_of
from prunebench.tasks.build import build_model, load_dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from prunebench.engine.masks import Masks
    from prunebench.engine.training.by_function import TrainFunction
    from prunebench.engine.training.trainer import Trainer
    from prunebench.spec import Spec
    from prunebench.tasks.datasets.base import Samples, Split
    from prunebench.tasks.recipes.base import Recipe


@dataclass(frozen=True)
class Subject:
    """A network, what it takes in, the data that belong to it, how it is trained, and which repetition it is."""

    model: nn.Module
    shape: tuple[int, ...]
    """Of one input."""
    repetition: int
    device: torch.device
    train: Samples | None = None
    """The training split without its validation part; a test split never gets here."""
    batch: Split | None = None
    """A scoring set that was given, instead of one that is drawn from `train`."""
    fingerprint: str = ""
    """Of the dataset."""
    validation: Samples | None = None
    """What is held back for selection."""
    recipe: Recipe | None = None
    """How the network is trained."""
    by_function: TrainFunction | None = None
    """Or what trains it instead."""
    masks: Masks | None = None
    """What of the network is still there; None is everything. Pruned weights do not return."""
    redrawn: Callable[[], nn.Module] | None = None
    """Gives the network with freshly drawn weights, another draw than its own; None resets its layers."""
    watch: Callable[[Trainer], None] | None = None
    """Called after every epoch of a training that a method does by a trainer of its own."""

    @classmethod
    def of(
        cls, model: Spec, dataset: Spec, repetition: int, recipe: Spec | None = None, validation: float = 0.0
    ) -> Subject:
        """A freshly initialised network, its data and its recipe, on the step's device.

        `validation` is the share of the training split to hold back; a recipe says its own.
        """
        data = load_dataset(dataset)
        training: Recipe | None = None if recipe is None else RECIPES.get(recipe.name)(**RECIPES.resolve(recipe))
        share = validation if training is None else training.validation
        train, held_back = data.split(share, repetition)
        return cls(
            build_model(model, data.shape, data.classes, repetition), data.shape, repetition, device(), train=train,
            validation=held_back, fingerprint=data.fingerprint, recipe=training,
            redrawn=lambda: build_model(model, data.shape, data.classes, repetition, purpose="reinitialisation"),
        )  # fmt: skip

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

    def network(self, weights: Mapping[str, Tensor] | None = None) -> nn.Module:
        """A private copy of the network with other parameters and buffers; what they leave out stays as it is.

        Raises:
            PruningError: the network has none of such a name or shape.
        """
        model = private_copy(self.model)
        fill(model, weights or {})
        return model

    def fresh(self) -> dict[str, Tensor]:
        """Parameters and buffers of another initialisation, the same for all methods of a repetition.

        Raises:
            PruningError: a layer with parameters of its own has no `reset_parameters`.
        """
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(seed_of("reinitialisation", self.repetition))
            if self.redrawn is not None:
                return dict(self.redrawn().state_dict())
            model = private_copy(self.model).cpu()
            for name, module in model.named_modules():
                if callable(reset := getattr(module, "reset_parameters", None)):
                    reset()
                elif next(module.parameters(recurse=False), None) is not None:
                    raise PruningError(
                        f"layer {name or type(model).__name__} cannot be drawn again: {type(module).__name__} "
                        "has no reset_parameters"
                    )
        return dict(model.state_dict())

    @property
    def layers(self) -> dict[str, Tensor]:
        """The prunable tensors by name."""
        return prunable(self.model)
