"""SNIP: connection sensitivity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.engine.method import scorer

if TYPE_CHECKING:
    from prunebench.engine.scoring import Scores, Scoring


@scorer(
    "snip",
    paper="Lee et al. 2019, SNIP: single-shot network pruning based on connection sensitivity",
    needs={"data", "labels", "gradients"},
    mode="train",
    notes=(
        "Gradient with respect to the mask, which is g ⊙ θ where the mask is 1. Iterated, pruned weights stay pruned; "
        "the SynFlow repository lets them return. mode=eval is that repository's and the original code's BatchNorm."
    ),
)
def snip(ctx: Scoring) -> Scores:
    """|∂L/∂m| = |g ⊙ θ|, the loss's sensitivity to each connection (eq. 4)."""
    gradients = ctx.gradients(ctx.loss())
    return {name: (gradients[name] * w).abs() for name, w in ctx.weights.items()}
