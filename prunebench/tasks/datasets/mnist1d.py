"""MNIST-1D (Greydanus 2020): 40-sample signals of ten classes, made by a seeded generator and cached."""

from __future__ import annotations

import random
from pathlib import Path
from tempfile import NamedTemporaryFile

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load, save

from prunebench.tasks.datasets import identity
from prunebench.tasks.datasets.base import Dataset, Split
from prunebench.tasks.datasets.places import data_folder
from prunebench.tasks.registration import dataset

_TRAIN, _TEST = 4_000, 16_000


@dataset("mnist1d", paper="Greydanus 2020, arXiv:2011.14439", identity=identity.mnist1d)
def mnist1d() -> Dataset:
    """MNIST-1D with 4 000 training and 16 000 test samples of 1 × 40; the large test split is what gives power."""
    path = _cache_file()
    tensors = _cached(path) or _made(path)
    train, test = (Split(tensors[f"{s}_x"], tensors[f"{s}_y"]) for s in ("train", "test"))
    return Dataset("mnist1d", train, test, classes=10)


def _cache_file() -> Path:
    """Named by the generator's version, so that another version makes its own data."""
    from importlib.metadata import version

    return data_folder() / f"mnist1d-{version('mnist1d')}-{_TRAIN}-{_TEST}.safetensors"


def _cached(path: Path) -> dict[str, torch.Tensor] | None:
    """What an earlier call wrote; None if there is no such file, or none that can be read."""
    try:
        return load(path.read_bytes())
    except (OSError, SafetensorError):
        return None


def _made(path: Path) -> dict[str, torch.Tensor]:
    """Generate, and cache where the folder can be written; several processes may do so at once."""
    from mnist1d.data import get_dataset_args, make_dataset

    arguments = get_dataset_args()
    arguments.num_samples = _TRAIN + _TEST
    arguments.train_split = _TRAIN / (_TRAIN + _TEST)
    states = random.getstate(), np.random.get_state(), torch.get_rng_state()
    try:
        made = make_dataset(arguments)  # seeds the global generators
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.set_rng_state(states[2])
    tensors = {
        "train_x": torch.from_numpy(made["x"]).float()[:, None].contiguous(),
        "train_y": torch.from_numpy(made["y"]).long(),
        "test_x": torch.from_numpy(made["x_test"]).float()[:, None].contiguous(),
        "test_y": torch.from_numpy(made["y_test"]).long(),
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with NamedTemporaryFile(dir=path.parent, prefix=path.name, delete=False) as file:
            file.write(save(tensors))
        Path(file.name).replace(path)
    except OSError:
        # A cache that cannot be written costs five seconds a process, not the result.
        return tensors
    return tensors
