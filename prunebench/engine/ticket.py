"""The outcome of pruning, and the network that a training ends in."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, get_args

import torch

from prunebench.engine import archive
from prunebench.engine.holding import Holding, zero
from prunebench.engine.masks import Masks, check_alike, shapes_in
from prunebench.engine.prunable import prunable
from prunebench.errors import PruningError, SpecError, suggestion

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from torch import Tensor, nn

_FORMAT = "prunebench-ticket-1"

Rate = Literal["recipe", "final"]


@dataclass(frozen=True, slots=True)
class Phase:
    """The part of a recipe that a network is trained by.

    Raises:
        SpecError: a value that no training can have.
    """

    begin: float = 0.0
    """Where training starts: a share of the recipe's length T below 1, epochs from 1 up."""
    rate: Rate = "recipe"
    """Learning rates of the recipe from there on, or its last one throughout."""
    scale: float = 1.0
    """Of all learning rates."""
    length: float = 1.0
    """Of the whole schedule, over T."""
    after: float | None = None
    """Trainings behind the weights that it starts from, in units of T: its epochs are the next ones, with batches,
    crops and mirrors that the weights have not seen. None: the recipe's own epochs from `begin` on, as those of all
    that start from initial weights, or from weights of the dense run at that very point."""

    def __post_init__(self) -> None:
        if not 0 <= self.begin < math.inf:
            raise SpecError(f"phase: begin={self.begin:g} is no position: a share of T below 1, epochs from 1 up")
        if self.rate not in get_args(Rate):
            raise SpecError(f"phase: rate={self.rate!r} is no rate{suggestion(self.rate, get_args(Rate))}")
        if self.after is not None and not 0 <= self.after < math.inf:
            raise SpecError(f"phase: after={self.after:g} is no number of trainings")
        for name, value in (("scale", self.scale), ("length", self.length)):
            if not 0 < value < math.inf:
                raise SpecError(f"phase: {name}={value:g} is not positive")
        if self.length <= self.begin < 1:
            raise SpecError(f"phase: begin={self.begin:g} leaves nothing of a schedule of {self.length:g} T")


@dataclass(frozen=True)
class Ticket:
    """Masks, the weights that sparse training starts from, and where in the recipe it starts."""

    masks: Masks
    weights: Mapping[str, Tensor] | None = None
    """Parameters and buffers by name; None: those of the network that was given. What is left out likewise."""
    notes: tuple[str, ...] = ()
    """What a reader of the record should know, such as a ratio that had to be scaled down."""
    phase: Phase | None = field(default_factory=Phase)
    """How it is trained; None: it has been trained."""
    sparse: bool = True
    """False: training drops the masks, and pruned weights start at zero."""
    held: Mapping[str, Tensor] = field(default_factory=dict)
    """Other parameters that stay zero where their tensor is False: biases and normalisation of removed filters."""
    spent: float = 0.0
    """Trainings that finding it took, in units of T."""
    events: tuple[Mapping[str, float], ...] = ()
    """What happened on the way, one entry a pruning event: see `engine.training.events`."""

    def same_as(self, other: Ticket) -> bool:
        """Whether training would be the same: masks, weights and phase."""
        mine, theirs = (
            {**t.masks, **_stored("weight", t.weights or {}), **_stored("held", t.held)} for t in (self, other)
        )
        return (
            (self.phase, self.sparse, self.weights is None) == (other.phase, other.sparse, other.weights is None)
            and mine.keys() == theirs.keys()
            and all(torch.equal(mine[name].cpu(), theirs[name].cpu()) for name in mine)
        )

    def apply(self, model: nn.Module) -> None:
        """Give a model the weights that training starts from, pruned ones zero, in place.

        Raises:
            PruningError: the ticket is another network's.
        """
        check_alike(self.masks, prunable(model))
        fill(model, self.weights or {})
        zero(model, {**self.masks, **self.held})

    def hold(self, model: nn.Module, optimiser: torch.optim.Optimizer | None = None) -> Holding:
        """`apply`, and keep pruned weights at zero in a training loop of the user's own; see `Masks.hold`.

        Where the ticket's training drops the masks (`sparse` is False), pruned weights start at zero and are free.

        Raises:
            PruningError: the ticket is another network's.
        """
        self.apply(model)
        return Holding(model, {**self.masks, **self.held} if self.sparse else {}, optimiser)

    def save(self, path: str | Path) -> None:
        """Write a safetensors file with all that the ticket is, masks eight weights a byte.

        Raises:
            PruningError: the file cannot be written.
        """
        value, tensors = self.stored()
        shapes = {name: list(mask.shape) for name, mask in self.masks.items()}
        metadata = {"format": _FORMAT, "shapes": json.dumps(shapes), "ticket": json.dumps(value)}
        archive.write(path, "a ticket", tensors, metadata)

    @classmethod
    def load(cls, path: str | Path, model: nn.Module) -> Ticket:
        """A ticket of this model's that `save` wrote; the model stays as it is.

        Raises:
            PruningError: there is no such file, it holds no ticket, or another network's.
        """
        metadata, tensors = archive.read(path, "ticket", _FORMAT)
        layers = shapes_in(path, metadata, under("mask", tensors))
        try:
            ticket = cls.read(json.loads(metadata["ticket"]), tensors, layers)
        except (KeyError, ValueError, TypeError) as error:
            raise PruningError(f"{path} is damaged: it does not say what its ticket is") from error
        check_alike(ticket.masks, prunable(model))
        check_fits(model, {**(ticket.weights or {}), **ticket.held})
        return ticket

    def stored(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """A JSON value and tensors by name, for an artifact; `read` reads them back."""
        phase = self.phase
        value = {
            "kept": self.masks.kept(),
            "notes": list(self.notes),
            "phase": None if phase is None else [phase.begin, phase.rate, phase.scale, phase.length, phase.after],
            "sparse": self.sparse,
            "spent": self.spent,
            "events": [dict(event) for event in self.events],
        }
        packed = {f"mask/{name}": tensor for name, tensor in self.masks.packed().items()}
        return value, packed | _stored("weight", self.weights or {}) | _stored("held", self.held)

    @classmethod
    def read(cls, value: Mapping[str, Any], tensors: Mapping[str, Tensor], layers: Mapping[str, Tensor]) -> Ticket:
        """Inverse of `stored`; `layers` are the network's prunable tensors."""
        return cls(
            masks=Masks.unpacked(under("mask", tensors), layers),
            weights=under("weight", tensors) or None,
            notes=tuple(value["notes"]),
            phase=None if value["phase"] is None else Phase(*value["phase"]),
            sparse=value["sparse"],
            held=under("held", tensors),
            spent=value["spent"],
            events=tuple(value["events"]),
        )


@dataclass(frozen=True)
class Trained:
    """A network at the end of a training, or of a part of one."""

    weights: Mapping[str, Tensor]
    """Parameters and buffers by name."""
    masks: Masks | None = None
    """That it was trained under; None: it is dense."""
    held: Mapping[str, Tensor] = field(default_factory=dict)
    moments: Mapping[float, Mapping[str, Tensor]] = field(default_factory=dict)
    """Weights at the recipe's rewind points that the training went past, by position."""
    notes: tuple[str, ...] = ()
    spent: float = 0.0
    """Trainings so far in units of T, those that its ticket took included."""
    steps: int = 0
    """Optimiser steps of this training alone."""
    examples: int = 0
    """Samples that they saw."""
    measures: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """`loss` (nats) and `accuracy` (%) by split, where they were taken: `measures["test"]["accuracy"]`."""

    def apply(self, model: nn.Module) -> None:
        """Give a model these weights, in place.

        Raises:
            PruningError: they are another network's.
        """
        fill(model, self.weights)

    def stored(self) -> tuple[dict[str, Any], dict[str, Tensor]]:
        """A JSON value and tensors by name, for an artifact; `read` reads them back."""
        value = {
            "notes": list(self.notes), "spent": self.spent, "steps": self.steps, "examples": self.examples,
            "dense": self.masks is None, "moments": list(self.moments),
            "measures": {name: dict(found) for name, found in self.measures.items()},
        }  # fmt: skip
        tensors = _stored("weight", self.weights) | _stored("held", self.held)
        for number, weights in enumerate(self.moments.values()):
            tensors |= _stored(f"moment{number}", weights)
        if self.masks is not None:
            tensors |= {f"mask/{name}": tensor for name, tensor in self.masks.packed().items()}
        return value, tensors

    @classmethod
    def read(cls, value: Mapping[str, Any], tensors: Mapping[str, Tensor], layers: Mapping[str, Tensor]) -> Trained:
        """Inverse of `stored`; `layers` are the network's prunable tensors."""
        return cls(
            weights=under("weight", tensors),
            masks=None if value["dense"] else Masks.unpacked(under("mask", tensors), layers),
            held=under("held", tensors),
            moments={place: under(f"moment{number}", tensors) for number, place in enumerate(value["moments"])},
            notes=tuple(value["notes"]),
            spent=value["spent"],
            steps=value["steps"],
            examples=value["examples"],
            measures=value["measures"],
        )


def _stored(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Copies on the CPU under a prefix, which `under` takes off again; tied weights share no memory in a file."""
    return {f"{prefix}/{name}": tensor.detach().cpu().clone() for name, tensor in tensors.items()}


def under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors whose names begin with `prefix/`, without it."""
    return {name.removeprefix(f"{prefix}/"): t for name, t in tensors.items() if name.startswith(f"{prefix}/")}


def fill(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Copy parameters and buffers into a model, in place; what they leave out stays as it is.

    Raises:
        PruningError: the model has none of such a name or shape.
    """
    check_fits(model, weights)
    model.load_state_dict(dict(weights), strict=False)


def check_fits(model: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Raise PruningError unless the model has parameters or buffers of these names and shapes."""
    own = model.state_dict()
    for name, value in weights.items():
        if name not in own:
            raise PruningError(f"{type(model).__name__} has no {name}: the weights are another network's")
        if own[name].shape != value.shape:
            shapes = f"{list(own[name].shape)}, not {list(value.shape)}"
            raise PruningError(f"{name} of {type(model).__name__} is {shapes}: the weights are another network's")
