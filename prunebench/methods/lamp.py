"""LAMP: layer-adaptive magnitude."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from prunebench.engine.selection.scorer import scorer

if TYPE_CHECKING:
    from torch import Tensor

    from prunebench.engine.selection.scoring import Scores, Scoring


@scorer(
    "lamp",
    paper="Lee et al. 2021, Layer-adaptive sparsity for the magnitude-based pruning",
    notes=(
        "Weights of equal magnitude in a layer share their score: each counts all of them in its sum. The authors' "
        "code sorts them in some order and lets each count only those after it, so that one of them scores higher and "
        "the largest of a layer scores 1, which keeps layers from emptying; here n weights of one magnitude, as of a "
        "signed constant initialisation, all score 1/n. Sums are in float64. Iterating changes nothing. Of the weights "
        "given: initial ones where nothing was trained."
    ),
)
def lamp(ctx: Scoring) -> Scores:
    """θ_u²/Σ θ_v² over the weights v of the layer with |θ_v| ≥ |θ_u| (Lee et al. 2021)."""
    return {name: _layer(w.detach()) for name, w in ctx.weights.items()}


def _layer(weight: Tensor) -> Tensor:
    size = weight.cpu().double().abs().flatten()
    largest = size.max()
    if largest == 0:
        return torch.zeros(weight.shape, dtype=torch.float64)
    ordered, order = torch.sort(size, descending=True)
    values, runs = torch.unique_consecutive(ordered, return_counts=True)
    # The score does not depend on the layer's scale, squares of tiny weights do.
    squares = (values / largest).square()
    scores = torch.empty_like(size)
    scores[order] = torch.repeat_interleave(squares / (squares * runs).cumsum(0), runs)
    return scores.view(weight.shape)
