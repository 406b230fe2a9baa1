"""Decorators that register models and datasets."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from prunebench.registry import DATASETS, MODELS, describe

if TYPE_CHECKING:
    from collections.abc import Callable

FETCHERS: dict[str, Callable[[], None]] = {}
"""What downloads a dataset into the data folder, by the dataset's name."""

F = TypeVar("F", bound="Callable[..., Any]")


def model(name: str, *member: Any, paper: str = "", summary: str = "") -> Callable[[F], F]:
    """Register a builder `(*member, shape, classes, *, parameters…) -> nn.Module` under a name.

    `shape` is that of one input without the batch, `classes` the number of outputs. The builder draws initial weights
    from torch's default generator, which the caller has seeded.

    Args:
        name: of the model.
        *member: what tells it from others of its family that the same builder makes, such as the depth.
        paper: its source.
        summary: one line, where the first of the builder's docstring is that of the whole family.
    """

    def register(function: F) -> F:
        entry = describe(MODELS, function, name, paper=paper)
        MODELS.add(replace(entry, summary=summary or entry.summary), partial(function, *member) if member else function)
        return function

    return register


def dataset(
    name: str, *, paper: str = "", identity: Callable[..., dict[str, Any]] | None = None,
    fetch: Callable[[], None] | None = None,
) -> Callable[[F], F]:  # fmt: skip
    """Register a loader `(*, parameters…) -> Dataset` under a name.

    Args:
        name: of the dataset.
        paper: its source.
        identity: a function of the resolved parameters whose JSON value counts in keys in their place, called while
            planning: it says what the data hang on beside code and parameters, and must be imported without torch.
        fetch: downloads the data into the data folder, unless they are there.
    """

    def register(function: F) -> F:
        entry = describe(DATASETS, function, name, paper=paper)
        if identity is not None:
            entry = replace(entry, identity=f"{identity.__module__}:{identity.__qualname__}")
        DATASETS.add(entry, function)
        if fetch is not None:
            FETCHERS[name] = fetch
        return function

    return register
