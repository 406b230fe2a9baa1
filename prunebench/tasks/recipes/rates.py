"""The learning rate at every step, as a share of the recipe's largest."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prunebench.tasks.recipes.base import in_steps

if TYPE_CHECKING:
    from prunebench.tasks.recipes.base import Recipe

_START, _END = 1 / 25, 1 / 25 / 1e4
"""First and last rate of one cycle over its top (Smith & Topin 2018, as torch's OneCycleLR has them)."""
_LEAST = 1e-2
"""Share of the largest rate that fine-tuning takes where a schedule ends at nearly nothing."""


def share(recipe: Recipe, step: int, total: int, per_epoch: float) -> float:
    """The learning rate of a step over the largest, in [0, 1].

    With s = step / T: `constant` 1; `step` factor^(milestones up to s); `cosine` ½(1 + cos πs); `flat-then-linear` 1,
    falling linearly to `factor` between its milestones (the schedule of gRDA's authors); each times the warm-up, which
    rises linearly and whose end is the start of a cosine. `one-cycle` rises from 1/25 by half a cosine to 1 at
    `warmup`, and falls by another to 4e-6 at T; torch's OneCycleLR has its top and its end a step earlier.

    Args:
        recipe: whose schedule it is.
        step: from 0.
        total: T, in steps.
        per_epoch: steps of an epoch, on a stretched schedule so much longer.
    """
    rise = in_steps(recipe.warmup, total, per_epoch)
    since = max(0.0, step - rise) / (total - rise) if rise < total else 0.0
    if recipe.schedule == "one-cycle":
        if step < rise:
            return _START + (1 - _START) * _half(1 - step / rise)
        return _END + (1 - _END) * _half(since)
    risen = min(1.0, (step + 1) / rise) if rise > 0 else 1.0
    if recipe.schedule == "cosine":
        return risen * _half(since)
    if recipe.schedule == "step":
        return risen * recipe.factor ** sum(step >= round(in_steps(m, total, per_epoch)) for m in recipe.milestones)
    if recipe.schedule == "flat-then-linear":
        start, end = (in_steps(m, total, per_epoch) for m in recipe.milestones)
        fallen = min(1.0, max(0.0, (step - start) / (end - start)) if end > start else float(step >= end))
        return risen * (1 - (1 - recipe.factor) * fallen)
    return risen


def last(recipe: Recipe, total: int, per_epoch: float) -> float:
    """The share with which fine-tuning goes on: that of the last step, or 1 % where it falls to nothing."""
    if recipe.schedule in {"cosine", "one-cycle"}:
        return _LEAST
    return share(recipe, total - 1, total, per_epoch) or _LEAST


def _half(place: float) -> float:
    """Half a cosine: 1 at 0, 0 at 1."""
    return (1 + math.cos(math.pi * place)) / 2
