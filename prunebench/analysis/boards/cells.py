"""Texts that boards share: numbers, means, captions."""

from __future__ import annotations

import math
from statistics import median
from typing import TYPE_CHECKING

from prunebench.analysis.statistics.intervals import mean_interval
from prunebench.records.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from prunebench.analysis.statistics.verdicts import Interval
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


def measured(metric: str) -> str:
    """The metric in words, and what a difference of it is counted in."""
    name, unit = metric.replace("_", " "), METRICS[metric].unit
    return f"{name} in {'points' if unit == '%' else unit}" if unit else name


def in_points(metric: str) -> bool:
    """Whether differences of a metric are points of accuracy."""
    return METRICS[metric].unit in {"%", "points"}


def digits(metric: str) -> int:
    """Decimals that the metric is shown with."""
    return 2 if in_points(metric) else 3


def spread_text(mean: float | None, interval: Interval | None, digits: int) -> str:
    """A mean difference ± the half width of its interval, where it has one."""
    if mean is None:
        return NONE
    shown = f"{round(mean, digits) + 0.0:.{digits}f}"  # + 0.0: no minus before zero
    return shown if interval is None else f"{shown} ± {(interval[1] - interval[0]) / 2:.{digits}f}"


def p_text(p: float | None) -> str:
    """A p-value to three decimals."""
    return NONE if p is None else "<0.001" if p < 0.0005 else f"{p:.3f}"
