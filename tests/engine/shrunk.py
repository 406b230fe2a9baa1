"""Networks that are smaller by some channels, written out architecture by architecture with plain slicing.

Each function takes the state of the full network and which channels are kept, and computes the smaller network's
output. It shares no code with the engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Kept = list[int]


class Calls(nn.Module):
    """Layers by name, and a function of them and the input as forward pass."""

    def __init__(self, forward: Callable[..., Tensor], **layers: nn.Module) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self._forward = forward

    def forward(self, x: Tensor) -> Tensor:
        return self._forward(x, **dict(self.named_children()))


def norm(x: Tensor, state: Mapping[str, Tensor], name: str, kept: Kept, training: bool) -> Tensor:
    """BatchNorm of the kept channels only."""
    small = (nn.BatchNorm1d(len(kept)) if x.dim() == 2 else nn.BatchNorm2d(len(kept))).double()
    small.load_state_dict({
        key: state[f"{name}.{key}"][kept] for key in ("weight", "bias", "running_mean", "running_var")
    }, strict=False)  # fmt: skip
    return small.train(training)(x)


def perceptron() -> nn.Module:
    return nn.Sequential(
        nn.Linear(5, 7), nn.BatchNorm1d(7), nn.ReLU(), nn.Linear(7, 6), nn.ReLU(), nn.Linear(6, 4)
    )  # fmt: skip


def shrunk_perceptron(state: Mapping[str, Tensor], kept: Mapping[str, Kept], x: Tensor, training: bool) -> Tensor:
    a, b = kept["0.weight"], kept["3.weight"]
    x = F.linear(x, state["0.weight"][a], state["0.bias"][a])
    x = F.relu(norm(x, state, "1", a, training))
    x = F.relu(F.linear(x, state["3.weight"][b][:, a], state["3.bias"][b]))
    return F.linear(x, state["5.weight"][:, b], state["5.bias"])


def pooled() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 5, 3, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.AvgPool2d(2),
        nn.Flatten(), nn.Linear(5 * 4, 8), nn.ReLU(), nn.Linear(8, 4),
    )  # fmt: skip


def shrunk_pooled(state: Mapping[str, Tensor], kept: Mapping[str, Kept], x: Tensor, training: bool) -> Tensor:
    a, b, c = kept["0.weight"], kept["4.weight"], kept["9.weight"]
    x = F.conv2d(x, state["0.weight"][a], padding=1)
    x = F.max_pool2d(F.relu(norm(x, state, "1", a, training)), 2)
    x = F.conv2d(x, state["4.weight"][b][:, a], state["4.bias"][b], padding=1)
    x = F.avg_pool2d(F.relu(norm(x, state, "5", b, training)), 2).flatten(1)
    pixels = [4 * channel + pixel for channel in b for pixel in range(4)]
    x = F.relu(F.linear(x, state["9.weight"][c][:, pixels], state["9.bias"][c]))
    return F.linear(x, state["11.weight"][:, c], state["11.bias"])


def shrunk_resnet(state: Mapping[str, Tensor], kept: Mapping[str, Kept], x: Tensor, training: bool) -> Tensor:
    """ResNet-20 of the package; with option A, the stream's channels are those of the last stage."""
    padded = "blocks.3.shortcut.0.weight" not in state
    widths = [state[f"blocks.{3 * stage}.conv2.weight"].shape[0] for stage in range(3)]

    def stream(stage: int) -> Kept:
        if padded:
            return [channel for channel in kept["conv.weight"] if channel < widths[stage]]
        return kept["conv.weight" if not stage else f"blocks.{3 * stage}.conv2.weight"]

    before = stream(0)
    x = F.relu(norm(F.conv2d(x, state["conv.weight"][before], padding=1), state, "bn", before, training))
    for index in range(9):
        name, after = f"blocks.{index}", stream(index // 3)
        inner, stride = kept[f"{name}.conv1.weight"], 2 if index in {3, 6} else 1
        y = F.conv2d(x, state[f"{name}.conv1.weight"][inner][:, before], stride=stride, padding=1)
        y = F.relu(norm(y, state, f"{name}.bn1", inner, training))
        y = F.conv2d(y, state[f"{name}.conv2.weight"][after][:, inner], padding=1)
        y = norm(y, state, f"{name}.bn2", after, training)
        if stride == 1:
            x = F.relu(x + y)
        elif padded:
            y[:, : len(before)] += x[:, :, ::2, ::2]  # the old channels come first
            x = F.relu(y)
        else:
            short = F.conv2d(x, state[f"{name}.shortcut.0.weight"][after][:, before], stride=2)
            x = F.relu(norm(short, state, f"{name}.shortcut.1", after, training) + y)
        before = after
    return F.linear(x.mean((2, 3)), state["classifier.weight"][:, before], state["classifier.bias"])


def grouped() -> nn.Module:
    """A depthwise convolution with two filters a channel, a pointwise one and one of two groups."""
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 8, 3, padding=1, groups=4), nn.BatchNorm2d(8),
        nn.Conv2d(8, 6, 1), nn.ReLU(), nn.Conv2d(6, 4, 3, padding=1, groups=2), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
    )  # fmt: skip


def shrunk_grouped(state: Mapping[str, Tensor], kept: Mapping[str, Kept], x: Tensor, training: bool) -> Tensor:
    a, b, c = kept["0.weight"], kept["4.weight"], kept["6.weight"]
    x = F.relu(F.conv2d(x, state["0.weight"][a], state["0.bias"][a], padding=1))
    deep = [2 * channel + filter for channel in a for filter in range(2)]
    x = F.conv2d(x, state["2.weight"][deep], state["2.bias"][deep], padding=1, groups=len(a))
    x = norm(x, state, "3", deep, training)
    x = F.relu(F.conv2d(x, state["4.weight"][b][:, deep], state["4.bias"][b]))
    parts = []
    for half in range(2):  # inputs 0 to 2 feed outputs 0 and 1, inputs 3 to 5 outputs 2 and 3
        ins, outs = [i for i in b if i // 3 == half], [o for o in c if o // 2 == half]
        weight = state["6.weight"][outs][:, [i - 3 * half for i in ins]]
        maps = x[:, [b.index(i) for i in ins]]
        parts.append(F.conv2d(maps, weight, state["6.bias"][outs], padding=1) if ins and outs else
                     state["6.bias"][outs].view(1, -1, 1, 1).expand(len(x), -1, *x.shape[2:]))  # fmt: skip
    x = F.relu(torch.cat(parts, 1)).mean((2, 3))
    return F.linear(x, state["10.weight"][:, c], state["10.bias"])


def concatenated() -> nn.Module:
    return Calls(
        lambda x, a, b, norm, c, d: d(F.relu(c(F.relu(norm(torch.cat([a(x), x, b(x)], 1))))).mean((2, 3))),
        a=nn.Conv2d(3, 4, 3, padding=1), b=nn.Conv2d(3, 3, 1), norm=nn.BatchNorm2d(10), c=nn.Conv2d(10, 5, 3),
        d=nn.Linear(5, 4),
    )  # fmt: skip


def shrunk_concatenated(state: Mapping[str, Tensor], kept: Mapping[str, Kept], x: Tensor, training: bool) -> Tensor:
    a, b, c = kept["a.weight"], kept["b.weight"], kept["c.weight"]
    joint = [*a, 4, 5, 6, *(7 + channel for channel in b)]
    x = torch.cat([
        F.conv2d(x, state["a.weight"][a], state["a.bias"][a], padding=1), x,
        F.conv2d(x, state["b.weight"][b], state["b.bias"][b]),
    ], 1)  # fmt: skip
    x = F.relu(norm(x, state, "norm", joint, training))
    x = F.relu(F.conv2d(x, state["c.weight"][c][:, joint], state["c.bias"][c]))
    return F.linear(x.mean((2, 3)), state["d.weight"][:, c], state["d.bias"])
