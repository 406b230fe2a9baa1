"""FORCE: foresight connection sensitivity."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.engine.selection.scorer import scorer

if TYPE_CHECKING:
    from prunebench.engine.selection.scoring import Scores, Scoring


@scorer(
    "force",
    paper="de Jorge et al. 2021, Progressive skeletonization: trimming more fat from a network at initialization",
    needs={"data", "labels", "gradients"},
    traits={"returns"},
    mode="train",
    rounds=60,
    notes=(
        "A pruned weight may come back: its score is that of the weight it had. Iterative SNIP of the same paper, in "
        "which pruned weights stay out, is snip(rounds=60). What the SynFlow repository calls snip is this rule, in "
        "eval mode, as soon as there is more than one round. The authors' code draws new batches every round and takes "
        "nll_loss of raw logits, without log_softmax; here every round scores the same samples by cross-entropy. It "
        "keeps ⌊d·N⌋ weights, and more where scores tie."
    ),
)
def force(ctx: Scoring) -> Scores:
    """|θ ⊙ ∂L/∂θ̄| with θ as initialised and L the loss of the sparse network θ̄ = θ ⊙ m (de Jorge et al. 2021)."""
    gradients = ctx.gradients(ctx.loss())
    return {name: (gradients[name] * w).abs() for name, w in ctx.dense.items()}
