"""What one weight, or rounding, makes of a metric that no training was before.

On another processor or device, scores differ in their last bits, and a weight on the edge of the mask changes places.
A count may then differ by one, or by a thousandth of itself where that is more; counts of layers, classes and paths
may not. A ratio may differ by what such a difference makes of it:

- `rho_cr_*` = N / k, the count being k; N is read off another cell of the task, kept / density;
- `log_ratio_*` = log rho_cr / log rho_max, by the change of rho_cr over log rho_max;
- `density`, `effective_density`, `effective_share`: of kept or effective weights, over N or kept;
- multiply-accumulates: a weight is applied as often as the average kept one;
- everything else: a thousandth.

A residual is nothing below the precision of its arm's arithmetic, and a thousandth of itself is nothing either.

What goes beyond is real where the choice of weights has no say in it (`FIXED`). Elsewhere it may be chaos: the rounds
of an iterated score start from each other's masks, so that one weight that changes places early changes many; twenty
rounds of SNIP on a convolutional network end at critical compressions that differ by a third. It has to be tested.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prunebench.analysis.boards.laws import EXACT
from prunebench.analysis.boards.specs import arm_parameter
from prunebench.records.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prunebench.records.schema import Record

SHARE = 1e-3
"""Of a count, or of a number without one."""
_WHOLE = {"layers", "classes", "units", "cuts", "rounds", "events"}
"""Units of counts that one weight does not move."""
FIXED = frozenset({"kept", "density", "kept_parameters", "macs", "units", "cuts", "rounds"})
"""Structural metrics that a mask of the same size on the same network has, whichever weights it keeps."""
_BOUND = "rho_max_"
_WEIGHTS = {"kept", "effective_kept", "kept_parameters"}
_MACS = {"kept_macs": "kept", "effective_macs": "effective_kept"}
_RATIOS = {"density": "kept", "effective_density": "effective_kept", "effective_share": "effective_kept"}


def fixed(metric: str) -> bool:
    """Whether the choice of weights has no say in a structural metric."""
    return metric in FIXED or metric.startswith(_BOUND)


def size(records: Iterable[Record | None]) -> float | None:
    """Prunable weights N of a task's network, from any cell that counts them; None where none does."""
    for record in records:
        if record is not None and (kept := record.metrics.get("kept")) and (share := record.metrics.get("density")):
            return round(kept / share)
    return None


def tolerance(metric: str, record: Record, weights: float | None) -> float:
    """The largest difference from a record's value that rounding explains.

    Args:
        metric: with a value in the record.
        record: of the old side, of a task without a recipe.
        weights: prunable weights of the network, where they are known.
    """
    value = abs(record.metrics[metric] or 0.0)
    defined = METRICS.get(metric)
    if defined is None:
        return SHARE * value
    if defined.residual:
        precision = str(arm_parameter(record.row.arm, "precision"))
        return max(EXACT.get(precision, EXACT["double"]), SHARE * value)
    if defined.unit in _WHOLE or metric == "has_path":
        return 0.0
    if metric in _WEIGHTS:
        return max(1.0, SHARE * value)
    if metric in _MACS or metric in _RATIOS:
        count = record.metrics.get(_MACS.get(metric) or _RATIOS[metric])
        return value * _share_of(count)
    if metric.startswith("rho_cr_"):
        return value * _share_of(weights / value if weights and value else None)
    if metric.startswith("log_ratio_"):
        notion = metric.removeprefix("log_ratio_")
        highest, critical = (record.metrics.get(f"{name}_{notion}") for name in ("rho_max", "rho_cr"))
        if highest and critical and highest > 1:
            return _share_of(weights / critical if weights else None) / math.log(highest)
    return SHARE * value


def _share_of(count: float | None) -> float:
    """What a tolerated difference of a count is of that count."""
    return max(1.0 / count, SHARE) if count else SHARE
