"""Conv-2, Conv-4 and Conv-6, the small VGG-like networks of the lottery ticket paper."""

from __future__ import annotations

from torch import nn

from prunebench.tasks.models.initial import Init, initialised
from prunebench.tasks.models.layers import image_shape, scaled
from prunebench.tasks.registration import model

_PAIRS = (64, 128, 256)
_HIDDEN = 256


def conv(
    pairs: int, shape: tuple[int, ...], classes: int, *, width: float = 1.0, init: Init = "kaiming-normal"
) -> nn.Module:
    """Pairs of 3 × 3 convolutions (64, 128, 256 channels), each pair pooled by 2, then 256-256-classes."""
    channels, height, breadth = image_shape(f"conv-{2 * pairs}", shape, least=2**pairs)
    layers: list[nn.Module] = []
    for wide in (scaled(c, width) for c in _PAIRS[:pairs]):
        layers += [nn.Conv2d(channels, wide, 3, padding=1), nn.ReLU()]
        layers += [nn.Conv2d(wide, wide, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
        channels, height, breadth = wide, height // 2, breadth // 2
    hidden = scaled(_HIDDEN, width)
    layers += [nn.Flatten(), nn.Linear(channels * height * breadth, hidden), nn.ReLU()]
    layers += [nn.Linear(hidden, hidden), nn.ReLU(), nn.Linear(hidden, classes)]
    return initialised(nn.Sequential(*layers), init)


for _pairs, _what in (
    (1, "One pair of 3 × 3 convolutions (64 channels), pooled by 2, then 256-256-classes"),
    (2, "Two pairs of 3 × 3 convolutions (64, 128 channels), each pooled by 2, then 256-256-classes"),
    (3, "Three pairs of 3 × 3 convolutions (64, 128, 256 channels), each pooled by 2, then 256-256-classes"),
):
    model(
        f"conv-{2 * _pairs}",
        _pairs,
        paper="Frankle & Carbin 2019, The lottery ticket hypothesis, fig. 2",
        summary=_what,
    )(conv)
