"""What the model families share: widths and initialisation."""

from __future__ import annotations

from typing import TypeVar

from torch import nn

from prunebench.errors import PruningError

M = TypeVar("M", bound=nn.Module)


def scaled(channels: int, width: float) -> int:
    """A layer's units at a width factor, at least one.

    Raises:
        PruningError: the factor is not positive.
    """
    if width <= 0:
        raise PruningError(f"width={width:g} is not positive")
    return max(1, round(channels * width))


def initialised(model: M) -> M:
    """Kaiming normal with fan-in, gain of ReLU (He et al. 2015); biases zero, BatchNorm at 1 and 0."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
            nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return model


def image_shape(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, height and width.

    Raises:
        PruningError: the inputs are no images.
    """
    if len(shape) != 3:
        raise PruningError(f"needs images [channels, height, width], not inputs of shape {list(shape)}")
    return shape[0], shape[1], shape[2]
