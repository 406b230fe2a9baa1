"""What a recipe is: optimiser, learning rates, length, batches, regularisation, as one value."""

from __future__ import annotations

import inspect
import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, get_type_hints

from prunebench.errors import SpecError
from prunebench.fields import Kind
from prunebench.parameters import Parameter, tupled
from prunebench.registry import RECIPES, describe
from prunebench.spec import written

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prunebench.spec import Scalar, Value

Optimiser = Literal["sgd", "adam", "adamw"]
Rates = Literal["constant", "step", "cosine", "one-cycle", "flat-then-linear"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Recipe:
    """How a network is trained. T is its length; positions are shares of T below 1, and epochs from 1 up.

    Raises:
        SpecError: a value that no training can have; the message names it.
    """

    lr: Annotated[float, Kind.ROW] = 0.1
    """The largest learning rate."""
    optimiser: Annotated[Optimiser, Kind.ROW] = "sgd"
    momentum: Annotated[float, Kind.ROW] = 0.9
    """Of SGD."""
    nesterov: Annotated[bool, Kind.ROW] = False
    betas: Annotated[tuple[float, float], Kind.ROW] = (0.9, 0.999)
    """Of Adam and AdamW."""
    weight_decay: Annotated[float, Kind.ROW] = 0.0
    """On all parameters: added to the gradient, or with AdamW taken from the parameters themselves."""
    batch: Annotated[int, Kind.ROW] = 128
    epochs: Annotated[float, Kind.ROW] = 160.0
    steps: Annotated[int, Kind.ROW] = 0
    """T in optimiser steps, instead of epochs; 0 goes by the epochs."""
    schedule: Annotated[Rates, Kind.ROW] = "step"
    """Of the learning rate, see `rates`."""
    milestones: Annotated[tuple[float, ...], Kind.ROW] = (0.5, 0.75)
    """Positions at which the rate drops (`step`); where its fall begins and ends (`flat-then-linear`)."""
    factor: Annotated[float, Kind.ROW] = 0.1
    """The rate after a milestone over that before it (`step`); its last value over its first (`flat-then-linear`)."""
    warmup: Annotated[float, Kind.ROW] = 0.0
    """Position up to which the rate rises from near zero; with `one-cycle` the top."""
    label_smoothing: Annotated[float, Kind.ROW] = 0.0
    dropout: Annotated[float, Kind.ROW] = 0.0
    """Share of the inputs of every linear layer but a first one that is dropped while training."""
    crop: Annotated[int, Kind.ROW] = 0
    """Pixels of border around an image before a part of its old size is cut out at random."""
    flip: Annotated[bool, Kind.ROW] = False
    """Mirror every other image, at random, from left to right."""
    validation: Annotated[float, Kind.ROW] = 0.1
    """Share of the training split that is held back for selection, stratified; 0 is none."""
    rewind: Annotated[tuple[float, ...], Kind.ROW] = (0.1,)
    """Positions whose weights every training keeps, so that rewinding to them costs nothing; others cost a run."""

    def __post_init__(self) -> None:
        for parameter in _PARAMETERS:
            value = parameter.check(tupled(getattr(self, parameter.name)), "recipe")
            if not all(math.isfinite(part) for part in _parts(value) if isinstance(part, float)):
                raise SpecError(f"recipe: {parameter.name}={written(value)} is not finite")
            object.__setattr__(self, parameter.name, value)
        for name, (low, high) in _RANGES.items():
            if not low <= getattr(self, name) <= high:
                raise SpecError(f"recipe: {name}={getattr(self, name):g} is outside [{low:g}, {high:g}]")
        if self.lr <= 0:
            raise SpecError(f"recipe: lr={self.lr:g} is not positive")
        if self.steps == 0 and self.epochs <= 0:
            raise SpecError(f"recipe: epochs={self.epochs:g} is not positive")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise SpecError(f"recipe: betas={written(self.betas)} are outside [0, 1)")
        if self.nesterov and not (self.optimiser == "sgd" and self.momentum > 0):
            raise SpecError("recipe: nesterov needs optimiser=sgd and momentum above 0")
        for name in ("milestones", "warmup", "rewind"):
            self._check_positions(name)
        if self.schedule == "flat-then-linear" and len(self.milestones) != 2:
            raise SpecError("recipe: schedule=flat-then-linear needs two milestones, where the fall begins and ends")
        shares = [m if m < 1 or self.steps else m / self.epochs for m in self.milestones]
        if shares != sorted(shares):
            raise SpecError(
                f"recipe: milestones={written(self.milestones)} do not ascend: shares of T below 1, else epochs"
            )
        if self.schedule == "one-cycle" and self.warmup == 0:
            raise SpecError("recipe: schedule=one-cycle needs warmup, the position of its top")

    def _check_positions(self, name: str) -> None:
        value = getattr(self, name)
        places = [float(place) for place in _parts(value)]
        if any(place < 0 for place in places):
            raise SpecError(f"recipe: {name}={written(value)} has a position below 0")
        if self.steps == 0 and any(place >= 1 and place > self.epochs for place in places):
            raise SpecError(f"recipe: {name}={written(value)} lies past the end, {self.epochs:g} epochs")

    def check_position(self, position: float) -> None:
        """Refuse a position outside of the recipe, as far as that shows without data.

        Raises:
            SpecError: it is below 0, or in epochs past the last one.
        """
        if position < 0 or (self.steps == 0 and 1 <= position > self.epochs):
            raise SpecError(f"position {position:g} is outside the recipe, which has {self.epochs:g} epochs")

    def rewind_point(self, position: float) -> float | None:
        """The rewind point that a position is, whether either counts a share or epochs; None if it is none."""

        def share(place: float) -> float:
            return place if place < 1 or self.steps else place / self.epochs

        near = (p for p in self.rewind if p == position or math.isclose(share(p), share(position), rel_tol=1e-9))
        return next(near, None)

    def lasting(self, factor: float) -> dict[str, Value]:
        """The fields that change in a recipe of `factor` times the length, positions at the same shares of it.

        Raises:
            SpecError: it is counted in steps and has positions in epochs that would lie inside the first.
        """

        def moved(place: float) -> float:
            if place < 1 or place * factor >= 1:
                return place if place < 1 else place * factor
            if self.steps:
                raise SpecError(f"recipe: {factor:g} times its steps bring the position {place:g} into the first epoch")
            return place / self.epochs

        lengths: dict[str, Value] = {"epochs": self.epochs * factor}
        if self.steps:
            lengths = {"steps": max(1, round(self.steps * factor))}
        places: dict[str, Value] = {
            "milestones": tuple(map(moved, self.milestones)),
            "warmup": moved(self.warmup),
            "rewind": tuple(map(moved, self.rewind)),
        }
        return {**lengths, **{name: value for name, value in places.items() if value != getattr(self, name)}}

    def length(self, samples: int) -> int:
        """T in optimiser steps, for so many training samples."""
        return self.steps or max(1, round(self.epochs * self.per_epoch(samples)))

    def per_epoch(self, samples: int) -> int:
        """Batches of an epoch: the last one holds what is left, and a single sample left joins the one before."""
        full, left = divmod(samples, self.batch)
        return max(1, full + (left > 1))

    def step_at(self, position: float, samples: int) -> int:
        """The step of a position: a share of T below 1, epochs from 1 up.

        Raises:
            SpecError: it lies past the end.
        """
        total = self.length(samples)
        step = round(in_steps(position, total, self.per_epoch(samples)))
        if not 0 <= step <= total:
            length = total / self.per_epoch(samples)
            raise SpecError(f"position {position:g} is outside the recipe, which has {length:g} epochs")
        return step


def in_steps(position: float, total: int, per_epoch: float) -> float:
    """A position in steps, not rounded, of a training of so many and of so many an epoch."""
    return position * (total if position < 1 else per_epoch)


_RANGES: Mapping[str, tuple[float, float]] = {
    "momentum": (0, 0.9999),
    "weight_decay": (0, math.inf),
    "batch": (1, math.inf),
    "steps": (0, math.inf),
    "factor": (0, 1),
    "label_smoothing": (0, 0.9999),
    "dropout": (0, 0.9999),
    "crop": (0, math.inf),
    "validation": (0, 0.9),
}


def _parameters(own: Recipe | None = None) -> tuple[Parameter, ...]:
    """A parameter for each field; defaults are those of a recipe."""
    hints = get_type_hints(Recipe)
    return tuple(
        Parameter.of(
            parameter, hints[name], None if own is None else getattr(own, name), _RANGES.get(name, (None, None))[0]
        )
        for name, parameter in inspect.signature(Recipe).parameters.items()
    )


def _parts(value: Value) -> tuple[Scalar, ...]:
    return value if isinstance(value, tuple) else (value,)


_PARAMETERS = _parameters()


def recipe(name: str, *, paper: str = "", notes: str = "") -> Callable[[Callable[[], Recipe]], Callable[[], Recipe]]:
    """Register a function `() -> Recipe`; a spec may change any of its fields: `small-sgd(epochs=40)`.

    Args:
        name: what specs call it.
        paper: reference, authors and year first.
        notes: what differs from the source, for `prunebench show`.

    Raises:
        DuplicateNameError: the name is taken.
        SpecError: the recipe has a value that no training can have.
        TypeError: the function returns something else.
    """

    def register(function: Callable[[], Recipe]) -> Callable[[], Recipe]:
        own = _made(name, function)
        if not isinstance(own, Recipe):
            raise TypeError(f"recipe {name!r}: {function.__name__} returns a {type(own).__name__}, no Recipe")
        entry = describe(RECIPES, function, name, paper=paper, parameters=_parameters(own), notes=notes)
        RECIPES.add(entry, partial(_made, name, Recipe))
        return function

    return register


def _made(name: str, make: Callable[..., Recipe], /, **values: Value) -> Recipe:
    """A recipe whose errors name it."""
    try:
        return make(**values)
    except SpecError as error:
        raise SpecError(f"recipe {name!r}: {str(error).removeprefix('recipe: ')}") from error
