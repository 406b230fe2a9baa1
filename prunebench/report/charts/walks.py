"""How each method goes down: the compression at which its first layer is gone, and what its layers keep."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from statistics import fmean, median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prunebench.analysis.boards.grid import Place
    from prunebench.analysis.results import Results
    from prunebench.analysis.tradeoff import Cells

_RATIO, _CRITICAL = "log_ratio_dead_layer", "rho_cr_dead_layer"


@dataclass(frozen=True)
class Walk:
    """One method's way down."""

    method: str
    arm: str | None
    ratios: tuple[float, ...]
    """log ρ_cr / log ρ_max, a repetition each."""
    critical: float | None
    """Median ρ_cr."""
    layers: tuple[str, ...]
    shares: Mapping[float, tuple[tuple[float, ...], ...]]
    """By density: of every repetition, the kept share of each layer."""


def walks_of(group: Sequence[Place], results: Results) -> list[Walk]:
    """Of all methods with a critical compression, the highest first."""
    by_method: dict[tuple[str, str | None], dict[float | None, Cells]] = defaultdict(dict)
    for place in group:
        for key, cells in place.cells.items():
            by_method[key][place.density] = cells
    found = []
    for (method, arm), own in by_method.items():
        outcome = own.get(None)
        ratios = _numbers(outcome, _RATIO)
        if ratios:
            critical = _numbers(outcome, _CRITICAL)
            layers, shares = _shares(own, results)
            middle = median(critical) if critical else None
            found.append(Walk(method, arm, tuple(ratios), middle, layers, shares))
    return sorted(found, key=lambda walk: (-fmean(walk.ratios), walk.method, walk.arm or ""))


def _numbers(cells: Cells | None, metric: str) -> list[float]:
    good = [r for r in (cells.records.values() if cells else ()) if r is not None and r.status == "ok"]
    return [value for r in good if (value := r.metrics.get(metric)) is not None]


def _shares(
    cells: Mapping[float | None, Cells], results: Results
) -> tuple[tuple[str, ...], dict[float, tuple[tuple[float, ...], ...]]]:
    layers: tuple[str, ...] = ()
    found: dict[float, tuple[tuple[float, ...], ...]] = {}
    for density, own in cells.items():
        rows = []
        for record in own.records.values():
            series = results.series(record) if record is not None and record.status == "ok" else {}
            if density is not None and {"layer", "kept_by_layer", "size_by_layer"} <= series.keys():
                layers = tuple(series["layer"])
                pairs = zip(series["kept_by_layer"], series["size_by_layer"], strict=True)
                rows.append(tuple(kept / size for kept, size in pairs))
        if rows and density is not None:
            found[density] = tuple(rows)
    return layers, found
