"""A run as one file."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

from prunebench.errors import StoreError
from prunebench.records.sources import FILES

if TYPE_CHECKING:
    from prunebench.analysis.results import Results


def archived(results: Results) -> bytes:
    """Plan, provenance, records and series of a run as a `.tar.xz`: of the same files the same bytes.

    Their content is as it was written, so that references into the series hold; the logs of workers are left out, and
    so is a torn last line.

    Raises:
        StoreError: a file cannot be read.
    """
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:xz", format=tarfile.PAX_FORMAT) as archive:
        for name in FILES:
            try:
                file = results.source.open(name)
                if file is None:
                    continue
                with file:
                    found = file.read()
            except OSError as error:
                raise StoreError(f"{results.place / name} cannot be read: {error.strerror or error}") from error
            if name.endswith(".jsonl"):
                found = found[: found.rfind(b"\n") + 1]
            # Nothing of this machine: no times, no users, and the same mode everywhere.
            member = tarfile.TarInfo(f"{results.run_id}/{name}")
            member.size, member.mode = len(found), 0o644
            archive.addfile(member, io.BytesIO(found))
    return content.getvalue()
