"""Fully connected networks of given widths."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

from torch import nn

from prunebench.errors import PruningError
from prunebench.spec import written
from prunebench.tasks.models.initial import RELU_GAIN, Init, initialised
from prunebench.tasks.registration import model

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Activation = Literal["relu", "leaky-relu", "gelu", "tanh", "linear"]

_LEAK = 0.01
ACTIVATIONS: Mapping[Activation, tuple[Callable[[], nn.Module], float]] = {
    "relu": (nn.ReLU, RELU_GAIN),
    "leaky-relu": (lambda: nn.LeakyReLU(_LEAK), math.sqrt(2 / (1 + _LEAK**2))),
    "gelu": (nn.GELU, RELU_GAIN),
    "tanh": (nn.Tanh, 5 / 3),
    "linear": (nn.Identity, 1.0),
}
"""Module and gain; GELU has no gain of its own in use, and takes that of ReLU."""


@model("mlp", paper="with its defaults the MLP of Tanaka et al. 2020, Pruning neural networks without any data")
def mlp(
    shape: tuple[int, ...],
    classes: int,
    *,
    widths: tuple[int, ...] = (100,),
    repeat: int = 5,
    activation: Activation = "relu",
    bias: bool = True,
    init: Init = "kaiming-normal",
) -> nn.Module:
    """Hidden layers of the given widths, all of them `repeat` times over, and a classifier; inputs are flattened.

    `mlp(widths=[100], repeat=49)` has 50 layers, `mlp(widths=[])` one. The Kaiming and orthogonal initialisations use
    the activation's gain.

    Raises:
        PruningError: a width or `repeat` is below 1.
    """
    if min(widths, default=1) < 1:
        raise PruningError(f"mlp: widths={written(widths)} must be at least 1")
    if repeat < 1:
        raise PruningError(f"mlp: repeat={repeat} must be at least 1")
    make, gain = ACTIVATIONS[activation]
    layers: list[nn.Module] = [nn.Flatten()]
    units = math.prod(shape)
    for wide in widths * repeat:
        layers += [nn.Linear(units, wide, bias=bias), make()]
        units = wide
    return initialised(nn.Sequential(*layers, nn.Linear(units, classes, bias=bias)), init, gain=gain)
