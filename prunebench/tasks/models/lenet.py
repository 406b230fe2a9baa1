"""LeNet-300-100 and LeNet-5, the networks of LeCun et al. 1998."""

from __future__ import annotations

import math
from typing import Literal

from torch import nn

from prunebench.tasks.models.initial import Init, initialised
from prunebench.tasks.models.layers import image_shape, scaled
from prunebench.tasks.registration import model

_PAPER = "LeCun et al. 1998, Gradient-based learning applied to document recognition"


@model("lenet-300-100", paper=_PAPER)
def lenet_300_100(
    shape: tuple[int, ...], classes: int, *, width: float = 1.0, init: Init = "kaiming-normal"
) -> nn.Module:
    """Two hidden layers of 300 and 100 ReLU units; inputs of any shape are flattened."""
    first, second = scaled(300, width), scaled(100, width)
    return initialised(
        nn.Sequential(
            nn.Flatten(),
            nn.Linear(math.prod(shape), first),
            nn.ReLU(),
            nn.Linear(first, second),
            nn.ReLU(),
            nn.Linear(second, classes),
        ),
        init,
    )


@model("lenet-5", paper=_PAPER)
def lenet_5(
    shape: tuple[int, ...],
    classes: int,
    *,
    variant: Literal["caffe", "classic"] = "caffe",
    width: float = 1.0,
    init: Init = "kaiming-normal",
) -> nn.Module:
    """Two pooled 5 × 5 convolutions and linear layers: 20-50-500 (caffe) or 6-16-120-84 (classic), with ReLU.

    `caffe` is the LeNet-5 of the pruning papers, as in SNIP (Lee et al. 2019). `classic` has the original's layers,
    with ReLU and max pooling, and every map of the first convolution joined to all of the second; images below 32 × 32
    pixels are padded by 2, as LeCun et al. padded those of MNIST.
    """
    plan, hidden = {"caffe": ((20, 50), (500,)), "classic": ((6, 16), (120, 84))}[variant]
    padding = 2 if variant == "classic" and min(shape[1:], default=0) < 32 else 0
    channels, *sides = image_shape("lenet-5", shape, least=16 - 2 * padding)
    layers: list[nn.Module] = []
    for index, wide in enumerate(scaled(c, width) for c in plan):
        border = 0 if index else padding
        layers += [nn.Conv2d(channels, wide, 5, padding=border), nn.ReLU(), nn.MaxPool2d(2)]
        channels, sides = wide, [(side + 2 * border - 4) // 2 for side in sides]
    layers.append(nn.Flatten())
    units = channels * math.prod(sides)
    for wide in (scaled(h, width) for h in hidden):
        layers += [nn.Linear(units, wide), nn.ReLU()]
        units = wide
    return initialised(nn.Sequential(*layers, nn.Linear(units, classes)), init)
