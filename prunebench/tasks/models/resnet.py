"""ResNet for small images (He et al. 2016, section 4.2), depth 6n + 2."""

from __future__ import annotations

from torch import Tensor, nn

from prunebench.tasks.models.layers import image_shape, initialised, scaled
from prunebench.tasks.registration import model

_STAGES = (16, 32, 64)


class Block(nn.Module):
    """Two 3 × 3 convolutions with BatchNorm; a 1 × 1 convolution as shortcut where the shape changes (option B)."""

    def __init__(self, channels: int, wide: int, stride: int) -> None:
        """Map `channels` to `wide` channels at a stride."""
        super().__init__()
        self.conv1 = nn.Conv2d(channels, wide, 3, stride=stride, padding=1, bias=False)
        self.bn1 = nn.BatchNorm2d(wide)
        self.conv2 = nn.Conv2d(wide, wide, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(wide)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or channels != wide:
            self.shortcut = nn.Sequential(nn.Conv2d(channels, wide, 1, stride=stride, bias=False), nn.BatchNorm2d(wide))

    def forward(self, x: Tensor) -> Tensor:
        """Images `[n, channels, h, w]` to `[n, wide, h / stride, w / stride]`."""
        out = nn.functional.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        return nn.functional.relu(out + self.shortcut(x))


class ResNet(nn.Module):
    """A 3 × 3 convolution, three stages of blocks at full, half and quarter resolution, average pooling, linear."""

    def __init__(self, blocks: int, channels: int, classes: int, width: float) -> None:
        """`blocks` per stage; stage channels 16, 32, 64 times `width`."""
        super().__init__()
        wide = scaled(_STAGES[0], width)
        self.conv = nn.Conv2d(channels, wide, 3, padding=1, bias=False)
        self.bn = nn.BatchNorm2d(wide)
        stages: list[nn.Module] = []
        current = wide
        for stage, plain in enumerate(_STAGES):
            wide = scaled(plain, width)
            for index in range(blocks):
                stages.append(Block(current, wide, stride=2 if stage and not index else 1))
                current = wide
        self.blocks = nn.Sequential(*stages)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(current, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[n, classes]` of images `[n, channels, height, width]`."""
        out = nn.functional.relu(self.bn(self.conv(x)))
        logits: Tensor = self.classifier(self.pool(self.blocks(out)).flatten(1))
        return logits


@model("resnet-20", paper="He et al. 2016, Deep residual learning for image recognition, section 4.2")
def resnet_20(shape: tuple[int, ...], classes: int, *, width: float = 1.0) -> nn.Module:
    """Three blocks a stage, 1 × 1 convolutions as shortcuts where the shape changes: 22 prunable layers."""
    channels, _, _ = image_shape(shape)
    return initialised(ResNet(3, channels, classes, width))
