"""ResNets for small images: depth 6n + 2 of He et al. 2016, section 4.2, and ResNet-18 with a 3 × 3 stem."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.tasks.models.initial import Gamma, Init, initialised
from prunebench.tasks.models.layers import image_shape, scaled
from prunebench.tasks.registration import model

Shortcut = Literal["option-b", "option-a"]

_THIN = (16, 32, 64)
_STAGES = {depth: tuple((c, (depth - 2) // 6) for c in _THIN) for depth in (20, 32, 44, 56, 110)}
_STAGES[18] = ((64, 2), (128, 2), (256, 2), (512, 2))
"""Channels and blocks of each stage, by depth; all but the first halve the resolution."""


class Padded(nn.Module):
    """The parameter-free shortcut, option A: every `stride`-th pixel, zeros for the `extra` channels."""

    def __init__(self, stride: int, extra: int) -> None:
        """New channels follow the old ones."""
        super().__init__()
        self.stride = stride
        self.extra = extra

    def forward(self, x: Tensor) -> Tensor:
        """Images `[n, channels, h, w]` to `[n, channels + extra, ⌈h / stride⌉, ⌈w / stride⌉]`."""
        return F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, 0, self.extra))


class Block(nn.Module):
    """Two 3 × 3 convolutions with BatchNorm, and a shortcut: the identity unless the shape changes."""

    def __init__(self, channels: int, wide: int, stride: int, shortcut: Shortcut) -> None:
        """Map `channels` to `wide` channels at a stride; option B's shortcut is a 1 × 1 convolution with BatchNorm."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, wide, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.conv2 = nn.Conv2d(wide, wide, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != wide:
            self.shortcut = (
                Padded(stride, wide - channels)
                if shortcut == "option-a"
                else nn.Sequential(nn.Conv2d(channels, wide, 1, stride=stride, bias=False), nn.BatchNorm2d(wide))
            )

    def forward(self, x: Tensor) -> Tensor:
        """Images `[n, channels, h, w]` to `[n, wide, ⌈h / stride⌉, ⌈w / stride⌉]`."""
        out = F.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return F.relu(out + self.shortcut(x))


class ResNet(nn.Module):
    """A 3 × 3 convolution, stages of blocks at full, half, quarter, … resolution, average pooling, linear."""

    def __init__(
        self, plan: tuple[tuple[int, int], ...], channels: int, classes: int, width: float, shortcut: Shortcut
    ) -> None:
        """Build stages of (channels times `width`, blocks)."""
        super().__init__()
        wide = scaled(plan[0][0], width)
        self.conv = nn.Conv2d(channels, wide, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(wide)
        stages: list[nn.Module] = []
        current = wide
        for stage, (plain, blocks) in enumerate(plan):
            wide = scaled(plain, width)
            for index in range(blocks):
                stages.append(Block(current, wide, 2 if stage and not index else 1, shortcut))
                current = wide
        self.blocks = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(current, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[n, classes]` of images `[n, channels, height, width]`."""
        out = F.relu(self.bn(self.conv(x)))
        logits: Tensor = self.classifier(self.pool(self.blocks(out)).flatten(1))
        return logits


def resnet(
    depth: int,
    shape: tuple[int, ...],
    classes: int,
    *,
    width: float = 1.0,
    shortcut: Shortcut = "option-b",
    init: Init = "kaiming-normal",
    bn_gamma: Gamma = "one",
) -> nn.Module:
    """Stages of two-layer blocks; where the shape changes, shortcuts are 1 × 1 convolutions or parameter-free.

    `shortcut` has the paper's names (section 3.3): `option-b` projects by a 1 × 1 convolution with BatchNorm,
    `option-a` subsamples and pads with zero channels, as the paper's own networks for CIFAR-10 do.
    """
    channels, _, _ = image_shape(f"resnet-{depth}", shape)
    return initialised(ResNet(_STAGES[depth], channels, classes, width, shortcut), init, bn_gamma)


for _depth, _plan in sorted(_STAGES.items()):
    model(
        f"resnet-{_depth}",
        _depth,
        paper="He et al. 2016, Deep residual learning for image recognition"
        + (", with a 3 × 3 stem for small images" if _depth == 18 else ", section 4.2"),
        summary=f"{len(_plan)} stages of {_plan[0][1]} blocks ({', '.join(str(c) for c, _ in _plan)} channels): "
        f"{_depth + len(_plan) - 1} prunable layers, {_depth} with shortcut=option-a",
    )(resnet)
