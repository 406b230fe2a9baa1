"""VGG for small images: the convolutions of Simonyan & Zisserman, one linear layer as classifier."""

from __future__ import annotations

from torch import Tensor, nn

from prunebench.errors import PruningError
from prunebench.tasks.models.layers import image_shape, initialised, scaled
from prunebench.tasks.registration import model

_PLAN_16: tuple[tuple[int, ...], ...] = ((64, 64), (128, 128), (256,) * 3, (512,) * 3, (512,) * 3)


class VGG(nn.Module):
    """Stages of 3 × 3 convolutions, each stage ending in 2 × 2 max pooling; average pooling; one linear layer."""

    def __init__(
        self, plan: tuple[tuple[int, ...], ...], channels: int, classes: int, width: float, batch_norm: bool
    ) -> None:
        """Build the stages of `plan`, channels scaled by `width`; with BatchNorm the convolutions have no bias."""
        super().__init__()
        layers: list[nn.Module] = []
        for stage in plan:
            for wide in (scaled(c, width) for c in stage):
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


@model("vgg-16", paper="Simonyan & Zisserman 2015; for CIFAR as in Frankle & Carbin 2019")
def vgg_16(shape: tuple[int, ...], classes: int, *, width: float = 1.0, batch_norm: bool = True) -> nn.Module:
    """Thirteen convolutions and one linear layer, with BatchNorm unless told otherwise."""
    channels, height, breadth = image_shape(shape)
    if min(height, breadth) < 2 ** len(_PLAN_16):
        raise PruningError(f"vgg-16 needs images of at least {2 ** len(_PLAN_16)} × {2 ** len(_PLAN_16)} pixels")
    return initialised(VGG(_PLAN_16, channels, classes, width, batch_norm))
