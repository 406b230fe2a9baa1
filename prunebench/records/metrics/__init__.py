"""What each metric means: unit, direction, definition. Reports and `prunebench show` read it."""

from __future__ import annotations

from prunebench.records.metrics.base import Direction, Metric
from prunebench.records.metrics.collapse import COLLAPSE, NOTIONS
from prunebench.records.metrics.conservation import CONSERVATION
from prunebench.records.metrics.masks import MASKS
from prunebench.records.metrics.stability import STABILITY
from prunebench.records.metrics.training import TRAINING

__all__ = ["METRICS", "NOTIONS", "Direction", "Metric"]

METRICS = {metric.name: metric for metric in [*COLLAPSE, *TRAINING, *MASKS, *CONSERVATION, *STABILITY]}
"""All metrics by name."""
