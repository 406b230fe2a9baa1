"""From the specs of a task to a network and its data."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, cast

import torch

from prunebench.errors import PrunebenchError, PruningError
from prunebench.registry import DATASETS, MODELS
from prunebench.seeding import seed_of

if TYPE_CHECKING:
    from prunebench.spec import Spec
    from prunebench.tasks.datasets.base import Dataset


def build_model(spec: Spec, shape: tuple[int, ...], classes: int, repetition: int) -> torch.nn.Module:
    """A freshly initialised network on the CPU; equal repetitions give equal weights, whatever prunes them.

    Raises:
        PruningError: the network cannot take inputs of this shape.
    """
    builder = MODELS.get(spec.name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("initialisation", repetition))
        try:
            return cast("torch.nn.Module", builder(shape, classes, **MODELS.resolve(spec)))
        except PrunebenchError:
            raise
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise PruningError(f"model {spec} cannot be built for inputs of shape {list(shape)}: {error}") from error


def load_dataset(spec: Spec) -> Dataset:
    """The data of a spec, kept for the next call in this process."""
    return _loaded(spec.name, tuple(DATASETS.resolve(spec).items()))


@functools.lru_cache(maxsize=2)
def _loaded(name: str, params: tuple[tuple[str, Any], ...]) -> Dataset:
    return cast("Dataset", DATASETS.get(name)(**dict(params)))
