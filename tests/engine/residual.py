"""Residual networks of depth 6n + 2 for small images, written for the tests: shortcuts of option A or B."""

from __future__ import annotations

import itertools
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


class Block(nn.Module):
    """Two convolutions and a shortcut: zeros for new channels (A), or a 1 × 1 convolution (B)."""

    def __init__(self, channels: int, wide: int, stride: int, option: Literal["A", "B"]) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(channels, wide, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.conv2 = nn.Conv2d(wide, wide, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.stride, self.new = stride, wide - channels
        self.project: nn.Module | None = None
        if option == "B" and (self.new or stride > 1):
            self.project = nn.Sequential(nn.Conv2d(channels, wide, 1, stride, bias=False), nn.BatchNorm2d(wide))

    def forward(self, x: Tensor) -> Tensor:
        out = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        if self.project is not None:
            return F.relu(out + self.project(x))
        before = self.new // 2
        return F.relu(out + F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, before, self.new - before)))


def residual(blocks: int, option: Literal["A", "B"], wide: int = 16, classes: int = 10) -> nn.Module:
    """For images of three channels; `blocks` in each of three stages."""
    layers: list[nn.Module] = [nn.Conv2d(3, wide, 3, 1, 1, bias=False), nn.BatchNorm2d(wide), nn.ReLU()]
    channels = wide
    for stage in range(3):
        for block in range(blocks):
            layers.append(Block(channels, wide << stage, 2 if stage and not block else 1, option))
            channels = wide << stage
    return kaiming(nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes)))


def perceptron(layers: int, wide: int, classes: int = 10) -> nn.Module:
    """ReLU network of `layers` linear layers."""
    widths = [wide] * layers + [classes]
    parts = [part for a, b in itertools.pairwise(widths) for part in (nn.Linear(a, b), nn.ReLU())]
    return kaiming(nn.Sequential(*parts[:-1]))


def kaiming(model: nn.Module) -> nn.Module:
    """Normal weights of variance 2 / fan-in, no biases."""
    for module in model.modules():
        if isinstance(module, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(module.weight)
            if module.bias is not None:
                with torch.no_grad():
                    module.bias.zero_()
    return model.eval()
