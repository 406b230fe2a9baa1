"""Initialisations by name: weights from one distribution a layer, biases zero, BatchNorm's γ one or uniform."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, TypeVar

from torch import Tensor, nn

from prunebench.errors import PruningError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

M = TypeVar("M", bound=nn.Module)

Init = Literal[
    "kaiming-normal",
    "kaiming-normal-fan-out",
    "kaiming-uniform",
    "xavier-normal",
    "xavier-uniform",
    "orthogonal",
    "pytorch-default",
]
Gamma = Literal["one", "uniform"]

RELU_GAIN = math.sqrt(2)


def _fan_in(weight: Tensor) -> int:
    return weight[0].numel()


def _fan_out(weight: Tensor) -> int:
    return weight.shape[0] * weight[0, 0].numel()


def _uniform(weight: Tensor, std: float) -> None:
    nn.init.uniform_(weight, -math.sqrt(3) * std, math.sqrt(3) * std)


_DRAWS: Mapping[Init, Callable[[Tensor, float], object]] = {
    "kaiming-normal": lambda w, gain: nn.init.normal_(w, std=gain / math.sqrt(_fan_in(w))),
    "kaiming-normal-fan-out": lambda w, gain: nn.init.normal_(w, std=gain / math.sqrt(_fan_out(w))),
    "kaiming-uniform": lambda w, gain: _uniform(w, gain / math.sqrt(_fan_in(w))),
    "xavier-normal": lambda w, _: nn.init.xavier_normal_(w),
    "xavier-uniform": lambda w, _: nn.init.xavier_uniform_(w),
    "orthogonal": nn.init.orthogonal_,
}
"""He et al. 2015, eq. 10 and 14: variance gain² / fan; Glorot & Bengio 2010, eq. 12 and 16: 2 / (fan in + fan out);
Saxe et al. 2014: the weights as a matrix `[out, in·kh·kw]` have orthogonal rows or columns of length `gain`."""


def initialised(model: M, init: Init = "kaiming-normal", bn_gamma: Gamma = "one", *, gain: float = RELU_GAIN) -> M:
    """Draw all weights anew, in module order, and set biases to zero; `pytorch-default` leaves both as constructed.

    `bn_gamma=uniform` draws BatchNorm's γ from U(0, 1), as the lottery ticket code of Frankle et al. does, after all
    weights: these are the same under both. β is zero, the running mean 0 and variance 1.

    Args:
        model: as constructed.
        init: the distribution of weights of linear and convolutional layers.
        bn_gamma: the distribution of BatchNorm's scale.
        gain: of the activation, for the Kaiming and orthogonal initialisations.

    Raises:
        PruningError: a distribution of γ for a model without BatchNorm.
    """
    if init != "pytorch-default":
        for module in model.modules():
            if isinstance(module, nn.Linear | nn.Conv1d | nn.Conv2d | nn.Conv3d):
                _DRAWS[init](module.weight, gain)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)
    if bn_gamma == "uniform":
        norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d | nn.BatchNorm3d)]
        if not norms:
            raise PruningError("bn_gamma=uniform: the model has no BatchNorm")
        for norm in norms:
            nn.init.uniform_(norm.weight)
    return model
