"""VGG for small images: the convolutions of Simonyan & Zisserman, one linear layer as classifier."""

from __future__ import annotations

from torch import Tensor, nn

from prunebench.tasks.models.initial import Gamma, Init, initialised
from prunebench.tasks.models.layers import image_shape, scaled
from prunebench.tasks.registration import model

_CHANNELS = (64, 128, 256, 512, 512)
_STAGES = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
"""Convolutions a stage, by depth (their table 1: A, B, D, E)."""


class VGG(nn.Module):
    """Stages of 3 × 3 convolutions, each stage ending in 2 × 2 max pooling; average pooling; one linear layer."""

    def __init__(self, stages: tuple[int, ...], channels: int, classes: int, width: float, batch_norm: bool) -> None:
        """Build so many convolutions a stage, channels scaled by `width`; with BatchNorm they have no bias."""
        super().__init__()
        layers: list[nn.Module] = []
        for wide, convolutions in zip((scaled(c, width) for c in _CHANNELS), stages, strict=True):
            for _ in range(convolutions):
                layers.append(nn.Conv2d(channels, wide, 3, padding=1, bias=not batch_norm))
                layers += [nn.BatchNorm2d(wide), nn.ReLU()] if batch_norm else [nn.ReLU()]
                channels = wide
            layers.append(nn.MaxPool2d(2))
        self.features = nn.Sequential(*layers)
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.classifier = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Logits `[n, classes]` of images `[n, channels, height, width]`."""
        logits: Tensor = self.classifier(self.pool(self.features(x)).flatten(1))
        return logits


def vgg(
    depth: int,
    shape: tuple[int, ...],
    classes: int,
    *,
    width: float = 1.0,
    batch_norm: bool = True,
    init: Init = "kaiming-normal",
    bn_gamma: Gamma = "one",
) -> nn.Module:
    """`depth` - 1 convolutions and one linear layer, with BatchNorm unless told otherwise."""
    stages = _STAGES[depth]
    channels, _, _ = image_shape(f"vgg-{depth}", shape, least=2 ** len(stages))
    return initialised(VGG(stages, channels, classes, width, batch_norm), init, bn_gamma)


for _depth, _number in ((11, "Eight"), (13, "Ten"), (16, "Thirteen"), (19, "Sixteen")):
    model(
        f"vgg-{_depth}",
        _depth,
        paper="Simonyan & Zisserman 2015; for CIFAR as in Frankle & Carbin 2019",
        summary=f"{_number} convolutions and one linear layer, with BatchNorm unless told otherwise",
    )(vgg)
