"""What counts in keys for a dataset beside its code: versions of what makes it, the files that it is read from.

Functions of a dataset's resolved parameters, called while planning and so without torch. Where data lie is no part of
an identity: the same files in another folder are the same data.
"""

from __future__ import annotations

import functools
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunebench.codehash import code_digest
from prunebench.errors import DataError, SpecError
from prunebench.registry import DATASETS
from prunebench.spec import Spec
from prunebench.tasks.datasets.listing import listed
from prunebench.tasks.datasets.places import located

if TYPE_CHECKING:
    from prunebench.spec import Value

_version = functools.cache(version)


def mnist1d(**params: Value) -> dict[str, Any]:
    """The generator's version."""
    return {**params, "mnist1d": _version("mnist1d")}


def scikit_learn(**params: Value) -> dict[str, Any]:
    """The version of the library that the data come with."""
    return {**params, "scikit-learn": _version("scikit-learn")}


def decoded(**params: Any) -> dict[str, Any]:
    """Versions of what decodes and resizes, where a checksum fixes the files."""
    return {**params, "pillow": _version("pillow"), "torchvision": _version("torchvision")}


def folder(*, path: str, **params: Value) -> dict[str, Any]:
    """Names and sizes of the images in the folder, and versions of the decoder; a folder without any has None.

    An image that is replaced by another of exactly the same size in bytes goes unnoticed until something else changes:
    reading all bytes of a large folder for every plan would take hours.
    """
    return decoded(**params, files=_files(str(located(path))))


def distractors(*, base: str, **params: Value) -> dict[str, Any]:
    """The identity and the code of the data that distractors are added to."""
    return {**params, "base": [base, DATASETS.identity(Spec(base)), code_digest(DATASETS.entry(base).module)]}


def altered(*, of: str, share: float, **params: Value) -> dict[str, Any]:
    """The identity of the data that are altered, or their parameters; their code counts as that of every named entry.

    Raises:
        SpecError: as `source_of`.
    """
    source = source_of(of, share)
    return {**params, "share": share, "of": [source.name, DATASETS.identity(source) or DATASETS.resolve(source)]}


def source_of(of: str, share: float) -> Spec:
    """The data that `altered` alters.

    Raises:
        SpecError: they are altered themselves, or the share is outside (0, 1].
    """
    source = Spec.parse(of)
    if source.name == "altered":
        raise SpecError(f"altered: of={source} is altered itself: give all that is to be altered to one of them")
    if not 0 < share <= 1:
        raise SpecError(f"altered: share={share:g} is outside (0, 1]; it is the share of training samples that is kept")
    return source


@functools.cache
def _files(path: str) -> str | None:
    try:
        return listed(Path(path)).digest
    except DataError:
        return None


def forget() -> None:
    """Look at the folders anew; a plan does so once, not for each of its steps."""
    _files.cache_clear()
