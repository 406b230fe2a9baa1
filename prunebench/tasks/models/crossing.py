"""A small network of which every part that a conservation law depends on can be chosen by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import torch
from torch import Tensor, nn

from prunebench.errors import PruningError
from prunebench.parameters import AtLeast
from prunebench.tasks.models.initial import Gamma, Init, initialised
from prunebench.tasks.models.layers import scaled
from prunebench.tasks.models.mlp import ACTIVATIONS, Activation
from prunebench.tasks.registration import model

if TYPE_CHECKING:
    from collections.abc import Callable

Norm = Literal["none", "batch"]
Pool = Literal["none", "max", "average"]
Residual = Literal["none", "identity", "projection"]
Shift = Literal["zero", "normal"]

_CHANNELS = 8
_SPREAD = 0.1
"""Standard deviation of biases and of BatchNorm's β, where they are drawn."""


class Stage(nn.Module):
    """Two convolutions of kernel 3, each followed by BatchNorm if asked for and an activation, and a shortcut."""

    def __init__(
        self, conv: type[nn.Conv1d | nn.Conv2d], norm: Callable[[int], nn.Module], activation: Callable[[], nn.Module],
        width: int, residual: Residual,
    ) -> None:  # fmt: skip
        """Map `width` channels to as many; the shortcut joins before the last activation."""
        super().__init__()
        self.conv1, self.norm1 = conv(width, width, 3, padding=1), norm(width)
        self.conv2, self.norm2 = conv(width, width, 3, padding=1), norm(width)
        self.act1, self.act2 = activation(), activation()
        self.residual = residual
        if residual == "projection":
            self.shortcut, self.norm3 = conv(width, width, 1), norm(width)

    def forward(self, x: Tensor) -> Tensor:
        """`[n, width, …]` to the same shape."""
        out: Tensor = self.norm2(self.conv2(self.act1(self.norm1(self.conv1(x)))))
        if self.residual == "identity":
            out = out + x
        elif self.residual == "projection":
            out = out + self.norm3(self.shortcut(x))
        activated: Tensor = self.act2(out)
        return activated


@model("crossing")
def crossing(
    shape: tuple[int, ...],
    classes: int,
    *,
    bias: bool = False,
    norm: Norm = "none",
    activation: Activation = "relu",
    pool: Pool = "none",
    residual: Residual = "none",
    width: float = 1.0,
    depth: Annotated[int, AtLeast(1)] = 2,
    init: Init = "kaiming-normal",
    bias_init: Shift = "normal",
    bn_gamma: Gamma = "one",
    bn_beta: Shift = "zero",
) -> nn.Module:
    """A convolution of 8 channels, `depth` stages of two more, mean over positions, linear: for images and for signals.

    Every part of it is one factor of a crossing: `bias` of all layers, drawn from N(0, 0.1²) unless `bias_init=zero`;
    `norm` behind each convolution; `pool` by 2 behind each stage; `residual`, the shortcut of each stage.
    `bn_beta=normal` draws BatchNorm's β from N(0, 0.1²). A seed's weights are the same whatever else is chosen, but for
    `residual=projection`, whose shortcuts are drawn in between, and the gain of `activation`.

    Raises:
        PruningError: inputs that are neither images nor signals, or too small for the pooling; a distribution of γ or β
            without BatchNorm.
    """
    if len(shape) not in (2, 3):
        raise PruningError(f"crossing needs images or signals, not inputs of shape {list(shape)}")
    least = 1 if pool == "none" else 2**depth
    if min(shape[1:]) < least:
        raise PruningError(f"crossing: pool={pool} with depth={depth} needs inputs of at least {least} a side")
    if bn_beta != "zero" and norm == "none":
        raise PruningError(f"crossing: bn_beta={bn_beta} needs norm=batch")
    rank, wide = len(shape) - 2, scaled(_CHANNELS, width)
    conv, batch_norm = ((nn.Conv1d, nn.BatchNorm1d), (nn.Conv2d, nn.BatchNorm2d))[rank]
    make, gain = ACTIVATIONS[activation]

    def normalised(channels: int) -> nn.Module:
        return batch_norm(channels) if norm == "batch" else nn.Identity()

    pools = {"max": (nn.MaxPool1d, nn.MaxPool2d), "average": (nn.AvgPool1d, nn.AvgPool2d)}
    layers: list[nn.Module] = [conv(shape[0], wide, 3, padding=1), normalised(wide), make()]
    for _ in range(depth):
        layers.append(Stage(conv, normalised, make, wide, residual))
        if pool != "none":
            layers.append(pools[pool][rank](2))
    layers += [
        (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d)[rank](1),
        nn.Flatten(),
        nn.Linear(wide, classes),
    ]
    network = initialised(nn.Sequential(*layers), init, bn_gamma, gain=gain)
    with torch.no_grad():
        for module in network.modules():
            normal = isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d)
            # Layers are made with biases even if they are to have none, so that weights are drawn alike.
            if isinstance(module, conv | nn.Linear) and not bias:
                module.bias = None
            own = getattr(module, "bias", None)
            if isinstance(own, Tensor) and (bn_beta if normal else bias_init) == "normal":
                own.normal_(std=_SPREAD)
    return network
