"""What a method takes: CPU seconds and memory, shown and, where that is asked for, held to a factor."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prunebench.analysis.comparison.sides import Side
    from prunebench.records.baseline import Task

LEAST = 0.1
"""CPU seconds of a cell below which no factor counts: such times are those of starting up."""


@dataclass(frozen=True, slots=True)
class Time:
    """Of one method on one task: means over cells, and the highest peak."""

    task: Task
    method: str
    old_seconds: float
    new_seconds: float
    old_peak: float | None
    """Bytes."""
    new_peak: float | None

    @property
    def ratio(self) -> float | None:
        """New over old; None of no time."""
        return self.new_seconds / self.old_seconds if self.old_seconds else None

    def too_slow(self, factor: float | None) -> bool:
        """Whether it takes more than so many times as long."""
        slow = factor is not None and self.ratio is not None and self.ratio > factor
        return slow and max(self.old_seconds, self.new_seconds) >= LEAST


def times(suite: str, old: Side, new: Side) -> list[Time]:
    """Of every method that both sides have times of."""
    mine, theirs = _spent(suite, old), _spent(suite, new)
    return [
        Time(*key, mine[key][0], theirs[key][0], mine[key][1], theirs[key][1]) for key in theirs if key in mine
    ]  # fmt: skip


def untimed(suite: str, old: Side, new: Side, found: Sequence[Time], factor: float | None) -> list[str]:
    """That a factor was asked for, of methods that a side has no times of."""
    if factor is None:
        return []
    both = {group[:2] for group in old.records[suite]} & {group[:2] for group in new.records[suite]}
    missing = len(both - {(time.task, time.method) for time in found})
    return [f"no times to hold to --max-slowdown of {missing} of {len(both)} methods on their tasks"] * bool(missing)


def _spent(suite: str, side: Side) -> dict[tuple[Task, str], tuple[float, float | None]]:
    """Mean CPU seconds of a cell, finding, training and measuring together, and the highest peak of all."""
    seconds: dict[tuple[Task, str], list[float]] = defaultdict(list)
    peaks: dict[tuple[Task, str], list[float]] = defaultdict(list)
    for (task, method, _), cells in side.records[suite].items():
        for record in cells.values():
            if record is not None and any("cpu_seconds" in part for part in record.cost.values()):
                seconds[task, method].append(sum(part.get("cpu_seconds", 0.0) for part in record.cost.values()))
                peaks[task, method] += [part["peak_bytes"] for part in record.cost.values() if "peak_bytes" in part]
    return {key: (fmean(found), max(peaks[key], default=None)) for key, found in seconds.items()}
