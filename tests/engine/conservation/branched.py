"""Networks for the tests of conservation: every part by itself, all parameters drawn, in double precision."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from hypothesis import strategies as st
from torch import Tensor, nn

from prunebench.engine.subject import Subject
from prunebench.tasks.datasets.base import Split

if TYPE_CHECKING:
    from collections.abc import Callable

CLASSES = 3
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "relu": nn.ReLU, "leaky": nn.LeakyReLU, "linear": nn.Identity, "gelu": nn.GELU, "tanh": nn.Tanh
}  # fmt: skip
HOMOGENEOUS = ("relu", "leaky", "linear")


class Branches(nn.Module):
    """A body, to which the input is added as it is or by a layer of its own."""

    def __init__(self, body: nn.Module, shortcut: nn.Module | None, in_place: bool) -> None:
        super().__init__()
        self.body, self.shortcut, self.in_place = body, shortcut, in_place

    def forward(self, x: Tensor) -> Tensor:
        out = self.body(x)
        skip = x if self.shortcut is None else self.shortcut(x)
        if self.in_place:
            out += skip
            return out
        return out + skip


def network(
    *, image: bool, width: int, depth: int, activation: str = "relu", bias: bool = False, norm: bool = False,
    residual: str = "none", pool: str = "none", seed: int = 0, in_place: bool = False,
) -> tuple[nn.Module, tuple[int, ...]]:  # fmt: skip
    """The network, in eval mode, and the shape of its inputs."""
    torch.manual_seed(seed)
    act = ACTIVATIONS[activation]

    def layer(ins: int, outs: int, kernel: int = 3) -> list[nn.Module]:
        made: nn.Module
        made = nn.Conv2d(ins, outs, kernel, padding=kernel // 2, bias=bias) if image else nn.Linear(ins, outs, bias)
        return [made, (nn.BatchNorm2d if image else nn.BatchNorm1d)(outs)] if norm else [made]

    parts = [*layer(2 if image else 5, width), act()]
    for _ in range(depth):
        body = nn.Sequential(*layer(width, width), act(), *layer(width, width))
        if residual == "none":
            parts += [body, act()]
        else:
            shortcut = nn.Sequential(*layer(width, width, 1)) if residual == "projection" else None
            parts += [Branches(body, shortcut, in_place), act()]
    if image and pool != "none":
        parts.append((nn.MaxPool2d if pool == "max" else nn.AvgPool2d)(2))
    positions = 1 if not image else 16 if pool == "none" else 4
    parts += [nn.Flatten(), nn.Linear(width * positions, CLASSES, bias)]
    model = nn.Sequential(*parts).double().eval()
    with torch.no_grad():
        for name, value in [*model.named_parameters(), *model.named_buffers()]:
            if name.endswith("running_var"):
                value.uniform_(0.5, 2)
            elif value.dim() == 1:
                value.normal_(std=0.5)
    return model, (2, 4, 4) if image else (5,)


def subject(model: nn.Module, shape: tuple[int, ...], samples: int = 12, seed: int = 0) -> Subject:
    """With a scoring set that is given."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(samples, *shape, generator=generator, dtype=torch.float64)
    y = torch.arange(samples) % CLASSES
    return Subject(model, shape, 0, torch.device("cpu"), batch=Split(x, y))


def parts(**fixed: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Arguments of `network`."""
    free: dict[str, st.SearchStrategy[Any]] = {
        "image": st.booleans(),
        "width": st.integers(1, 4),
        "depth": st.integers(1, 2),
        "activation": st.sampled_from(HOMOGENEOUS),
        "bias": st.booleans(),
        "norm": st.booleans(),
        "residual": st.sampled_from(("none", "identity", "projection")),
        "pool": st.sampled_from(("none", "max", "average")),
        "seed": st.integers(0, 99),
        "in_place": st.booleans(),
    }
    return st.fixed_dictionaries({**free, **{name: st.just(value) for name, value in fixed.items()}})
