"""SNIP: connection sensitivity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from prunebench.engine.selection.scorer import scorer
from prunebench.errors import PruningError

if TYPE_CHECKING:
    from prunebench.engine.selection.scoring import Scores, Scoring


@scorer(
    "snip",
    paper="Lee et al. 2019, SNIP: single-shot network pruning based on connection sensitivity",
    needs={"data", "labels", "gradients"},
    mode="train",
    notes=(
        "Gradient with respect to the mask, which is g ⊙ θ where the mask is 1. Iterated, pruned weights stay pruned; "
        "the SynFlow repository lets them return. mode=eval is that repository's and the original code's BatchNorm. "
        "signed=true is ∂L/∂m itself, conserved from layer to layer of a bias-free chain, with `signed` scores: kept "
        "first are weights whose removal lowers the loss to first order, which is for study and no way to prune well. "
        "reinit=true scores freshly drawn weights, as the paper and the original code do, while those given are the "
        "ones that are trained; the draw is Xavier normal (mil-ad/snip; the original draws by variance scaling), "
        "biases stay, and every round draws anew. Biases are never pruned. The original lets them compete and counts "
        "them: as its biases start at 0 and score 0, all go first, and it is this method at density d·(N + biases)/N."
    ),
)
def snip(ctx: Scoring, *, signed: bool = False, reinit: bool = False) -> Scores:
    """|∂L/∂m| = |g ⊙ θ|, the loss's sensitivity to each connection (Lee et al. 2019).

    Args:
        ctx: the network and its scoring set.
        signed: leave out the absolute value.
        reinit: score weights that are drawn anew, not those of the network.

    Raises:
        PruningError: `reinit` and a layer whose weight has no fans.
    """
    if reinit:
        _draw(ctx)
    gradients = ctx.gradients(ctx.loss())
    scores = {name: gradients[name] * w for name, w in ctx.weights.items()}
    return scores if signed else {name: score.abs() for name, score in scores.items()}


@torch.no_grad()
def _draw(ctx: Scoring) -> None:
    """Xavier-normal weights under the masks, on the private copy (Glorot & Bengio 2010)."""
    for name, weight in ctx.weights.items():
        if weight.dim() < 2:
            raise PruningError(f"snip: reinit needs fan-in and fan-out, layer {name} has shape {list(weight.shape)}")
        fresh = torch.empty(weight.shape, dtype=weight.dtype)
        nn.init.xavier_normal_(fresh, generator=ctx.generator)
        weight.copy_(fresh * ctx.masks[name].cpu())
