"""What methods took of a run, beside what the others did."""

from __future__ import annotations

from collections import defaultdict
from statistics import median
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE
from prunebench.analysis.tables import Table
from prunebench.report.families import family_of

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from prunebench.analysis.results import Results
    from prunebench.records.schema import Record


def cost_table(results: Results, mine: Collection[str]) -> Table:
    """What finding, training and measuring took of each method, beside the field's median."""
    roles = ("find", "train", "measure")
    own: dict[str, list[Record]] = defaultdict(list)
    others: list[Record] = []
    for record in results.records:
        if record.cost and record.row.method in mine:
            own[record.row.method].append(record)
        elif record.cost and family_of(record.row.method) != "control":
            others.append(record)
    rows = [
        (method, *_seconds(own[method], roles), _peak(own[method]), str(len(own[method]))) for method in sorted(own)
    ]
    if rows and others:
        rows.append(("the field", *_seconds(others, roles), _peak(others), str(len(others))))
    return Table(
        "cost — medians over cells",
        ("method", *(f"{role}, s" for role in roles), "peak, MiB", "cells"),
        tuple(rows),
        (False, *(True,) * 5),
        legend=(
            ("find, s", "processor seconds of the steps that found the ticket, its trainings included"),
            ("train, s", "of training the ticket"),
            ("measure, s", "of looking at the outcome"),
            ("peak, MiB", "highest memory of a worker in any of these steps"),
        ),
        methods=(*sorted(own), *([""] if rows and others else [])),
    )


def _seconds(records: Sequence[Record], roles: Sequence[str]) -> list[str]:
    found = []
    for role in roles:
        values = [record.cost[role]["cpu_seconds"] for record in records if "cpu_seconds" in record.cost.get(role, {})]
        found.append(f"{median(values):.3g}" if values else NONE)
    return found


def _peak(records: Sequence[Record]) -> str:
    found = ([spent["peak_bytes"] for spent in record.cost.values() if "peak_bytes" in spent] for record in records)
    peaks = [max(own) for own in found if own]
    return f"{median(peaks) / 2**20:.0f}" if peaks else NONE
