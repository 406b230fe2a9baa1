"""Texts that boards share: numbers, means, captions."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

from prunebench.analysis.statistics.intervals import mean_interval

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prunebench.records.presentation import Presentation
    from prunebench.records.schema import Record

NONE = "–"
"""A cell of a table without a value."""


def number(value: float) -> str:
    """Three significant digits, thousands apart."""
    if value >= 1000:
        return f"{round(value):,}".replace(",", "\u202f")
    return f"{value:.3g}"


def mean_text(values: Sequence[float], digits: int = 2, *, signed: bool = False) -> str:
    """The mean, ± the half width of its 95 % interval from two values on."""
    mean = mean_interval(values)
    half = "" if mean.half_width is None else f" ± {mean.half_width:.{digits}f}"
    return f"{mean.value:{'+' if signed else ''}.{digits}f}{half}"


def decimals(values: Sequence[float]) -> int:
    """How many show three digits of the largest of some values: 0 to 8."""
    largest = max((abs(value) for value in values), default=0.0)
    return min(max(2 - math.floor(math.log10(largest)), 0), 8) if largest else 0


def values_at(records: Iterable[Record], metric: str, density: float | None) -> list[float]:
    """A metric of the records of one density, where it has a value."""
    values = (record.metrics.get(metric) for record in records if record.row.density == density)
    return [value for value in values if value is not None]


def context(presentation: Presentation, records: Sequence[Record]) -> str:
    """Medians of the suite's context metrics, for a caption."""
    found = {name: values_at(records, name, None) for name in presentation.context}
    return ", ".join(f"{name} {number(median(values))}" for name, values in found.items() if values)


def without_record(methods: int) -> str:
    """How many methods a table leaves out, for a caption."""
    return f"({methods} method{'s' * (methods != 1)} without a record yet)" if methods else ""


def captioned(title: str, details: str, note: str = "") -> str:
    """A caption of what there is of its parts."""
    return " ".join(part for part in (" — ".join(part for part in (title, details) if part), note) if part)
