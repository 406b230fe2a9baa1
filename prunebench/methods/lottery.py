"""Lottery tickets: trained magnitudes choose the weights, which start again from an early point."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.engine.custom import TRAINING, Method, MethodSpec, Position, method
from prunebench.errors import SpecError
from prunebench.spec import canonical_density

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prunebench.engine.custom import N, Steps
    from prunebench.engine.ticket import Rate


_MOST = 1000
"""Rounds: a rate that needs more is a slip, and planning it would take minutes."""


def rounds(density: float, rate: float) -> Iterator[float]:
    """Densities after each round that removes a share `rate` of what is left; the last one is exactly d.

    Raises:
        SpecError: the share is outside (0, 1], or takes more than a thousand rounds.
    """
    if not 0 < rate <= 1:
        raise SpecError(
            f"rate={rate:g} is outside (0, 1]: it is the share of the remaining weights that a round prunes"
        )
    if (1 - rate) ** _MOST > density:
        raise SpecError(f"rate={rate:g} takes more than {_MOST} rounds to density {density:g}: prune more in a round")
    left, number = 1.0, 0
    while left > density:
        number += 1
        left = max(density, canonical_density((1 - rate) ** number))
        yield left
    if density == 1:
        yield density


def in_rounds(
    steps: Steps[N], density: float, rate: float, *, by: str, weights: float | None, begin: float,
    learning: Rate = "recipe",
) -> N:  # fmt: skip
    """Prune by a share of what is left, train, again, down to exactly d; the last ticket is still to be trained.

    Args:
        steps: of the task.
        density: d.
        rate: share of the remaining weights that a round removes; 1 does all in one.
        by: spec of the scored method that says which weights go.
        weights: position in the dense training that survivors go back to; None keeps them.
        begin: position at which each ticket's training starts.
        learning: the recipe's learning rates from there on, or its last.
    """
    network, ticket = steps.train(), None
    for left in rounds(density, rate):
        network = network if ticket is None else steps.train(ticket)
        ticket = steps.cut(network, left, by=by, weights=weights, begin=begin, rate=learning)
    assert ticket is not None, "there is at least one round"
    return ticket


@method(
    "lottery",
    paper="Frankle & Carbin 2019, The lottery ticket hypothesis",
    needs=TRAINING,
    traits={"nested"},
    notes=(
        "One-shot: |W_T| after one dense training decides over all layers together (`by`), survivors go back to W_0. "
        "The paper's MLPs and LeNet prune by layer, at half the rate in the output layer: `by=magnitude(scope=layer)` "
        "has one rate. BatchNorm's statistics and the optimiser start anew as well."
    ),
)
class Lottery(Method):
    """Largest trained magnitudes of one dense training, from their initial values."""

    by: MethodSpec = "magnitude"
    rewind: Position = 0.0

    def tickets(self, steps: Steps[N], density: float) -> N:
        """Train, cut, rewind."""
        return steps.cut(steps.train(), density, by=self.by, weights=self.rewind, begin=self.rewind)


@method(
    "imp",
    paper="Frankle & Carbin 2019; Frankle et al. 2020, Linear mode connectivity and the lottery ticket hypothesis",
    needs=TRAINING,
    traits={"nested"},
    notes=(
        "Each round trains, removes a share `rate` of the remaining weights, and puts the survivors back to W_k of the "
        "dense run, k being `rewind`. The last round cuts exactly to the density asked for. Rounds at densities that "
        "two tickets have in common are one piece of work."
    ),
)
class IMP(Method):
    """Iterative magnitude pruning: train, prune a fifth of what is left, rewind, again."""

    rate: float = 0.2
    rewind: Position = 0.0
    by: MethodSpec = "magnitude"

    def tickets(self, steps: Steps[N], density: float) -> N:
        """One training a round."""
        return in_rounds(steps, density, self.rate, by=self.by, weights=self.rewind, begin=self.rewind)
