"""SynFlow: iterative synaptic flow pruning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.engine.selection.scorer import scorer

if TYPE_CHECKING:
    from prunebench.engine.selection.scoring import Scores, Scoring


@scorer(
    "synflow",
    paper="Tanaka et al. 2020, Pruning neural networks without any data by iteratively conserving synaptic flow",
    needs={"gradients"},
    traits={"conserves"},
    mode="eval",
    rounds=100,
    notes=(
        "rounds=1 is another method: it collapses. rounds=adaptive keeps every round's prune size below the cut size, "
        "the paper's condition for maximal critical compression, which 100 rounds do not guarantee. BatchNorm in eval "
        "mode is folded to |s|·x + |t|, a multiplication at initialisation. l2=true is SynFlow-L2 of Patil & Dovrolis "
        "2021 (PHEW): the network with θ², whose flow is the sum of squared path products; BatchNorm and biases are "
        "squared with it, s²·x + t². It is conserved as the first is, and prefers few strong paths to many weak ones."
    ),
)
def synflow(ctx: Scoring, *, l2: bool = False) -> Scores:
    """∂R/∂|θ| ⊙ |θ| for R, the output of the linearised network on an input of ones (eq. 2, algorithm 1).

    Args:
        ctx: the network.
        l2: linearise to θ² instead of |θ|.
    """
    return ctx.flow_scores(power=2 if l2 else 1)
