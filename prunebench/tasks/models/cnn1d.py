"""The convolutional network for one-dimensional signals that came with MNIST-1D."""

from __future__ import annotations

from torch import nn

from prunebench.tasks.models.initial import Init, initialised
from prunebench.tasks.models.layers import scaled, signal_shape
from prunebench.tasks.registration import model

_CHANNELS = 25
_KERNELS = (5, 3, 3)
_PADDING = 1


@model("cnn-1d", paper="Greydanus 2020, Scaling down deep learning, ConvBase of the MNIST-1D repository")
def cnn_1d(
    shape: tuple[int, ...], classes: int, *, width: float = 1.0, batch_norm: bool = False, init: Init = "kaiming-normal"
) -> nn.Module:  # fmt: skip
    """Three convolutions of 25 channels (kernels 5, 3, 3, stride 2, padding 1) and one linear layer, for signals.

    With `batch_norm`, which the original lacks, each convolution is followed by a BatchNorm.
    """
    channels, length = signal_shape("cnn-1d", shape, least=_KERNELS[0] - 2 * _PADDING)
    wide = scaled(_CHANNELS, width)
    layers: list[nn.Module] = []
    for kernel in _KERNELS:
        norm = [nn.BatchNorm1d(wide)] if batch_norm else []
        layers += [nn.Conv1d(channels, wide, kernel, stride=2, padding=_PADDING), *norm, nn.ReLU()]
        channels, length = wide, (length + 2 * _PADDING - kernel) // 2 + 1
    return initialised(nn.Sequential(*layers, nn.Flatten(), nn.Linear(wide * length, classes)), init)
