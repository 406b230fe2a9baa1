"""Where the files of a run are read from: its folder, or an archive of it.

An archive may be anybody's: nothing is unpacked under a name that it gives. Each file of a run, and no other, is copied
into a file without a name, which only this process sees and which goes with it.
"""

from __future__ import annotations

import lzma
import os
import tarfile
import tempfile
import weakref
import zipfile
import zlib
from pathlib import PurePosixPath
from typing import IO, TYPE_CHECKING, Protocol

from prunebench.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PLAN, PROVENANCE, RECORDS, SERIES = "plan.json", "provenance.json", "records.jsonl", "series.jsonl"
FILES = (PLAN, PROVENANCE, RECORDS, SERIES)
"""What a run consists of, in the order that archives have them in."""
ENDINGS = (".tar.xz", ".txz", ".tar.gz", ".tgz", ".zip")
"""What names of archives end in."""
LARGEST = 4 << 30
"""Bytes that the files of an archive may have together, unpacked."""
MOST_MEMBERS = 10_000
"""Files, folders and links that an archive may hold; those that are none of a run, as its logs, are passed over."""

_CHUNK = 1 << 20
_BROKEN = (
    OSError, EOFError, ValueError, RuntimeError, zlib.error, lzma.LZMAError, tarfile.TarError, zipfile.BadZipFile
)  # fmt: skip
"""What the libraries raise where an archive is damaged, encrypted, or of a kind that they do not read."""


class Source(Protocol):
    """The files of one run, read only."""

    @property
    def place(self) -> Path:
        """The folder or the archive."""

    def open(self, name: str) -> IO[bytes] | None:
        """One of `FILES` at its beginning, None where there is none; one at a time of each.

        Raises:
            OSError: it cannot be read.
        """


class Folder:
    """The folder that a run is written into."""

    def __init__(self, place: Path) -> None:
        """Read from that folder, if there is one."""
        self.place = place

    def open(self, name: str) -> IO[bytes] | None:
        """See `Source`."""
        path = self.place / name
        return path.open("rb") if path.exists() else None


class Archive:
    """An archive of a run's folder, or of the files in it."""

    def __init__(self, place: Path) -> None:
        """Copy what belongs to a run.

        Raises:
            StoreError: unreadable, too large, or not of one run.
        """
        self.place = place
        self._copies: dict[str, IO[bytes]] = {}
        weakref.finalize(self, _close, self._copies)
        try:
            self._fill()
        except _BROKEN as error:
            raise StoreError(f"{place} cannot be read: {_said(error)}") from error
        if PLAN not in self._copies:
            raise StoreError(f"{place} holds no run: there is no {PLAN} in it")

    def open(self, name: str) -> IO[bytes] | None:
        """See `Source`."""
        if name not in self._copies:
            return None
        found = os.fdopen(os.dup(self._copies[name].fileno()), "rb")
        found.seek(0)
        return found

    def _fill(self) -> None:
        total = 0
        folders: set[PurePosixPath] = set()
        members = _zipped if self.place.name.lower().endswith(".zip") else _tarred
        for number, (path, size, content) in enumerate(members(self.place)):
            total += size
            if total > LARGEST or number >= MOST_MEMBERS:
                raise StoreError(
                    f"{self.place} is too large: archives of {MOST_MEMBERS} files and {LARGEST >> 30} GiB are read"
                )
            if content is None or path.name not in FILES or len(path.parts) > 2 or ".." in path.parts:
                continue
            folders.add(path.parent)
            if path.name in self._copies or len(folders) > 1:
                raise StoreError(f"{self.place} holds several runs: unpack it, and name the folder of one")
            copy = self._copies[path.name] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with this object
            while chunk := content.read(_CHUNK):
                copy.write(chunk)
            copy.flush()


def source_of(place: Path) -> Source:
    """The folder or archive of a run.

    Raises:
        StoreError: an archive that cannot be read.
    """
    return Archive(place) if is_archive(place.name) and place.is_file() else Folder(place)


def is_archive(name: str) -> bool:
    """Whether a name is one of an archive."""
    return name.lower().endswith(ENDINGS)


def _tarred(place: Path) -> Iterator[tuple[PurePosixPath, int, IO[bytes] | None]]:
    """Path, size and, of a plain file, content of each member."""
    with tarfile.open(place) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isreg() else None
            yield PurePosixPath(member.name), member.size, content
        # A tar ends where a header is no header, damaged ones included: what tells is the checksum behind it all.
        rest = archive.fileobj
        assert rest is not None, "an open archive has a file"
        while rest.read(_CHUNK):
            yield PurePosixPath(), 0, None


def _zipped(place: Path) -> Iterator[tuple[PurePosixPath, int, IO[bytes] | None]]:
    with zipfile.ZipFile(place) as archive:
        for member in archive.infolist():
            if member.is_dir():
                yield PurePosixPath(member.filename), 0, None
                continue
            with archive.open(member) as content:
                yield PurePosixPath(member.filename), member.file_size, content


def _close(copies: dict[str, IO[bytes]]) -> None:
    for copy in copies.values():
        copy.close()


def _said(error: BaseException) -> str:
    return (getattr(error, "strerror", None) or str(error).split("\n")[0] or type(error).__name__).strip()
