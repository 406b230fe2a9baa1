"""Wide residual networks (Zagoruyko & Komodakis 2016), depth 6n + 4, pre-activation, without dropout."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.errors import PruningError
from prunebench.tasks.models.initial import Gamma, Init, initialised
from prunebench.tasks.models.layers import image_shape
from prunebench.tasks.registration import model

_PAPER = "Zagoruyko & Komodakis 2016, Wide residual networks"
_STEM = 16
_GROUPS = (16, 32, 64)


class WideBlock(nn.Module):
    """BatchNorm, ReLU, 3 × 3 convolution, twice; a 1 × 1 convolution as shortcut where the shape changes."""

    def __init__(self, channels: int, wide: int, stride: int) -> None:
        """Map `channels` to `wide` channels at a stride."""
        super().__init__()
        self.bn1 = nn.BatchNorm2d(channels)
        self.conv1 = nn.Conv2d(channels, wide, 3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.conv2 = nn.Conv2d(wide, wide, 3, padding=1, bias=False)
        self.changes = stride != 1 or channels != wide
        if self.changes:
            self.shortcut = nn.Conv2d(channels, wide, 1, stride=stride, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Images `[n, channels, h, w]` to `[n, wide, ⌈h / stride⌉, ⌈w / stride⌉]`."""
        activated = F.relu(self.bn1(x))
        # As in the authors' code: the projection sees the activated input, the identity the raw one.
        skip = self.shortcut(activated) if self.changes else x
        out: Tensor = self.conv2(F.relu(self.bn2(self.conv1(activated))))
        return out + skip


class WideResNet(nn.Module):
    """A 3 × 3 convolution, three groups of blocks at full, half and quarter resolution, BatchNorm, pooling, linear."""

    def __init__(self, depth: int, channels: int, classes: int, k: int) -> None:
        """(`depth` - 4) / 6 blocks a group; group channels 16, 32, 64 times `k`."""
        super().__init__()
        self.conv = nn.Conv2d(channels, _STEM, 3, padding=1, bias=False)
        blocks: list[nn.Module] = []
        current = _STEM
        for group, wide in enumerate(k * c for c in _GROUPS):
            for index in range((depth - 4) // 6):
                blocks.append(WideBlock(current, wide, 2 if group and not index else 1))
                current = wide
        self.blocks = nn.Sequential(*blocks)
        self.bn = nn.BatchNorm2d(current)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(current, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[n, classes]` of images `[n, channels, height, width]`."""
        out = F.relu(self.bn(self.blocks(self.conv(x))))
        logits: Tensor = self.classifier(self.pool(out).flatten(1))
        return logits


def _wide(depth: int, shape: tuple[int, ...], classes: int, k: int, init: Init, bn_gamma: Gamma) -> nn.Module:
    channels, _, _ = image_shape(f"wrn-{depth}", shape)
    if k < 1:
        raise PruningError(f"wrn-{depth}: k={k} must be at least 1")
    return initialised(WideResNet(depth, channels, classes, k), init, bn_gamma)


@model("wrn-16", paper=_PAPER)
def wrn_16(
    shape: tuple[int, ...], classes: int, *, k: int = 8, init: Init = "kaiming-normal", bn_gamma: Gamma = "one"
) -> nn.Module:
    """WRN-16-k: three groups of 2 pre-activation blocks, k times 16, 32, 64 channels."""
    return _wide(16, shape, classes, k, init, bn_gamma)


@model("wrn-28", paper=_PAPER)
def wrn_28(
    shape: tuple[int, ...], classes: int, *, k: int = 10, init: Init = "kaiming-normal", bn_gamma: Gamma = "one"
) -> nn.Module:
    """WRN-28-k: three groups of 4 pre-activation blocks, k times 16, 32, 64 channels."""
    return _wide(28, shape, classes, k, init, bn_gamma)
