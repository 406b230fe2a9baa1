"""LeNet-300-100, the fully connected network of LeCun et al. 1998."""

from __future__ import annotations

import math

from torch import nn

from prunebench.tasks.models.layers import initialised, scaled
from prunebench.tasks.registration import model


@model("lenet-300-100", paper="LeCun et al. 1998, Gradient-based learning applied to document recognition")
def lenet_300_100(shape: tuple[int, ...], classes: int, *, width: float = 1.0) -> nn.Module:
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
        )
    )
