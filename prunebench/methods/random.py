"""Random pruning: the control."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from prunebench.engine.selection.scorer import scorer

if TYPE_CHECKING:
    from prunebench.engine.selection.scoring import Scores, Scoring


@scorer(
    "random", traits={"random"}, notes="Empties the smallest layer first. Every round draws anew; masks stay nested."
)
def random(ctx: Scoring) -> Scores:
    """Uniform scores, independent for every weight."""
    return {name: torch.rand(w.shape, generator=ctx.generator) for name, w in ctx.weights.items()}
