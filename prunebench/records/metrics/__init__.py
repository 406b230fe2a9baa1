"""What each metric means: unit, direction, definition. Reports and `prunebench show` read it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.records.metrics.base import Direction, Gate, Metric
from prunebench.records.metrics.collapse import COLLAPSE, NOTIONS
from prunebench.records.metrics.conservation import CONSERVATION
from prunebench.records.metrics.masks import MASKS
from prunebench.records.metrics.stability import STABILITY
from prunebench.records.metrics.training import TRAINING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["METRICS", "NOTIONS", "Direction", "Gate", "Metric", "later_versions"]

METRICS = {metric.name: metric for metric in [*COLLAPSE, *TRAINING, *MASKS, *CONSERVATION, *STABILITY]}
"""All metrics by name."""


def later_versions(names: Iterable[str]) -> dict[str, int]:
    """Versions of those metrics whose definition is not the first: what records say of their numbers."""
    return {name: metric.version for name in names if (metric := METRICS.get(name)) and metric.version > 1}
