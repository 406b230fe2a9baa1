"""Names of what a report consists of, safe as file names and anchors."""

from __future__ import annotations

import hashlib
import re
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prunebench.analysis.results import Results

_LONGEST = 60


def slug(text: str) -> str:
    """Letters, digits, dots and hyphens; texts that differ in anything else differ by a digest."""
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", text).strip("-.")[:_LONGEST]
    return plain if plain == text else f"{plain or 'x'}-{hashlib.sha256(text.encode()).hexdigest()[:6]}"


def distinct(runs: Sequence[Results]) -> list[Results]:
    """The runs, each once: one may be named as `latest` and by its id, or be given as folder and archive."""
    found: list[Results] = []
    for run in runs:
        if not any(run.plan == other.plan and run.records == other.records for other in found):
            found.append(run)
    return found


def stems(parts: Sequence[tuple[Results, str]]) -> list[str]:
    """`SUITE.SCALE` of each run and suite, the run's id after it where two would be alike, then a number."""
    names = [f"{slug(suite)}.{slug(str(results.plan['scale']))}" for results, suite in parts]
    told = [
        name if names.count(name) == 1 else f"{name}.{slug(results.run_id)}"
        for name, (results, _) in zip(names, parts, strict=True)
    ]
    found: list[str] = []
    for name in told:
        numbered = (f"{name}.{n}" for n in count(2))
        found.append(name if name not in found else next(one for one in numbered if one not in {*told, *found}))
    return found
