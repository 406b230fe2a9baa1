"""SynFlow: iterative synaptic flow pruning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.engine.method import scorer

if TYPE_CHECKING:
    from prunebench.engine.scoring import Scores, Scoring


@scorer(
    "synflow",
    paper="Tanaka et al. 2020, Pruning neural networks without any data by iteratively conserving synaptic flow",
    needs={"gradients"},
    mode="eval",
    rounds=100,
    notes=(
        "rounds=1 is another method: it collapses. rounds=adaptive keeps every round's prune size below the cut size, "
        "the paper's condition for maximal critical compression, which 100 rounds do not guarantee. BatchNorm in eval "
        "mode is folded to |s|·x + |t|, a multiplication at initialisation."
    ),
)
def synflow(ctx: Scoring) -> Scores:
    """∂R/∂|θ| ⊙ |θ| for R, the output of the linearised network on an input of ones (eq. 2, algorithm 1)."""
    gradients = ctx.gradients(ctx.synaptic_flow())
    return {name: gradients[name] * w for name, w in ctx.weights.items()}
