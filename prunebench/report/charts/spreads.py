"""Means with their intervals, as charts draw them and say them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE
from prunebench.analysis.statistics.intervals import mean_interval

if TYPE_CHECKING:
    from prunebench.analysis.tradeoff import Cells


@dataclass(frozen=True, slots=True)
class Spread:
    """Repetitions of a metric in %: those that are alive, and how many collapsed."""

    mean: float | None
    """None where none is alive."""
    half: float | None
    """Half the 95 % t interval; None of fewer than two."""
    n: int
    collapsed: int
    planned: int

    @property
    def low(self) -> float:
        """Lower end of the interval, or the mean."""
        return (self.mean or 0.0) - (self.half or 0.0)

    @property
    def high(self) -> float:
        """Upper end likewise."""
        return (self.mean or 0.0) + (self.half or 0.0)

    def __str__(self) -> str:
        half = "" if self.half is None else f" ± {self.half:.2f}"
        parts = [
            "" if self.mean is None else f"{self.mean:.2f}{half} %, n = {self.n}",
            f"{self.collapsed} of {self.planned} collapsed" if self.collapsed else "",
        ]
        return ", ".join(part for part in parts if part) or NONE


def spread_of(cells: Cells, metric: str) -> Spread:
    """The spread of a metric."""
    values = list(cells.values(metric).values())
    mean = mean_interval(values) if values else None
    collapsed, planned = cells.count("collapsed"), len(cells.records)
    if mean is None:
        return Spread(None, None, 0, collapsed, planned)
    return Spread(mean.value, mean.half_width, mean.n, collapsed, planned)
