"""Images that are read from their files when they are taken: sets too large for memory."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.utils.data import DataLoader

from prunebench.errors import DataError
from prunebench.tasks.datasets.base import Samples, Split, numbered
from prunebench.tasks.datasets.images import Scale, value_counts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from hashlib import _Hash as Hash
    from pathlib import Path

    from prunebench.tasks.datasets.listing import Files
    from prunebench.tasks.datasets.reader import Reader

_TAIL = 4096
"""Bytes at the end of a file, compressed pixels, that tell images of one file size apart."""
_BATCH = 256


@dataclass(frozen=True)
class Stream(Samples):
    """Some files of a split, their labels `[n]` int64, and how they are read and standardised."""

    files: Files
    index: Tensor
    """Positions in `files` `[n]` int64."""
    y: Tensor
    reader: Reader
    scale: Scale
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @classmethod
    def of(cls, files: Files, reader: Reader, scale: Scale) -> Stream:
        """All files of a split."""
        return cls(files, torch.arange(len(files)), torch.tensor(files.labels, dtype=torch.int64), reader, scale)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return (3, self.reader.side, self.reader.side)

    def __getitem__(self, position: int) -> tuple[Tensor, int]:
        """Pixels `[3, side, side]` uint8 and label of one image, as torch's loader asks for them."""
        return self.reader(self._path(position)), int(self.y[position])

    def take(self, index: Tensor) -> Split:
        """The images at these positions, read and standardised."""
        if not len(index):
            return Split(torch.zeros(0, *self.shape, device=self.device), self.y[index].to(self.device))
        return self._given(torch.stack([self.reader(self._path(i)) for i in index.tolist()]), self.y[index.cpu()])

    def subset(self, index: Tensor) -> Stream:
        """The images at these positions; nothing is read."""
        index = index.cpu()
        return replace(self, index=self.index[index], y=self.y[index])

    def labelled(self, y: Tensor) -> Stream:
        """The same files under other labels."""
        return replace(self, y=y)

    def to(self, device: torch.device) -> Stream:
        """The same files, whose batches are brought to a device; labels stay where they are."""
        return replace(self, device=device)

    def chosen(self, batches: Sequence[Tensor], *, workers: int = 0) -> Iterator[Split]:
        """Batches of the images at given positions; `workers` processes read ahead."""
        for pixels, labels in self._loader(batches, workers):
            yield self._given(pixels, labels)

    @property
    def black(self) -> Tensor:
        """Zero, standardised, `[3]`."""
        return self.scale.black

    def twins(self) -> Tensor:
        """Equal numbers for files of the same size with the same last bytes: copies, and hardly anything else."""
        sizes = [self.files.sizes[i] for i in self.index.tolist()]
        often = Counter(sizes)
        return numbered(
            [
                f"{size} ".encode() + (self._tail(i) if often[size] > 1 else b"")
                for i, size in enumerate(sizes)
            ]
        )  # fmt: skip

    def count_in(self, digest: Hash) -> None:
        """Names, sizes and labels, since to read all bytes takes hours; and the reader."""
        digest.update(json.dumps(["stream", self.reader.side, self.reader.resize]).encode())
        for i, label in zip(self.index.tolist(), self.y.tolist(), strict=True):
            entry = f"{self.files.names[i]}\0{self.files.sizes[i]}\0{label}\n"
            digest.update(entry.encode(errors="surrogateescape"))

    def measured(self) -> Scale:
        """Mean and deviation by channel over all of these images, in one pass."""
        counts = torch.zeros(3, 256, dtype=torch.int64)
        for pixels, _ in self._loader(torch.split(self._order(None), _BATCH), 0):
            counts += value_counts(pixels)
        return Scale.of(counts)

    def _loader(self, batches: Sequence[Tensor], workers: int) -> DataLoader[tuple[Tensor, Tensor]]:
        return DataLoader(
            self,  # type: ignore[arg-type]  # a map-style dataset by its methods
            batch_sampler=[batch.tolist() for batch in batches], num_workers=workers,
            pin_memory=self.device.type == "cuda",
            # A stream of its own: without one, the loader draws from torch's.
            generator=torch.Generator().manual_seed(0),
            multiprocessing_context="forkserver" if workers else None,
        )  # fmt: skip

    def _given(self, pixels: Tensor, labels: Tensor) -> Split:
        return Split(self.scale(pixels.to(self.device)), labels.to(self.device))

    def _path(self, position: int) -> Path:
        return self.files.folder / self.files.names[int(self.index[position])]

    def _tail(self, position: int) -> bytes:
        path = self._path(position)
        try:
            with path.open("rb") as file:
                file.seek(-min(_TAIL, self.files.sizes[int(self.index[position])]), 2)
                return hashlib.sha256(file.read()).digest()
        except OSError as error:
            raise DataError(f"{path} cannot be read: {error.strerror or error}") from error
