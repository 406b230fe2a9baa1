"""Tickets that go on from a trained network: weights, learning rates or neither of them rewound."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.engine.custom import TRAINING, Method, MethodSpec, Position, method
from prunebench.methods.lottery import in_rounds

if TYPE_CHECKING:
    from prunebench.engine.custom import N, Steps

_RENDA = "Renda et al. 2020, Comparing rewinding and fine-tuning in neural network pruning"


@method(
    "weight-rewinding",
    paper=_RENDA,
    needs=TRAINING,
    traits={"nested"},
    notes=(
        "W_{T−t} ⊙ m, trained from T − t to T by the recipe's own learning rates and on the same batches. `rewind` is "
        "the position T − t: a share of T below 1, epochs from 1 up; the paper's t is T − rewind. Positions that the "
        "recipe keeps (its own `rewind`) cost no run. The optimiser starts anew there, without the dense run's "
        "momentum. rate=1 is one-shot, which is lottery(rewind=…); rate=0.2 prunes a fifth of the remaining weights a "
        "round, each of which goes back to the weights of the one dense run, and is imp(rewind=…)."
    ),
)
class WeightRewinding(Method):
    """Largest trained magnitudes, back to their values and learning rates at T − t."""

    rewind: Position = 0.1
    rate: float = 1.0
    by: MethodSpec = "magnitude"

    def tickets(self, steps: Steps[N], density: float) -> N:
        """Train, cut, rewind weights and schedule."""
        return in_rounds(steps, density, self.rate, by=self.by, weights=self.rewind, begin=self.rewind)


@method(
    "lr-rewinding",
    paper=_RENDA,
    needs=TRAINING,
    traits={"nested"},
    notes=(
        "W_T ⊙ m, trained from T − t to T by the recipe's learning rates. `rewind` is the position T − t: a share of T "
        "below 1, epochs from 1 up; 0 is t = T, which the paper recommends with rate=0.2: a fifth of the remaining "
        "weights goes each round, and the next round starts from what is trained then. Its epochs are new ones, as "
        "those of a longer training would be: batches and crops that the weights have not seen. rate=1 is one-shot. "
        "r rounds train for T + r·t in all; dense-long and reinit(long=true) are controls of equal length. BatchNorm's "
        "statistics go on from those of W_T. What released sanity-check code calls by this name is t = T."
    ),
)
class LearningRateRewinding(Method):
    """Largest trained magnitudes with their trained values, and the learning rates from T − t again."""

    rewind: Position = 0.0
    rate: float = 1.0
    by: MethodSpec = "magnitude"

    def tickets(self, steps: Steps[N], density: float) -> N:
        """Train, cut, rewind the schedule."""
        return in_rounds(steps, density, self.rate, by=self.by, weights=None, begin=self.rewind)


@method(
    "fine-tune",
    paper="Han et al. 2015, Learning both weights and connections for efficient neural networks; Renda et al. 2020",
    needs=TRAINING,
    traits={"nested"},
    notes=(
        "W_T ⊙ m, trained for t at the last learning rate of the recipe, or 1 % of its largest where a schedule falls "
        "to nothing. `begin` is the position T − t, as `rewind` is for the other two, so that equal values are equal "
        "budgets: training lasts as long as the recipe has left, through new epochs; 0 is t = T. "
        "rate=1 is one-shot; rate=0.2 prunes and trains in rounds, as Han et al. do, who choose a threshold a layer "
        "from its standard deviation by hand: `by` says over what weights compete. Their change of dropout and of "
        "regularisation with the sparsity is left out."
    ),
)
class FineTune(Method):
    """Largest trained magnitudes with their trained values, trained on at the last learning rate."""

    begin: Position = 0.0
    rate: float = 1.0
    by: MethodSpec = "magnitude"

    def tickets(self, steps: Steps[N], density: float) -> N:
        """Train, cut, train on."""
        return in_rounds(steps, density, self.rate, by=self.by, weights=None, begin=self.begin, learning="final")
