"""Exact selection: which weights a count of survivors goes to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from prunebench.engine.layout import Index, Layout, Values
from prunebench.engine.masks import Masks
from prunebench.errors import PruningError, ScoreError

if TYPE_CHECKING:
    from collections.abc import Mapping

_NO_SHARE = 1e-200
"""Of a weight: less than that is none."""

Scope = Literal["global", "layer"]


class Ties:
    """A seeded place for every weight among its equals, drawn only when there are equals: the lower one is kept."""

    def __init__(self, seed: int) -> None:
        """The order depends on the seed and on the number of weights, never on a count."""
        self._seed = seed
        self._places: dict[int, Index] = {}

    def places(self, total: int) -> Index:
        """A permutation of `total` weights."""
        if total not in self._places:
            generator = torch.Generator().manual_seed(self._seed)
            self._places[total] = torch.randperm(total, generator=generator).numpy()
        return self._places[total]


def keep_top(
    scores: Mapping[str, Tensor], count: int, ties: Ties, masks: Masks | None = None,
    shares: Mapping[str, float] | None = None,
) -> Masks:  # fmt: skip
    """Masks that keep exactly the `count` highest scores over all layers, or by layer.

    Equal scores are kept in a seeded order that does not depend on `count`, so masks of one set of scores are nested.

    Args:
        scores: of all prunable weights.
        count: weights to keep.
        ties: order among equals.
        masks: what is still kept, and competes; None is everything.
        shares: weights that each layer is to keep, see `in_scope`; None lets all layers compete.

    Raises:
        PruningError: `count` is negative or exceeds the number of weights.
        ScoreError: a score is not finite.
    """
    layout = Layout.of(scores)
    index = np.arange(layout.total) if masks is None else np.flatnonzero(layout.flat(masks).cpu().numpy())
    values = in_scope(competing(scores, layout, index), index, layout, shares, ties)
    kept = np.zeros(layout.total, dtype=bool)
    kept[index[best(values, index, count, ties, layout.total)]] = True
    return Masks(layout.split(torch.from_numpy(kept)))


def best(values: Values, index: Index, count: int, ties: Ties, total: int) -> npt.NDArray[np.bool_]:
    """Which of the weights at flat indices `index` have the `count` highest `values`; linear in their number.

    Raises:
        PruningError: `count` is negative or exceeds the number of weights.
    """
    if not 0 <= count <= len(values):
        raise PruningError(f"cannot keep {count} of {len(values)} weights")
    if count == 0:
        return np.zeros(len(values), dtype=bool)
    # NumPy's partition takes a sixth of the time of `torch.kthvalue` on 15 million floats.
    place = len(values) - count
    threshold = np.partition(values, place)[place]
    kept: npt.NDArray[np.bool_] = values > threshold
    tied = np.flatnonzero(values == threshold)
    missing = count - int(np.count_nonzero(kept))
    if missing < len(tied):
        tied = tied[np.argsort(ties.places(total)[index[tied]])][:missing]
    kept[tied] = True
    return kept


def descending(values: Values, index: Index, ties: Ties, total: int) -> Index:
    """Positions in `values` from the highest to the lowest, equals in the order that `best` keeps them."""
    order = np.argsort(-values)
    ordered = values[order]
    equal_to_next = ordered[:-1] == ordered[1:]
    if equal_to_next.any():
        # Only runs of equals are sorted again, by value and then by their seeded place.
        runs = np.flatnonzero(np.append(equal_to_next, False) | np.insert(equal_to_next, 0, False))
        tied = order[runs]
        order[runs] = tied[np.lexsort((ties.places(total)[index[tied]], -values[tied]))]
    return order


def in_scope(values: Values, index: Index, layout: Layout, shares: Mapping[str, float] | None, ties: Ties) -> Values:
    """Values that compete over all layers so that each layer gets its share of any count.

    `shares` None: the scores themselves, over all layers. Otherwise the j-th best of a layer with share q gets
    −(j − ½)/q, so that a global selection apportions the count to the layers by Webster's method: q rounded each where
    the shares sum to the count, apart from what the exact total forces, and never less for a larger count (largest
    remainders would not be monotone). A layer without a share comes last.

    Args:
        values: scores of the weights at `index`.
        index: ascending flat indices.
        layout: of all weights.
        shares: weights that each layer is to keep, up to a common factor; the layers' sizes give all one density.
        ties: order among equals.
    """
    if shares is None:
        return values
    found = np.empty(len(values))
    for name, part in layout.segments(index).items():
        order = descending(values[part], index[part], ties, layout.total)
        places = np.arange(len(order)) + 0.5
        share = shares[name]
        # Without a share: below every place of a layer that has one, and still in the layer's own order.
        found[part][order] = -places / share if share > _NO_SHARE else -1e300 * (places / layout.total)
    return found


def competing(scores: Mapping[str, Tensor], layout: Layout, index: Index) -> Values:
    """A scorer's values of the weights at flat indices `index`, checked.

    Raises:
        ScoreError: a layer is missing or unknown, a shape or dtype is wrong, or a value is not finite.
    """
    if not hasattr(scores, "keys"):
        raise ScoreError(f"a scorer returns a dict of tensors by layer, not {type(scores).__name__}")
    for name in scores:
        if name not in layout.shapes:
            raise ScoreError(f"scores for {name!r}, which is no prunable tensor")
    for name, shape in layout.shapes.items():
        if name not in scores:
            raise ScoreError(f"no scores for layer {name}")
        score = scores[name]
        if not isinstance(score, Tensor):
            raise ScoreError(f"scores of layer {name} are {type(score).__name__}, not a tensor")
        if score.shape != shape:
            raise ScoreError(f"scores of layer {name} have shape {list(score.shape)}, the weight {list(shape)}")
        if not score.is_floating_point():
            raise ScoreError(f"scores of layer {name} are {score.dtype}, not floating point")
    flat = layout.flat(scores)
    if flat.dtype not in (torch.float32, torch.float64):
        flat = flat.float()
    values: Values = flat.cpu().numpy()
    if len(index) < len(values):
        values = values[index]
    if not np.isfinite(values).all():
        for name, part in layout.segments(index).items():
            bad = values[part][~np.isfinite(values[part])]
            if len(bad):
                what = "NaN" if np.isnan(bad).any() else "infinite"
                raise ScoreError(f"{len(bad)} of {part.stop - part.start} scores of layer {name} are {what}")
    return values
