"""What was measured of the laws of flow, in words, and whether theory says the same."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any, Literal

from prunebench.analysis.boards.cells import NONE
from prunebench.analysis.boards.specs import arm_parameter

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prunebench.analysis.results import Results
    from prunebench.records.presentation import Expectation, Law
    from prunebench.records.schema import Record

EXACT = {"double": 1e-9, "single": 1e-4}
"""Residuals up to this are rounding, by the precision of the arm."""
VIOLATED = 1e-2
"""Residuals from here on are no rounding in any precision."""
SLOPE = 0.01
"""Slopes that are no further apart are one."""

What = Literal["units", "cuts", "slope"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One measurement over the repetitions, and what theory says of it."""

    what: What
    value: float | None
    """The largest residual, or the mean slope; None where there is nothing to measure."""
    measured: str
    """In words."""
    theory: str = NONE
    reason: int | None = None
    """Place of the expectation in the suite."""
    agrees: bool = False

    @property
    def judged(self) -> bool:
        """Whether there is a measurement, and theory says anything of it."""
        return self.reason is not None and self.value is not None

    @property
    def text(self) -> str:
        """The value: a residual in powers of ten, a slope to two decimals."""
        if self.value is None:
            return NONE
        return f"{self.value:.2f}" if self.what == "slope" else residual_text(self.value)


def findings(
    records: Sequence[Record], arm: str | None, fitting: tuple[int, Expectation] | None, results: Results
) -> tuple[Finding, Finding, Finding]:
    """Of units, cuts and the slope of one method's score, measured in one way.

    Args:
        records: of its repetitions that were measured.
        arm: how.
        fitting: the expectation, with its place in the suite.
        results: that have the series.
    """
    precision = str(arm_parameter(arm, "precision"))
    exact = EXACT.get(precision, EXACT["double"])
    theory = {} if fitting is None else {what: getattr(fitting[1], what) for what in ("units", "cuts", "slope")}
    reason = None if fitting is None else fitting[0]

    def law(what: Literal["units", "cuts"]) -> Finding:
        expected: Law | None = theory.get(what)
        if expected == "zero":
            value = _largest(_nothing(results.series(record), what) for record in records)
            measured = _word(value, exact, "zero", "nearly zero", "not zero")
            met = {"zero", "nearly zero"}
        else:
            value = worst(records, f"{what.removesuffix('s')}_residual")
            measured = _word(value, exact, "conserved", "nearly conserved", "violated")
            met = {"conserved"} if expected == "conserved" else {"violated"}
        return Finding(what, value, measured, expected or NONE, reason if expected else None, measured in met)

    values = _values(records, "size_slope")
    slope = fmean(values) if values else None
    line: float | None = theory.get("slope")
    agrees = line is not None and bool(values) and max(abs(value - line) for value in values) <= SLOPE
    told = Finding(
        "slope", slope, "" if slope is not None else NONE, NONE if line is None else f"{line:g}",
        None if line is None else reason, agrees,
    )  # fmt: skip
    return law("units"), law("cuts"), told


def worst(records: Iterable[Record], metric: str) -> float | None:
    """The largest value of any repetition."""
    return max(_values(records, metric), default=None)


def residual_text(value: float | None) -> str:
    """Two digits and a power of ten, zero as it is."""
    if value is None:
        return NONE
    return "0" if value == 0 else f"{value:.1e}" if value < 0.01 else f"{value:.2g}"


def _nothing(series: Mapping[str, Any], what: Literal["units", "cuts"]) -> float | None:
    """How far incoming totals, or those of all cuts but the output's own, are from nothing: over the largest total."""
    if what == "units":
        inner = [abs(value) for value in series.get("unit_in", [])]
        scale = max([*inner, *(abs(value) for value in series.get("unit_out", []))], default=0.0)
    else:
        totals = [abs(value) for value in series.get("cut_total", [])]
        inner, scale = totals[:-1], max(totals, default=0.0)
    if not inner:
        return None
    return max(inner) / scale if scale else 0.0


def _word(value: float | None, exact: float, good: str, nearly: str, bad: str) -> str:
    if value is None:
        return NONE
    return good if value <= exact else nearly if value < VIOLATED else bad


def _values(records: Iterable[Record], metric: str) -> list[float]:
    return [value for record in records if (value := record.metrics.get(metric)) is not None]


def _largest(values: Iterable[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
