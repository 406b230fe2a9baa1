"""The artifact store: outcomes of steps by content key, JSON beside safetensors, written whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from prunebench.errors import StoreError
from prunebench.harness.files import TEMPORARY, write_whole

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from prunebench.environment import Environment
    from prunebench.graph import Outcome


@dataclass(frozen=True)
class StoredArtifact:
    """A stored outcome; tensors are read when they are asked for."""

    value: Mapping[str, Any]
    cost: Mapping[str, float]
    role: str
    has_tensors: bool
    path: Path

    @cached_property
    def tensors(self) -> dict[str, Any]:
        """Tensors by name.

        Raises:
            StoreError: their file is gone or damaged.
        """
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        try:
            return load_file(self.path.with_suffix(".safetensors"))
        except (OSError, SafetensorError) as error:
            raise StoreError(f"{self.path.with_suffix('.safetensors')}: {error}; run again with --rerun all") from error


class ArtifactStore:
    """Artifacts of one environment under `<store>/artifacts`."""

    def __init__(self, store: Path, environment: Environment) -> None:
        """Nothing is created or read yet."""
        self._folder = store / "artifacts" / environment.digest

    def path(self, key: str) -> Path:
        """File of a key's JSON."""
        return self._folder / key[:2] / f"{key}.json"

    def keys(self) -> tuple[set[str], set[str]]:
        """Keys with a value, keys with tensors: one listing. Left-over temporary files are removed."""
        values: set[str] = set()
        tensors: set[str] = set()
        for folder in self._folder.iterdir() if self._folder.is_dir() else ():
            for name in os.listdir(folder):  # noqa: PTH208 - names alone, a third of the time
                stem, _, suffix = name.partition(".")
                if name.endswith(TEMPORARY):
                    (folder / name).unlink(missing_ok=True)
                elif suffix == "json":
                    values.add(stem)
                elif suffix == "safetensors":
                    tensors.add(stem)
        return values, tensors

    def get(self, key: str) -> StoredArtifact:
        """The artifact of a key, which counts as a use of it.

        Raises:
            StoreError: it is missing or damaged.
        """
        path = self.path(key)
        with contextlib.suppress(OSError):  # A store on a read-only disk is still read.
            os.utime(path)
        try:
            plain = json.loads(path.read_text(encoding="utf-8"))
            return StoredArtifact(plain["value"], plain["cost"], plain["role"], plain["tensors"], path)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise StoreError(f"artifact {path} cannot be read ({error}); delete it and run again") from error

    def put(self, key: str, outcome: Outcome, *, step: str, role: str, cost: Mapping[str, float]) -> None:
        """Write an outcome; the JSON comes last, so that a key with a value is complete.

        Raises:
            OSError: the store cannot be written.
            ValueError: the value is no strict JSON.
        """
        path = self.path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        if outcome.tensors is not None:
            from safetensors.torch import save

            write_whole(path.with_suffix(".safetensors"), save({k: t.contiguous() for k, t in outcome.tensors.items()}))
        plain = {
            "schema": 1,
            "step": step,
            "role": role,
            "tensors": outcome.tensors is not None,
            "cost": dict(cost),
            "value": outcome.value,
        }
        write_whole(path, json.dumps(plain, allow_nan=False).encode())

    def drop_tensors(self, key: str) -> None:
        """Free the tensors of a key; its value stays."""
        self.path(key).with_suffix(".safetensors").unlink(missing_ok=True)
