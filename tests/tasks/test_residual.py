"""Residual models: published totals, shortcuts, pre-activation order."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import resnet18

from prunebench.engine.prunable import prunable
from prunebench.spec import Spec
from prunebench.tasks.build import build_model
from prunebench.tasks.models.resnet import Padded
from prunebench.tasks.models.wide_resnet import WideBlock

IMAGE = (3, 32, 32)


def build(spec: str) -> nn.Module:
    return build_model(Spec.parse(spec), IMAGE, 10, 0)


@pytest.mark.parametrize(
    ("depth", "n", "published"), [(20, 3, 0.27), (32, 5, 0.46), (44, 7, 0.66), (56, 9, 0.85), (110, 18, 1.7)]
)
def test_option_a_has_the_parameters_of_he_et_al_table_6(depth: int, n: int, published: float) -> None:
    model = build(f"resnet-{depth}(shortcut=option-a)")
    stages = 2 * n * 2_304, 4_608 + (2 * n - 1) * 9_216, 18_432 + (2 * n - 1) * 36_864
    weights = prunable(model).values()
    assert sum(w.numel() for w in weights) == 432 + sum(stages) + 640
    assert len(weights) == depth
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    assert round(millions, 1 if published > 1 else 2) == published
    projected = prunable(build(f"resnet-{depth}")).values()
    assert len(projected) == depth + 2
    assert sum(w.numel() for w in projected) == 432 + sum(stages) + 640 + 16 * 32 + 32 * 64


def test_resnet_18_is_torchvisions_but_for_the_stem() -> None:
    theirs = [tuple(w.shape) for w in prunable(resnet18(num_classes=10)).values()]
    ours = [tuple(w.shape) for w in prunable(build("resnet-18")).values()]
    assert (theirs[0], ours[0]) == ((64, 3, 7, 7), (64, 3, 3, 3))
    assert ours[1:] == theirs[1:]


def test_option_a_takes_every_second_pixel_and_adds_channels_of_zeros() -> None:
    x = torch.arange(18.0).reshape(1, 2, 3, 3)
    expected = torch.tensor([[[[0.0, 2], [6, 8]], [[9, 11], [15, 17]], [[0, 0], [0, 0]]]])
    assert torch.equal(Padded(2, 1)(x), expected)
    assert not list(Padded(2, 1).parameters())


# Totals of all parameters that other implementations of the paper's code give for CIFAR-10.
@pytest.mark.parametrize(
    ("spec", "total"),
    [("wrn-28(init=pytorch-default)", 36_479_194), ("wrn-16(k=10, init=pytorch-default)", 17_116_634)],
)
def test_wide_resnets_have_the_published_number_of_parameters(spec: str, total: int) -> None:
    assert sum(p.numel() for p in build(spec).parameters()) == total


@pytest.mark.parametrize(("channels", "wide", "stride"), [(2, 2, 1), (2, 3, 1), (2, 3, 2)])
def test_a_wide_block_activates_before_it_convolves(channels: int, wide: int, stride: int) -> None:
    torch.manual_seed(0)
    block = WideBlock(channels, wide, stride).eval()
    for norm in (block.bn1, block.bn2):
        nn.init.normal_(norm.running_mean)
        nn.init.uniform_(norm.weight)
        nn.init.normal_(norm.bias)
    x = torch.randn(4, channels, 5, 5)

    def activated(norm: nn.BatchNorm2d, z: torch.Tensor) -> torch.Tensor:
        scale = norm.weight / (1 + norm.eps) ** 0.5
        return ((z - norm.running_mean[:, None, None]) * scale[:, None, None] + norm.bias[:, None, None]).clamp(min=0)

    first = activated(block.bn1, x)
    inner = nn.functional.conv2d(first, block.conv1.weight, stride=stride, padding=1)
    branch = nn.functional.conv2d(activated(block.bn2, inner), block.conv2.weight, padding=1)
    same = (stride, channels) == (1, wide)
    skip = x if same else nn.functional.conv2d(first, block.shortcut.weight, stride=stride)
    torch.testing.assert_close(block(x), branch + skip)
