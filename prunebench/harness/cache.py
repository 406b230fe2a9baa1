"""How much the artifacts of a store take, and evicting those used least recently. Records stay."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunebench.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Stored:
    """One artifact, or what a killed process left of one."""

    environment: str
    """Digest of the environment that it belongs to."""
    key: str
    bytes: int
    used: float
    """Unix time of its last use."""
    files: tuple[Path, ...]
    """The JSON first: without it the artifact is gone, whatever else remains."""

    def step(self) -> str:
        """Name of the step that made it, read from its file; `?` if that is damaged."""
        try:
            return str(json.loads(self.files[0].read_text(encoding="utf-8"))["step"]).rpartition(":")[2]
        except (OSError, ValueError, KeyError, TypeError):
            return "?"


def stored(store: Path) -> Iterator[Stored]:
    """All artifacts of a store, of whatever environment."""
    for environment in sorted((store / "artifacts").glob("*")):
        files: dict[str, list[os.DirEntry[str]]] = {}
        for folder in sorted(environment.glob("*")):
            with os.scandir(folder) as entries:
                for entry in entries:
                    files.setdefault(entry.name.partition(".")[0], []).append(entry)
        for key, found in files.items():
            found.sort(key=lambda entry: not entry.name.endswith(".json"))
            sizes = [entry.stat() for entry in found]
            yield Stored(
                environment.name, key, sum(s.st_size for s in sizes), max(s.st_mtime for s in sizes),
                tuple(environment / key[:2] / entry.name for entry in found),
            )  # fmt: skip


def too_much(artifacts: Iterable[Stored], limit: int, keep: Collection[str] = ()) -> list[Stored]:
    """What to evict so that at most `limit` bytes are left: the least recently used first, never a key of `keep`."""
    order = sorted(artifacts, key=lambda artifact: (artifact.used, artifact.key))
    left = sum(artifact.bytes for artifact in order)
    chosen: list[Stored] = []
    for artifact in order:
        if left <= limit:
            break
        if artifact.key not in keep:
            chosen.append(artifact)
            left -= artifact.bytes
    return chosen


def evict(artifacts: Iterable[Stored]) -> int:
    """Delete artifacts; returns the bytes that are free now. The store's lock must be held.

    Raises:
        StoreError: one of their files cannot be deleted.
    """
    freed = 0
    for artifact in artifacts:
        try:
            for path in artifact.files:
                path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"{path} cannot be deleted: {error.strerror or error}") from error
        freed += artifact.bytes
    return freed


def environments(store: Path) -> dict[str, str]:
    """What the environments of a store's runs are, by digest, read from their plans."""
    from prunebench.environment import Environment

    found: dict[str, str] = {}
    for path in sorted(store.glob("runs/*/plan.json")):
        try:
            environment = Environment(**json.loads(path.read_text(encoding="utf-8"))["environment"])
        except (OSError, ValueError, KeyError, TypeError):
            continue
        threads = f"{environment.threads} thread{'s' if environment.threads > 1 else ''}"
        found[environment.digest] = ", ".join([environment.device, f"torch {environment.torch}", threads])
    return found
