"""From the specs of a task to a network and its data."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, Any, cast

import torch

from prunebench.errors import PrunebenchError, PruningError
from prunebench.registry import DATASETS, MODELS
from prunebench.seeding import seed_of
from prunebench.tasks.datasets.places import data_folder
from prunebench.tasks.registration import FETCHERS

if TYPE_CHECKING:
    from pathlib import Path

    from prunebench.spec import Spec
    from prunebench.tasks.datasets.base import Dataset


def build_model(
    spec: Spec, shape: tuple[int, ...], classes: int, repetition: int, purpose: str = "initialisation"
) -> torch.nn.Module:
    """A freshly initialised network on the CPU; equal repetitions give equal weights, whatever prunes them.

    Another `purpose` draws others.

    Raises:
        PruningError: the network cannot take inputs of this shape.
    """
    builder = MODELS.get(spec.name)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of(purpose, repetition))
        try:
            return cast("torch.nn.Module", builder(shape, classes, **MODELS.resolve(spec)))
        except PrunebenchError:
            raise
        except (RuntimeError, ValueError, TypeError, IndexError) as error:
            raise PruningError(f"model {spec} cannot be built for inputs of shape {list(shape)}: {error}") from error


def load_dataset(spec: Spec) -> Dataset:
    """The data of a spec, kept for the next call in this process."""
    identity = json.dumps(DATASETS.identity(spec), sort_keys=True)
    return _loaded(spec.name, tuple(DATASETS.resolve(spec).items()), identity, data_folder())


@functools.lru_cache(maxsize=2)
def _loaded(name: str, params: tuple[tuple[str, Any], ...], identity: str, folder: Path) -> Dataset:
    """Files that have changed, and the same name in another folder, are other data."""
    del identity, folder
    return cast("Dataset", DATASETS.get(name)(**dict(params)))


def fetch_dataset(spec: Spec) -> None:
    """Download the data of a spec into the data folder, unless they are there, or are none that are downloaded.

    Raises:
        DataError: no source has them as they should be, or the folder cannot be written.
    """
    DATASETS.get(spec.name)
    if spec.name in FETCHERS:
        FETCHERS[spec.name]()
