"""Controls: the dense network, and a ticket's masks with other weights, for one length of the recipe or the whole."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.engine.custom import TRAINING, Method, MethodSpec, method
from prunebench.spec import parse_density

if TYPE_CHECKING:
    from prunebench.engine.custom import N, Steps


@method(
    "dense",
    needs=TRAINING,
    traits={"chooses", "control"},
    notes="Nothing is pruned, whatever density is asked for. Its training is the one that trained tickets start from.",
)
class Dense(Method):
    """The whole network, trained once."""

    def tickets(self, steps: Steps[N], density: float) -> N:  # noqa: ARG002
        """No stage at all."""
        return steps.whole()


@method(
    "dense-long",
    needs=TRAINING,
    traits={"chooses", "control"},
    notes=(
        "The schedule is stretched over the length that finding and training the ticket of `of` at `density` take "
        "together, in units of T: 2 of a one-shot ticket, r + 1 of r rounds of imp. Its epochs are those that "
        "the other went through, where that goes on from trained weights. `trainings` counts its own training alone; "
        "what it took to learn the length stands under `find` in its cost. `density` decides how many rounds an "
        "iterative method takes; for others it changes nothing."
    ),
)
class DenseLong(Method):
    """The whole network, trained for as long as finding and training a ticket takes."""

    of: MethodSpec = "lottery"
    density: float = 0.1

    def tickets(self, steps: Steps[N], density: float) -> N:  # noqa: ARG002
        """Find the other's ticket, drop its masks, stretch the schedule."""
        return steps.control(steps.find(self.of, parse_density(self.density)), dense=True, long=True)


@method(
    "reinit",
    paper="Frankle & Carbin 2019, The lottery ticket hypothesis; Liu et al. 2019, Rethinking the value of pruning",
    needs=TRAINING,
    traits={"control"},
    notes=(
        "Any method's masks (`of`), with weights, biases and normalisation of another draw of the initialisation, the "
        "same for all methods of a repetition, trained by the whole recipe from its beginning. long=true "
        "stretches the schedule over what finding and training the other took together; what it took to find the masks "
        "still counts as spent. Of a ticket that ends dense, as dsd's, it has the masks. Of a method whose "
        "density is its outcome, it is that density."
    ),
)
class Reinit(Method):
    """The same masks with freshly drawn weights."""

    of: MethodSpec = "lottery"
    long: bool = False

    def tickets(self, steps: Steps[N], density: float) -> N:
        """Find the other's ticket, draw its weights anew."""
        return steps.control(steps.find(self.of, density), fresh=True, long=self.long)


@method(
    "same-ratios",
    paper="Blalock et al. 2020, What is the state of neural network pruning?; Su et al. 2020, random tickets",
    needs=TRAINING,
    traits={"control", "random"},
    notes=(
        "As many weights in every layer as another method's masks have (`of`), wherever they fall, from the initial "
        "weights through the whole recipe: what of its accuracy is owed to the layers' shares alone. What finding the "
        "shares took counts as spent. Of whole filters, single weights."
    ),
)
class SameRatios(Method):
    """Random masks with another method's counts by layer."""

    of: MethodSpec = "magnitude"

    def tickets(self, steps: Steps[N], density: float) -> N:
        """Find the other's ticket, draw its masks anew."""
        return steps.ablate(steps.find(self.of, density), "same-ratios")
