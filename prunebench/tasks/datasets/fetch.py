"""Downloads, only where the user asked for them: whole files with the right checksum, or nothing."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
import tarfile
import urllib.request
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from prunebench.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Sequence

_PATIENCE = 60
"""Seconds that a server may be silent."""
_PIECE = 1 << 20


def missing(name: str, place: Path) -> DataError:
    """The error of data that can be fetched and have not been."""
    return DataError(f"data set {name!r}: no {place}: --download fetches it, --data DIR looks in another folder")


def checked(name: str, path: Path, md5: str) -> Path:
    """A downloaded file that is there and has its checksum.

    Raises:
        DataError: it is missing or damaged.
    """
    if not path.is_file():
        raise missing(name, path)
    if (found := checksum(path)) != md5:
        raise DataError(f"data set {name!r}: {path} is damaged (MD5 {found}, not {md5}): --download fetches it again")
    return path


def checksum(path: Path) -> str:
    """MD5 of a file; it guards against damage, not against malice."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def fetch(urls: Sequence[str], path: Path, md5: str) -> None:
    """Download a file from the first mirror that has it, unless it is already there.

    Raises:
        DataError: no mirror gave a file with this checksum, or the folder cannot be written; no part of it is left.
    """
    if path.is_file() and checksum(path) == md5:
        return
    faults: list[str] = []
    for url in urls:
        try:
            _download(url, path, md5)
        except OSError as error:
            # URLError and timeouts are OSErrors; HTTPError says its code, others have their reason inside.
            faults.append(f"{url}: {getattr(error, 'reason', None) or error.strerror or error}")
        except DataError as error:
            faults.append(str(error))
        else:
            return
    raise DataError(f"{path.name} could not be downloaded into {path.parent}: {'; '.join(faults)}")


def _download(url: str, path: Path, md5: str) -> None:
    print(f"downloading {url}", file=sys.stderr)
    path.parent.mkdir(parents=True, exist_ok=True)
    digest = hashlib.md5(usedforsecurity=False)
    request = urllib.request.Request(url, headers={"User-Agent": "prunebench"})
    part = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with urllib.request.urlopen(request, timeout=_PATIENCE) as response, part.open("wb") as file:
            while piece := response.read(_PIECE):
                digest.update(piece)
                file.write(piece)
        if digest.hexdigest() != md5:
            raise DataError(f"{url}: MD5 {digest.hexdigest()}, not {md5}")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def unpack(archive: Path, top: str) -> None:
    """Unpack a tar archive's folder `top` beside it, in place of one that may be there, whole or not at all.

    Raises:
        DataError: the archive cannot be read, has no such folder, or the place cannot be written.
    """
    try:
        with TemporaryDirectory(dir=archive.parent, prefix=f".{top}.") as work:
            with tarfile.open(archive) as tar:
                tar.extractall(work, filter="data")
            if not (Path(work) / top).is_dir():
                raise DataError(f"{archive} has no folder {top!r}")
            shutil.rmtree(archive.parent / top, ignore_errors=True)
            (Path(work) / top).replace(archive.parent / top)
    except (tarfile.TarError, EOFError, OSError) as error:
        raise DataError(f"{archive} cannot be unpacked: {error}") from error
