"""Dense-sparse-dense training: masks as a regulariser."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from prunebench.engine.custom import TRAINING, Method, MethodSpec, method
from prunebench.errors import SpecError

if TYPE_CHECKING:
    from prunebench.engine.custom import N, Steps


@method(
    "dsd",
    paper="Han et al. 2017, DSD: dense-sparse-dense training for deep neural networks, arXiv:1607.04381",
    needs=TRAINING,
    traits={"nested", "regrows"},
    notes=(
        "Train dense; prune the smallest |W_T| of each layer to the density; train under the masks from W_T; drop the "
        "masks, so that pruned weights start at zero and the others from where they are, and train at `final_scale` of "
        "the recipe's learning rates. What is measured at the end is a dense network, and masks and density are those "
        "of the sparse phase. Each phase is one length of the recipe, 3 T in all; dense-long(of=dsd) is the control of "
        "equal length that the paper's comparison lacks. sparse_rates=recipe trains the sparse phase by the whole "
        "schedule, final by its last rate throughout; the authors released weights and no training code, which would "
        "say. The paper prunes 25 to 50 % of the weights, 30 % being usual. At densities that leave a unit no weight, "
        "neither in nor out, and no positive bias, it has no gradient and stays out of the dense network."
    ),
)
class DenseSparseDense(Method):
    """Train dense, then pruned within layers, then dense again at a tenth of the learning rate."""

    by: MethodSpec = "magnitude(scope=layer)"
    sparse_rates: Literal["recipe", "final"] = "recipe"
    final_scale: float = 0.1

    def tickets(self, steps: Steps[N], density: float) -> N:
        """Dense, sparse, and a ticket that drops its masks."""
        if self.final_scale <= 0:
            raise SpecError(f"dsd: final_scale={self.final_scale:g} must be above 0")
        pruned = steps.cut(steps.train(), density, by=self.by, weights=None, rate=self.sparse_rates)
        return steps.cut(steps.train(pruned), None, weights=None, scale=self.final_scale, sparse=False)
