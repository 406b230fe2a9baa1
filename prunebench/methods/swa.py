"""Stochastic weight averaging of tickets."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.engine.custom import TRAINING, Method, MethodSpec, Position, method
from prunebench.errors import SpecError

if TYPE_CHECKING:
    from prunebench.engine.custom import N, Steps


@method(
    "swa",
    paper="Izmailov et al. 2018, Averaging weights leads to wider optima and better generalization",
    needs=TRAINING,
    notes=(
        "The ticket of `of` is trained by its own schedule up to `start`, a share of it below 1 or epochs from 1 up, "
        "and at a constant learning rate from there on: `rate` times the recipe's largest. The weights after each of "
        "those epochs are averaged with equal weight, and BatchNorm's statistics are taken anew over the training "
        "data. The default rate is the authors' 0.05 of 0.1; their VGG-16 takes 0.01 of 0.05. They go there in a "
        "straight line from the middle to 0.9 of `start`, where this changes at once. The masks are those of `of` all "
        "the while: an average over different masks is dense, so that a ticket which has been trained already, whose "
        "masks may have changed, or which drops them is refused."
    ),
)
class Averaged(Method):
    """A ticket's weights, averaged over the last epochs of its training under its one mask."""

    of: MethodSpec = "lottery"
    start: Position = 0.75
    rate: float = 0.5

    def tickets(self, steps: Steps[N], density: float) -> N:
        """Find the other's ticket, train and average it."""
        if self.rate <= 0:
            raise SpecError(f"swa: rate={self.rate:g} must be above 0")
        return steps.average(steps.find(self.of, density), start=self.start, rate=self.rate)
