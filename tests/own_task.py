"""A network, data and a task of a user's own, for the tests of the library."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import prunebench as pb
from prunebench.errors import PrunebenchError

FEATURES, CLASSES, N = 6, 3, 90


def data(count: int = N, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Three clouds that a linear rule tells apart, mostly."""
    generator = torch.Generator().manual_seed(seed)
    y = torch.arange(count) % CLASSES
    return torch.randn(count, FEATURES, generator=generator) + 2 * torch.eye(CLASSES, FEATURES)[y], y


def network(norm: bool = True) -> nn.Sequential:
    torch.manual_seed(3)
    middle = nn.BatchNorm1d(8) if norm else nn.Identity()
    return nn.Sequential(nn.Linear(FEATURES, 8), middle, nn.ReLU(), nn.Linear(8, CLASSES))


RECIPE = "small-sgd(epochs=2, batch=20)"
PLAIN = "small-sgd(epochs=2, batch=30, momentum=0, weight_decay=0, schedule=constant, warmup=0, validation=0)"


def task(recipe: Any = RECIPE, **changes: Any) -> pb.Task:
    return pb.Task(**{"train": data(), "test": data(45, 1), "recipe": recipe, **changes})


def descend(model: nn.Module, stretch: pb.Stretch) -> None:
    """Whole-batch gradient descent."""
    x, y = data()
    optimiser = torch.optim.SGD(model.parameters(), lr=0.3 * stretch.scale)
    for _ in range(stretch.begin, stretch.end):
        optimiser.zero_grad()
        cross_entropy(model(x), y).backward()
        optimiser.step()
        stretch.masks.apply(model)


def error_of(call: Any, kind: type[PrunebenchError] = PrunebenchError) -> str:
    with pytest.raises(kind) as caught:
        call()
    message = str(caught.value)
    assert message
    assert "\n" not in message
    return message
