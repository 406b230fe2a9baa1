"""Magnitude pruning."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.engine.selection.scorer import scorer

if TYPE_CHECKING:
    from prunebench.engine.selection.scoring import Scores, Scoring


@scorer(
    "magnitude",
    paper="Han et al. 2015, Learning both weights and connections for efficient neural networks",
    notes="Of the weights given: initial ones where nothing was trained. Iterating changes nothing.",
)
def magnitude(ctx: Scoring) -> Scores:
    """|θ|."""
    return {name: w.abs() for name, w in ctx.weights.items()}
