"""GraSP: gradient signal preservation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from prunebench.engine.selection.scorer import scorer
from prunebench.errors import PruningError

if TYPE_CHECKING:
    from prunebench.engine.selection.scoring import Scores, Scoring


@scorer(
    "grasp",
    paper="Wang et al. 2020, Picking winning tickets before training by preserving gradient flow",
    needs={"data", "labels", "gradients"},
    traits={"signed"},
    mode="train",
    notes=(
        "The sign: the largest are kept, whose removal takes most from the gradient norm. The authors' code scores "
        "−θ ⊙ Hg and removes the largest, which is the same; results stored in the SynFlow repository were made with "
        "the sign reversed and without temperature, and are no target. Every weight's score is computed over the whole "
        "scoring set; split=2 gives BatchNorm the original's half batches, and changes nothing in eval mode. The "
        "original also draws the classifier anew on the copy that it scores. Iterated, g is that of kept weights and "
        "pruned weights stay out; the SynFlow repository leaves them at score 0, above the weights that go, and "
        "over-prunes as soon as its threshold gets there. Not conserved: per hidden unit, scores in − scores out = "
        "‖g_out‖² − ‖g_in‖²."
    ),
)
def grasp(ctx: Scoring, *, temperature: float = 200.0, split: int = 1) -> Scores:
    """θ ⊙ Hg = θ ⊙ ∂(½‖g‖²)/∂θ for the mean cross-entropy of logits / temperature (Wang et al. 2020).

    Args:
        ctx: the network and its scoring set.
        temperature: T, by which logits are divided.
        split: parts that the scoring set is dealt out into; g and Hg are sums over them.

    Raises:
        PruningError: the temperature is not positive, or there are fewer samples than parts.
    """
    if temperature <= 0:
        raise PruningError(f"grasp: temperature={temperature:g} is not positive")
    loss = ctx.loss(temperature=temperature, parts=split)
    devices = {w.device for w in ctx.weights.values() if w.device.type == "cuda"}
    # Forked, so that dropout leaves out for Hg what it left out for g.
    with torch.random.fork_rng(devices=devices):
        gradients = ctx.gradients(loss)
    # The gradient flow of a sparse network is that of its kept weights.
    flow = {name: g * ctx.masks[name].to(g.device) for name, g in gradients.items()}
    product = ctx.hessian_product(loss, flow)
    return {name: w * product[name] for name, w in ctx.weights.items()}
