"""What the model families share: widths and the shapes that they take."""

from __future__ import annotations

from prunebench.errors import PruningError


def scaled(channels: int, width: float) -> int:
    """A layer's units at a width factor, at least one.

    Raises:
        PruningError: the factor is not positive.
    """
    if width <= 0:
        raise PruningError(f"width={width:g} is not positive")
    return max(1, round(channels * width))


def image_shape(name: str, shape: tuple[int, ...], least: int = 1) -> tuple[int, int, int]:
    """Channels, height and width of images for a model that needs `least` pixels a side.

    Raises:
        PruningError: the inputs are no images, or too small.
    """
    if len(shape) != 3:
        raise PruningError(f"{name} needs images [channels, height, width], not inputs of shape {list(shape)}")
    if min(shape[1:]) < least:
        raise PruningError(f"{name} needs images of at least {least} × {least} pixels, not {shape[1]} × {shape[2]}")
    return shape[0], shape[1], shape[2]


def signal_shape(name: str, shape: tuple[int, ...], least: int = 1) -> tuple[int, int]:
    """Channels and length of signals for a model that needs `least` samples of each.

    Raises:
        PruningError: the inputs are no signals, or too short.
    """
    if len(shape) != 2:
        raise PruningError(f"{name} needs signals [channels, length], not inputs of shape {list(shape)}")
    if shape[1] < least:
        raise PruningError(f"{name} needs signals of at least {least} samples, not {shape[1]}")
    return shape[0], shape[1]
