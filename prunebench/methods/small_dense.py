"""A thinner dense network of as many weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.engine.custom import Method, method
from prunebench.engine.structure.channels import Channels
from prunebench.engine.structure.thinner import thinner
from prunebench.engine.ticket import Ticket

if TYPE_CHECKING:
    from prunebench.engine.context import Pruning


@method(
    "small-dense",
    paper="Ma et al. 2021, Sanity checks for lottery tickets: does your winning ticket really win the jackpot?",
    traits={"control", "nested"},
    notes=(
        "The first channels of every layer, by the same share of each, coupled through shortcuts; inputs and outputs "
        "of the network stay. Channels come whole, so that the count is made exact with weights of one more. Masks are "
        "blocks of the network given, and weights are the initial ones of the block times √(fan-in of the network / "
        "fan-in that is kept), layer by layer, so that they have the variance of a smaller network that is initialised "
        "by fan-in; where an initialisation goes by fan-out, or by no fan at all, and for biases, that is not its own. "
        "It is trained by the whole recipe. Below one channel a layer there is no such network, which is an error."
    ),
)
class SmallDense(Method):
    """Same depth, less width: dense, and of as many weights as the ticket."""

    def prune(self, ctx: Pruning) -> Ticket:
        """Block masks, and weights that are scaled to their new fan-in."""
        channels = Channels.of(ctx.model, ctx.shape)
        found = thinner(channels, ctx.count)
        ratios = channels.fan_in_ratio(found.removed)
        weights = {name: weight.detach() * ratios[name] ** 0.5 for name, weight in ctx.weights.items()}
        return Ticket(found.masks, weights)
