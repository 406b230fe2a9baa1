"""A task of the user's own: data, how networks are trained on them, and whether a network fits them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from prunebench.engine.prunable import private_copy, prunable
from prunebench.engine.subject import Subject
from prunebench.engine.training.evaluate import evaluate
from prunebench.engine.training.rewinding import train
from prunebench.errors import PruningError, TrainingError
from prunebench.plugins import ready
from prunebench.registry import RECIPES
from prunebench.seeding import seed_of
from prunebench.spec import Spec
from prunebench.tasks.datasets.base import Samples, Split
from prunebench.tasks.datasets.validation import split
from prunebench.tasks.recipes.base import Recipe

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prunebench.engine.ticket import Ticket, Trained
    from prunebench.engine.training.by_function import TrainFunction

Data = Samples | tuple[Tensor, Tensor]
"""Samples, or inputs `[n, *shape]` of a floating-point type with class numbers `[n]`."""


@dataclass(frozen=True, eq=False)
class Task:
    """Data and a recipe, by which networks of the user's own are trained, pruned and measured.

    Raises:
        PruningError: data that are no inputs with labels, or splits whose inputs differ in shape.
        UnknownNameError, SpecError: no such recipe, or a value that it cannot have.
    """

    train: Data = field(repr=False)
    """The training split."""
    recipe: Recipe | str | None = None
    """How networks are trained, such as `small-sgd(epochs=5)`; None where nothing trains, or a train function does."""
    validation: Data | None = field(default=None, repr=False)
    """What is held back for selection; None: the recipe's share of `train`, another draw for every seed."""
    test: Data | None = field(default=None, repr=False)
    """What no method sees."""
    _parts: dict[str, Samples] = field(default_factory=dict, init=False, repr=False)
    _split: dict[int, tuple[Samples, Samples]] = field(default_factory=dict, init=False, repr=False)

    def __post_init__(self) -> None:
        given = {"train": self.train, "validation": self.validation, "test": self.test}
        self._parts.update({name: samples_of(data, name) for name, data in given.items() if data is not None})
        for name, part in self._parts.items():
            if part.shape != (shape := self._parts["train"].shape):
                raise PruningError(f"{name} inputs have shape {list(part.shape)}, train inputs {list(shape)}")
        if isinstance(self.recipe, str):
            ready()
            spec = Spec.parse(self.recipe)
            object.__setattr__(self, "recipe", RECIPES.get(spec.name)(**RECIPES.resolve(spec)))
        if not isinstance(self.recipe, Recipe | None):
            raise TrainingError(f"a recipe is a spec such as 'small-sgd' or a pb.Recipe, not {self.recipe!r}")

    def splits(self, repetition: int = 0) -> dict[str, Samples]:
        """`train` without what is held back, and `validation` and `test` where there are any.

        Raises:
            PruningError: a class has too few samples for the recipe's share.
        """
        share = self.recipe.validation if isinstance(self.recipe, Recipe) else 0.0
        if "validation" in self._parts or not share:
            return dict(self._parts)
        if repetition not in self._split:
            try:
                self._split[repetition] = split(self._parts["train"], share, repetition)
            except PruningError as error:
                how = "give the task validation data, or the recipe validation=0"
                raise PruningError(f"{error}; {how}") from error
        train, held_back = self._split[repetition]
        return {"train": train, "validation": held_back, **{n: p for n, p in self._parts.items() if n != "train"}}

    def subject(self, model: nn.Module, repetition: int, by_function: TrainFunction | None = None) -> Subject:
        """A network of the user's own with these data.

        Raises:
            PruningError, TrainingError: network, data and recipe do not fit.
        """
        if by_function is not None and self.recipe is not None:
            raise TrainingError("a task with a recipe and a train function: one of the two says how to train")
        device = next(iter(prunable(model).values())).device
        parts = self.splits(repetition)
        recipe = self.recipe if isinstance(self.recipe, Recipe) else None
        check_fit(model, parts, recipe)
        return Subject(
            model, parts["train"].shape, repetition, device, train=parts["train"], validation=parts.get("validation"),
            recipe=recipe, by_function=by_function,
        )  # fmt: skip


def samples_of(data: Data, what: str) -> Samples:
    """Data as samples, labels as int64, once they are what they have to be.

    Raises:
        PruningError: no pair of floating-point inputs and class numbers, as many of one as of the other.
    """
    if isinstance(data, Samples):
        return data
    if not (isinstance(data, tuple | list) and len(data) == 2 and all(isinstance(part, Tensor) for part in data)):
        raise PruningError(f"{what} is a pair of tensors, (inputs, labels)")
    inputs, labels = data
    if not inputs.is_floating_point():
        raise PruningError(f"{what} inputs need a floating-point type, not {inputs.dtype}: scale them, as for training")
    if labels.dim() != 1 or labels.is_floating_point() or labels.is_complex() or labels.dtype is torch.bool:
        raise PruningError(f"{what} labels are class numbers [n], not {labels.dtype} of shape {list(labels.shape)}")
    count = len(inputs) if inputs.dim() else 0
    if not 0 < count == len(labels):
        raise PruningError(f"{what} needs as many labels as inputs, not {len(labels)} for {count}")
    if not torch.isfinite(inputs).all():
        raise PruningError(f"{what} inputs are NaN or infinite in places")
    return Split(inputs, labels.long())


def check_fit(model: nn.Module, parts: Mapping[str, Samples], recipe: Recipe | None) -> None:
    """See by a forward pass of a copy whether a network takes the data, has an output a class, and can be trained.

    Raises:
        PruningError: it cannot take the inputs, gives no logits `[n, classes]`, or too few for the labels.
        TrainingError: all its parameters are frozen, or batches of one sample have no deviation to normalise by.
    """
    device = next(iter(prunable(model).values())).device
    classes = _outputs(model, parts["train"].take(torch.arange(min(2, len(parts["train"])))).to(device), train=False)
    for name, part in parts.items():
        low, high = int(part.y.min()), int(part.y.max())
        if not 0 <= low <= high < classes:
            raise PruningError(f"{name} labels go from {low} to {high}; the network has {classes} outputs")
    if recipe is None:
        return
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise TrainingError(f"{type(model).__name__} has no parameter that requires a gradient: nothing can be trained")
    if min(recipe.batch, len(parts["train"])) == 1:
        try:
            _outputs(model, parts["train"].take(torch.arange(1)).to(device), train=True)
        except PruningError as error:
            raise TrainingError(f"batches of one sample do not train here: {error}") from error


def train_and_measure(subject: Subject, ticket: Ticket | None, parts: Mapping[str, Samples]) -> Trained:
    """Train a ticket, or the dense network, and measure it on the given splits; random state stays as it is.

    Raises:
        PruningError: the ticket is another network's.
        TrainingError: the training diverged.
    """
    if ticket is not None:
        ticket.apply(private_copy(subject.model))
    devices = [subject.device] if subject.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed_of("training", subject.repetition))
        trained = train(subject, ticket)
        network = subject.network(trained.weights).to(subject.device)
        measures = {name: evaluate(network, part.to(subject.device)) for name, part in parts.items()}
    return replace(trained, measures=measures)


def _outputs(model: nn.Module, batch: Split, *, train: bool) -> int:
    """Number of classes that a network tells apart."""
    devices = [batch.y.device] if batch.y.device.type == "cuda" else []
    with torch.no_grad(), torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed_of("fit", 0))
        try:
            logits = private_copy(model).train(train)(batch.x)
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            reason = str(error).partition("\n")[0]
            raise PruningError(f"the network cannot take inputs of shape {list(batch.x.shape)}: {reason}") from error
    if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != len(batch):
        shape = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise PruningError(f"a task needs logits [{len(batch)}, classes]; the network gives {shape}")
    return logits.shape[1]
