"""Values that must be equal, to the bit or to rounding: what differs is real, and needs no test."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from prunebench.analysis.comparison.states import Item, State, arrow, gating, judged, listed
from prunebench.analysis.comparison.tolerances import tolerance

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prunebench.analysis.comparison.cells import Pair
    from prunebench.analysis.comparison.sides import Group


def to_the_bit(group: Group, metric: str, pairs: Sequence[Pair]) -> Item:
    """The same code on the same platform: any difference is real."""
    return _item(group, metric, pairs, [pair for pair in pairs if pair.old != pair.new], gates=True)


def to_rounding(group: Group, metric: str, pairs: Sequence[Pair], weights: float | None, *, gates: bool) -> Item:
    """The same draws elsewhere, or by other code: differences beyond the tolerance are real.

    Args:
        group: of a task without a recipe.
        metric: of the pairs.
        pairs: by density and repetition.
        weights: prunable weights of the network, where they are known.
        gates: whether a difference is a regression; else it is shown as drift.
    """
    return _item(group, metric, pairs, beyond_rounding(metric, pairs, weights), gates=gates)


def beyond_rounding(metric: str, pairs: Sequence[Pair], weights: float | None) -> list[Pair]:
    """Pairs whose difference rounding does not explain."""
    return [pair for pair in pairs if abs(pair.difference) > tolerance(metric, pair.record, weights)]


def _item(group: Group, metric: str, pairs: Sequence[Pair], apart: Sequence[Pair], *, gates: bool) -> Item:
    if not apart:
        return Item(*group, metric, State.SAME, False, _mean([p.old for p in pairs]), _mean([p.new for p in pairs]))
    state = judged(metric, [pair.difference for pair in apart]) if gates else State.DRIFT
    told = listed([f"{pair} {arrow(pair.old, pair.new)}" for pair in apart])
    means = _mean([pair.old for pair in apart]), _mean([pair.new for pair in apart])
    return Item(*group, metric, state, gates and gating(state), *means, f"{len(apart)} of {len(pairs)} values: {told}")


def _mean(values: Sequence[float]) -> float:
    return fmean(values)
