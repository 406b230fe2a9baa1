"""Conv-4, the small VGG-like network of the lottery ticket paper."""

from __future__ import annotations

from torch import nn

from prunebench.errors import PruningError
from prunebench.tasks.models.layers import image_shape, initialised, scaled
from prunebench.tasks.registration import model

_PAIRS = (64, 128)
_HIDDEN = 256


@model("conv-4", paper="Frankle & Carbin 2019, The lottery ticket hypothesis, fig. 2")
def conv_4(shape: tuple[int, ...], classes: int, *, width: float = 1.0) -> nn.Module:
    """Two pairs of 3 × 3 convolutions (64, 128 channels), each pooled by 2, then 256-256-classes."""
    channels, height, breadth = image_shape(shape)
    if min(height, breadth) < 2 ** len(_PAIRS):
        raise PruningError(f"conv-4 needs images of at least {2 ** len(_PAIRS)} × {2 ** len(_PAIRS)} pixels")
    layers: list[nn.Module] = []
    for wide in (scaled(c, width) for c in _PAIRS):
        layers += [nn.Conv2d(channels, wide, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(wide, wide, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        channels, height, breadth = wide, height // 2, breadth // 2
    hidden = scaled(_HIDDEN, width)
    layers += [nn.Flatten(), nn.Linear(channels * height * breadth, hidden), nn.ReLU()]
    layers += [nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes)]
    return initialised(nn.Sequential(*layers))
