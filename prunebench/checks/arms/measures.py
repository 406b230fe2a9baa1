"""Arms of the measure stage: how a method's scores are measured."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from prunebench.checks.arms.base import measure_stage
from prunebench.errors import SuiteError
from prunebench.registry import METHODS
from prunebench.steps.flow import flow as flow_of

if TYPE_CHECKING:
    from prunebench.checks.base import Block
    from prunebench.graph import Node

_DIFFERENTIATED = {"data", "labels", "gradients"}


@measure_stage(
    "flow",
    paper="Tanaka et al. 2020, Pruning neural networks without any data by iteratively conserving synaptic flow",
    notes=(
        "count=weights scores the network as it is; count=all has biases, BatchNorm's parameters and the operands of "
        "sums among its weights, in a network that computes the same. sign=absolute takes |S| of each weight. "
        "precision is that of the network and its inputs; scores are summed in float64. against=gradient-norms holds "
        "S + g ⊙ g to the laws, g the gradient of the method's loss: exact of GraSP, whose in − out is "
        "‖g_out‖² − ‖g_in‖²."
    ),
)
def flow(
    block: Block, *, count: Literal["weights", "all"] = "weights", sign: Literal["kept", "absolute"] = "kept",
    precision: Literal["double", "single"] = "double", against: Literal["none", "gradient-norms"] = "none",
) -> Node:  # fmt: skip
    """Scores into and out of every hidden unit, and through every set of weights that cuts input from output.

    Raises:
        SuiteError: `gradient-norms` of absolute scores, or of a method that takes no gradient of a loss.
    """
    if against == "gradient-norms":
        if sign == "absolute":
            raise SuiteError("arm 'flow': against=gradient-norms is of signed scores: leave sign=absolute out")
        if not set(METHODS.entry(block.method.name).capabilities) >= _DIFFERENTIATED:
            raise SuiteError(
                f"arm 'flow': against=gradient-norms needs a method that takes gradients of a loss on data, which "
                f"{block.method} does not: give it a grid of its own"
            )
    return flow_of(
        **block.task(), **block.pruner(), repetition=block.repetition, validation=0.0, count=count, sign=sign,
        precision=precision, against=against,
    )  # fmt: skip
