"""The small networks that methods are tried on, with their data."""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from prunebench.engine.prunable import prunable
from prunebench.engine.subject import Subject
from prunebench.engine.training.by_function import TrainFunction
from prunebench.tasks.datasets.base import Split
from prunebench.tasks.recipes.base import Recipe

if TYPE_CHECKING:
    from collections.abc import Callable

    from prunebench.engine.training.by_function import Stretch

CLASSES = 4
RECIPE = Recipe(lr=0.2, batch=16, epochs=3, schedule="cosine", validation=0, rewind=(0.1,))
"""Six steps on a ground's 32 samples: they change 2 to 80 % of the weights' total, and masks with them."""
_STEPS, _RATE = 6, 0.5
"""Of the train function."""


@dataclass(frozen=True)
class Ground:
    """A network and data of its own, the same at every call."""

    name: str
    build: Callable[[], nn.Module]
    shape: tuple[int, ...]
    per_class: int = 8
    """Samples of each class."""
    dtype: torch.dtype = torch.float32
    device: str = "cpu"
    drawn: int = 0
    """Which draw of weights."""

    def model(self) -> nn.Module:
        """A new copy of the network, in train mode, with BatchNorm statistics that matter."""
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(1000 + self.drawn)
            made = self.build()
            for module in made.modules():
                if isinstance(module, nn.BatchNorm2d):
                    nn.init.uniform_(module.weight, 0.5, 1.5)
                    nn.init.normal_(module.bias, 0.0, 0.1)
                    nn.init.normal_(module.running_mean, 0.0, 0.1)  # type: ignore[arg-type]
                    nn.init.uniform_(module.running_var, 0.5, 1.5)  # type: ignore[arg-type]
        return made.to(self.dtype).to(self.device)

    def data(self, draw: int = 0, *, held_back: bool = False) -> Split:
        """Inputs `[n, *shape]`, standard normal with a mean of their class, and labels in turn.

        Args:
            draw: of classes and samples.
            held_back: other samples of the same classes, for selection.
        """
        generator = torch.Generator().manual_seed(2000 + draw)
        labels = torch.arange(CLASSES * self.per_class) % CLASSES
        means = torch.randn(CLASSES, *self.shape, generator=generator)
        if held_back:
            generator.manual_seed(3000 + draw)
        x = torch.randn(len(labels), *self.shape, generator=generator) + means[labels]
        return Split(x.to(self.dtype), labels)

    def subject(
        self, model: nn.Module | None = None, *, seed: int = 0, data: Split | None = None, by_function: bool = False
    ) -> Subject:
        """What a method is opened on: a network, and data both as a training split and as the scoring set.

        It is trained by `RECIPE`, or by a function that no seed has a part in.
        """
        given = self.data() if data is None else data
        network = self.model() if model is None else model
        return Subject(
            network, self.shape, seed, torch.device(self.device), train=given, batch=given,
            validation=self.data(held_back=True), recipe=None if by_function else RECIPE,
            by_function=TrainFunction(partial(_descend, given), _STEPS) if by_function else None,
        )  # fmt: skip

    @property
    def total(self) -> int:
        """N."""
        return sum(weight.numel() for weight in prunable(self.model()).values())

    @property
    def least(self) -> float:
        """The density of one weight a layer."""
        return len(prunable(self.model())) / self.total


def _descend(data: Split, model: nn.Module, stretch: Stretch) -> None:
    """Gradient descent on all samples at once, in their order, so that a seed has no part in it."""
    weights: list[Tensor] = [parameter for parameter in model.parameters() if parameter.requires_grad]
    data = data.to(weights[0].device)
    model.train()
    for _ in range(stretch.begin, stretch.end):
        gradients = torch.autograd.grad(F.cross_entropy(model(data.x), data.y), weights)
        with torch.no_grad():
            torch._foreach_add_(weights, gradients, alpha=-_RATE * stretch.scale)
        stretch.masks.apply(model)


def chain(
    names: tuple[str, str, str] | None = None, activation: type[nn.Module] = nn.ReLU, wide: int = 20
) -> nn.Module:
    """Three linear layers without biases; the names make no difference to what it computes."""
    layers = [
        nn.Linear(12, wide, bias=False), activation(), nn.Linear(wide, 16, bias=False), activation(),
        nn.Linear(16, CLASSES, bias=False),
    ]  # fmt: skip
    if names is None:
        return nn.Sequential(*layers)
    first, second, third = names
    return nn.Sequential(OrderedDict(zip((first, "f", second, "g", third), layers, strict=True)))


def _conv() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 10, 3, padding=1, bias=False), nn.BatchNorm2d(10), nn.ReLU(), nn.Flatten(),
        nn.Linear(90, CLASSES),
    )  # fmt: skip


class _Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Conv2d(2, 6, 3, padding=1, bias=False)
        self.b = nn.BatchNorm2d(6)
        self.c = nn.Conv2d(6, 8, 3, stride=2, padding=1, bias=False)
        self.d = nn.BatchNorm2d(8)
        self.e = nn.Conv2d(8, 8, 3, padding=1, bias=False)
        self.f = nn.BatchNorm2d(8)
        self.g = nn.Conv2d(6, 8, 1, stride=2, bias=False)
        self.h = nn.BatchNorm2d(8)
        self.i = nn.Linear(8, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.b(self.a(x)))
        inner = self.f(self.e(torch.relu(self.d(self.c(x)))))
        x = torch.relu(inner + self.h(self.g(x)))
        out: Tensor = self.i(x.mean((2, 3)))
        return out


def _grouped() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(2, 8, 3, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, padding=1, groups=8), nn.ReLU(),
        nn.Conv2d(8, 12, 1, groups=2), nn.ReLU(), nn.AvgPool2d(3), nn.Flatten(), nn.Linear(48, CLASSES),
    )  # fmt: skip


CHAIN = Ground("chain of linear layers", chain, (12,))
CONV = Ground("convolutions with BatchNorm", _conv, (2, 6, 6))
RESIDUAL = Ground("residual network", _Residual, (2, 6, 6))
GROUPED = Ground("grouped convolutions", _grouped, (2, 6, 6))
GROUNDS = (CHAIN, CONV, RESIDUAL, GROUPED)


def permuted_layer(model: nn.Module, layer: str) -> nn.Module:
    """A copy in which the weights of one layer have changed places."""
    found = copy.deepcopy(model)
    weight = prunable(found)[layer]
    order = torch.randperm(weight.numel(), generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        weight.copy_(weight.flatten()[order.to(weight.device)].view(weight.shape))
    return found
