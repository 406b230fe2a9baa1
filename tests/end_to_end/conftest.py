"""Commands that begin at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.end_to_end.warm import warm

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def begun(tmp_path_factory) -> Iterator[Path]:
    """A `python` that has imported everything: for a script, or `-m prunebench`."""
    with warm(tmp_path_factory.mktemp("begun")) as python:
        yield python
