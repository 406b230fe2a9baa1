"""Fisher: the diagonal of the empirical Fisher information."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from prunebench.engine.selection.scorer import scorer

if TYPE_CHECKING:
    from prunebench.engine.selection.scoring import Scores, Scoring


@scorer(
    "fisher",
    paper="Theis et al. 2018, Faster gaze prediction with dense networks and Fisher pruning",
    needs={"data", "labels", "gradients"},
    mode="eval",
    notes=(
        "Per weight; the paper sums over feature maps and has a factor of ½, which changes no order. g_i is the exact "
        "gradient of one sample's loss, one backward pass each, at the sample's own label: the empirical Fisher, which "
        "is the Hessian only near a fitted network. Codes that square the gradient of a minibatch compute something "
        "else, with E[g²] for one sample a batch only. In train mode BatchNorm ties samples together: g_i is then the "
        "gradient of sample i's loss through the whole batch, statistics included."
    ),
)
def fisher(ctx: Scoring) -> Scores:
    """θ² ⊙ E[g²] over the per-sample gradients g of the scoring set (Theis et al. 2018, without their ½)."""
    total = {name: torch.zeros_like(w) for name, w in ctx.weights.items()}
    for gradients in ctx.sample_gradients():
        for name, gradient in gradients.items():
            total[name] += gradient.square()
    return {name: w.detach().square() * total[name] / ctx.samples for name, w in ctx.weights.items()}
