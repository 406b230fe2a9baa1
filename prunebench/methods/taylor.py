"""Taylor: what the loss loses to first order, squared."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from prunebench.engine.selection.scorer import scorer
from prunebench.engine.structure.filters import by_filter

if TYPE_CHECKING:
    from torch import Tensor

    from prunebench.engine.selection.scoring import Scores, Scoring


@scorer(
    "taylor",
    paper="Molchanov et al. 2019, Importance estimation for neural network pruning",
    needs={"data", "labels", "gradients"},
    mode="eval",
    notes=(
        "structure=weight has the order of |gθ|, which is snip's; the modes' defaults differ. structure=filter is the "
        "joint importance (Σ gθ)² of a filter's weights, that is, of a gate behind it; gθ of opposite signs cancel, "
        "unlike in the paper's other form, the sum of squares. The weights of a filter share its score, so filters go "
        "whole, but for the one at the threshold, which goes in part so that the count is exact. g is the gradient of "
        "the mean loss over the whole scoring set; the authors square it minibatch by minibatch, between updates of a "
        "trained network, and average, and their gates sit behind BatchNorm."
    ),
)
def taylor(ctx: Scoring, *, structure: Literal["weight", "filter"] = "weight") -> Scores:
    """(gθ)² of a weight, (Σ gθ)² of a filter: the squared change of the loss without it, to first order (section 3).

    Args:
        ctx: the network and its scoring set.
        structure: what is scored as one. A filter is all that leads to one output unit.
    """
    gradients = ctx.gradients(ctx.loss())
    change = {name: (gradients[name] * w).detach() for name, w in ctx.weights.items()}
    if structure == "filter":
        change = by_filter(_joint, change, ctx.model)
    # In single precision the square of a small change is zero.
    return {name: value.cpu().double().square() for name, value in change.items()}


def _joint(rows: Tensor) -> Tensor:
    return rows.sum(1, keepdim=True).expand_as(rows)
