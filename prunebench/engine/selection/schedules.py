"""Schedules: the densities through which an iterative method walks."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Schedule = Literal["exponential", "linear", "cubic"]


def exponential(density: float, share: float) -> float:
    """d^(e/n): the same ratio every round (Tanaka et al. 2020, section 6)."""
    return float(density**share)


def linear(density: float, share: float) -> float:
    """1 − (1 − d)·e/n: the same number every round."""
    return 1 - (1 - density) * share


def cubic(density: float, share: float) -> float:
    """1 − (1 − d)·(1 − (1 − e/n)³): most early (Zhu & Gupta 2017, eq. 1)."""
    return 1 - (1 - density) * (1 - (1 - share) ** 3)


SCHEDULES: Mapping[Schedule, Callable[[float, float], float]] = {
    "exponential": exponential,
    "linear": linear,
    "cubic": cubic,
}


def counts(total: int, density: float, rounds: int, schedule: Schedule) -> list[int]:
    """Weights kept after each round: strictly decreasing, the last one exactly round(d·N), at least 1.

    The rounds before the last keep d_e·N rounded up, as the published SynFlow loop does; a round's rounding decides
    which weights later rounds see, so that another rule ends in other masks. Rounds that would prune nothing are left
    out, so there may be fewer than `rounds`; there is at least one.
    """
    density_at = SCHEDULES[schedule]
    target = max(1, round(density * total))
    kept: list[int] = []
    previous = total
    for e in range(1, rounds):
        count = math.ceil(total * density_at(density, e / rounds))
        if target < count < previous:
            kept.append(count)
            previous = count
    return [*kept, target]
