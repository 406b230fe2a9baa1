"""Decorators that register models and datasets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from prunebench.registry import DATASETS, MODELS, describe

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def model(name: str, *, paper: str = "") -> Callable[[F], F]:
    """Register a builder `(shape, classes, *, parameters…) -> nn.Module` under a name.

    `shape` is that of one input without the batch, `classes` the number of outputs. The builder draws initial weights
    from torch's default generator, which the caller has seeded.
    """

    def register(function: F) -> F:
        MODELS.add(describe(MODELS, function, name, paper=paper), function)
        return function

    return register


def dataset(name: str, *, paper: str = "") -> Callable[[F], F]:
    """Register a loader `(*, parameters…) -> Dataset` under a name."""

    def register(function: F) -> F:
        DATASETS.add(describe(DATASETS, function, name, paper=paper), function)
        return function

    return register
