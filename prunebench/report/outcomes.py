"""What of a run has no result, and why."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from prunebench.analysis.tables import Table

if TYPE_CHECKING:
    from prunebench.analysis.results import Results


def failures(results: Results) -> Table:
    """What failed, timed out or was cancelled: a row for each step that did, with the first of its cells."""
    groups = results.failures()
    cells = sum(map(len, groups))
    return Table(
        f"{cells} cell{'s' * (cells != 1)} without a result, of {len(groups)} step{'s' * (len(groups) != 1)}",
        ("first cell", "cells", "status", "step", "error"),
        tuple(
            (str(first.row), str(1 + len(others)), first.status, first.error.step, str(first.error))
            for first, *others in groups
            if first.error is not None
        ),
        (False, True, False, False, False),
        whole=True,
        methods=tuple(first.row.method for first, *_ in groups),
    )


def skipped(results: Results) -> Table:
    """What was left out with a reason, and what is planned and has no record yet: methods and how many cells."""
    counts = Counter[tuple[str, str, str]](
        (record.row.method, record.status, record.reason) for record in results.records if record.status == "skipped"
    )
    counts.update((row.method, "missing", "no record yet") for row in results.missing())
    rows = sorted(counts.items())
    return Table(
        "cells that were skipped, or are still to run",
        ("method", "status", "reason", "cells"),
        tuple((method, status, reason, str(count)) for (method, status, reason), count in rows),
        (False, False, False, True),
        whole=True,
        methods=tuple(method for (method, _, _), _ in rows),
    )
