"""Image files in folders, `train/<class>/…` and `test/<class>/…` or `val/<class>/…`: found, and told apart.

Planning reads it, so it needs no torch.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from prunebench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")
"""Those of torchvision's ImageFolder, in any case."""
_TEST = ("test", "val")


@dataclass(frozen=True)
class Files:
    """Images of one split in the order of class and name; columns rather than rows, since there may be millions."""

    folder: Path
    names: list[str] = field(default_factory=list)
    """Relative to `folder`, with `/`."""
    labels: array[int] = field(default_factory=lambda: array("q"))
    sizes: array[int] = field(default_factory=lambda: array("q"))
    """Bytes of the file."""
    times: array[int] = field(default_factory=lambda: array("q"))
    """Last change, nanoseconds."""

    def __len__(self) -> int:
        return len(self.names)


@dataclass(frozen=True)
class Listing:
    """A folder of images: its classes by name, in order, and its two splits."""

    classes: tuple[str, ...]
    train: Files
    test: Files

    @property
    def digest(self) -> str:
        """16 hexadecimal digits over names and sizes of all files, the same wherever the folder lies."""
        return self._digest(times=False)

    @property
    def state(self) -> str:
        """As `digest`, times of change included: what was made from the files of this machine is still theirs."""
        return self._digest(times=True)

    def _digest(self, *, times: bool) -> str:
        digest = hashlib.sha256()
        for split, files in (("train", self.train), ("test", self.test)):
            for name, size, time in zip(files.names, files.sizes, files.times, strict=True):
                digest.update(f"{split}/{name}\0{size}\0{time if times else ''}\n".encode(errors="surrogateescape"))
        return digest.hexdigest()[:16]


def listed(folder: Path) -> Listing:
    """All images of a folder. What begins with a dot is left out; of `test` and `val`, `test` is read if there is one.

    Raises:
        DataError: there is no such folder, it has another layout, or a class of one split has no image in the other.
    """
    names = [name for name in _TEST if (folder / name).is_dir()]
    if not (folder / "train").is_dir() or not names:
        raise DataError(
            f"no images in {folder}: it needs train/<class>/ and test/<class>/ or val/<class>/; "
            "--data DIR looks in another folder"
        )
    try:
        classes = tuple(_folders(folder / "train"))
        found = [_files(folder / name, tuple(_folders(folder / name))) for name in ("train", names[0])]
        if tuple(_folders(folder / names[0])) != classes:
            odd = sorted({*classes} ^ {*_folders(folder / names[0])})[0]
            raise DataError(f"{folder}: class {odd!r} is in only one of train and {names[0]}")
    except OSError as error:
        raise DataError(f"{error.filename or folder} cannot be read: {error.strerror or error}") from error
    for files in found:
        for label in sorted(set(range(len(classes))) - set(files.labels)):
            raise DataError(f"{files.folder / classes[label]} has no image ({', '.join(SUFFIXES)})")
    return Listing(classes, *found)


def _folders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith("."))


def _files(folder: Path, classes: tuple[str, ...]) -> Files:
    found = Files(folder)
    for label, name in enumerate(classes):
        for path, stat in _images(folder / name, name):
            found.names.append(path)
            found.labels.append(label)
            found.sizes.append(stat.st_size)
            found.times.append(stat.st_mtime_ns)
    return found


def _images(folder: Path, prefix: str) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(folder) as entries:
        inside = sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)
    for entry in inside:
        if entry.is_dir():
            yield from _images(Path(entry.path), f"{prefix}/{entry.name}")
        elif entry.name.lower().endswith(SUFFIXES):
            yield f"{prefix}/{entry.name}", entry.stat()
