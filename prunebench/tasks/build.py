"""From the specs of a task to a network and its data."""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import torch

from prunebench.errors import PrunebenchError, PruningError
from prunebench.registry import DATASETS, MODELS
from prunebench.seeding import seed_of
from prunebench.tasks.datasets.places import data_folder
from prunebench.tasks.registration import FETCHERS

if TYPE_CHECKING:
    from collections.abc import Callable
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


_Key = tuple[str, tuple[tuple[str, Any], ...], str, "Path"]
"""Name, resolved parameters, identity and data folder."""


@dataclass(frozen=True)
class _Kept:
    dataset: Dataset
    made: dict[_Key, Dataset] = field(default_factory=dict)
    """What others make of it and so share its tensors with it; dropped with it."""


def load_dataset(spec: Spec) -> Dataset:
    """The data of a spec, kept for the next call in this process; data that are made of others are kept with those."""
    sources = _sources(spec)
    key = _key(spec)
    if not sources:
        return _loaded(*key).dataset
    made = _loaded(*_key(sources[0])).made
    if key not in made:
        made[key] = _loader(spec.name)(**dict(key[1]))
    return made[key]


def _key(spec: Spec) -> _Key:
    """Files that have changed, and the same name in another folder, are other data."""
    identity = json.dumps(DATASETS.identity(spec), sort_keys=True)
    return spec.name, tuple(DATASETS.resolve(spec).items()), identity, data_folder()


@functools.lru_cache(maxsize=2)
def _loaded(name: str, params: tuple[tuple[str, Any], ...], identity: str, folder: Path) -> _Kept:
    del identity, folder
    return _Kept(_loader(name)(**dict(params)))


def _loader(name: str) -> Callable[..., Dataset]:
    return cast("Callable[..., Dataset]", DATASETS.get(name))


def _sources(spec: Spec) -> list[Spec]:
    """The data that a spec's parameters name."""
    return [named for kind, named in DATASETS.named(spec) if kind == DATASETS.kind]


def fetch_dataset(spec: Spec) -> None:
    """Download the data of a spec into the data folder, unless they are there, or are none that are downloaded.

    Data that are made of others need those.

    Raises:
        DataError: no source has them as they should be, or the folder cannot be written.
    """
    DATASETS.get(spec.name)
    if spec.name in FETCHERS:
        FETCHERS[spec.name]()
    for source in _sources(spec):
        fetch_dataset(source)
