"""Hybrid tickets: the layers' counts of random tickets, the weights of trained ones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.engine.custom import TRAINING, Method, MethodSpec, Position, method
from prunebench.spec import Spec

if TYPE_CHECKING:
    from prunebench.engine.custom import N, Steps


@method(
    "hybrid",
    paper="Su et al. 2020, Sanity-checking pruning methods: random tickets can win the jackpot",
    needs=TRAINING,
    notes=(
        "Each layer keeps as many weights as `ratios` gives it, those of largest |W_T|, and trains from W_T by the "
        "whole recipe: learning-rate rewinding, `rewind` being the position T − t. The command that the authors "
        "published gives the initialisation as the model, whose magnitudes are no trained ones; their definition, and "
        "this, take the trained network. Other profiles are specs of smart-ratio, as in "
        'hybrid(ratios="smart-ratio(profile=linear)"), and any method that ranks within layers has ratios: '
        "hybrid(ratios=erk). Masks need not be nested: a layer's count may grow as the density falls, where another "
        "gives way."
    ),
)
class Hybrid(Method):
    """Smart ratios for the layers, the largest trained magnitudes within each, learning rates from the beginning."""

    ratios: MethodSpec = "smart-ratio"
    rewind: Position = 0.0

    def tickets(self, steps: Steps[N], density: float) -> N:
        """Train, cut within layers, rewind the schedule."""
        rule = Spec.parse(self.ratios)
        ranked = rule.with_params({**rule.mapping, "within": "magnitude"})
        return steps.cut(steps.train(), density, by=str(ranked), weights=None, begin=self.rewind)
