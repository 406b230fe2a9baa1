"""Gradual magnitude pruning: small weights go while the network trains."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal

from prunebench.engine.custom import TRAINING, Method, Position, method
from prunebench.engine.layout import Layout
from prunebench.engine.selection.ratios import quotas
from prunebench.engine.ticket import Phase, Ticket
from prunebench.engine.training.events import Timing
from prunebench.errors import PruningError, SpecError
from prunebench.methods.uniform import uniform
from prunebench.parameters import AtLeast

if TYPE_CHECKING:
    from prunebench.engine.context import Pruning
    from prunebench.engine.training.by_function import FunctionTrainer
    from prunebench.engine.training.trainer import Trainer

_LONGER = 1.5
"""Length of v2's training over T (Gale et al. 2019)."""
_CLASSIFIER = 0.2
"""Share of the classifier that v2 keeps."""


@method(
    "gmp",
    paper="Zhu & Gupta 2017, To prune, or not to prune; v2: Gale et al. 2019, The state of sparsity",
    needs=TRAINING,
    notes=(
        "Cuts from position `start` to `end`, shares of the whole training below 1 and epochs from 1 up, then the "
        "training goes on to its end. The paper cuts every 100 to 1000 steps; here `events` cuts share the way between "
        "them, so that short and long recipes prune alike (those that fall on one step are one). Defaults of `start` "
        "and `end` are those of v2's published networks, 12 500 and 36 000 of 48 000 steps, which had 12 cuts. "
        "`variant=v2` keeps all of the first layer if it is a convolution, and a fifth of the last layer; the others "
        "make up for it, every layer is on its way by the same formula, and training takes 1.5 T on a stretched "
        "schedule. An MLP has no convolution to keep. Where the others keep more than a fifth, the classifier keeps "
        "as much as they do, and what a budget cannot hold is scaled down, both as in uniform+; the ticket says so. "
        "The authors' TensorFlow code smooths its thresholds, and a masked weight keeps its value and may come back; "
        "here it is zero and never does."
    ),
)
class GMP(Method):
    """Smallest weights go in many cuts during one training, fast at first and then slower (Zhu & Gupta 2017)."""

    start: Position = 0.25
    end: Position = 0.75
    events: Annotated[int, AtLeast(1)] = 20
    initial: float = 0.0
    """Sparsity of the first cut."""
    scope: Literal["layer", "global"] = "layer"
    variant: Literal["original", "v2"] = "original"

    def __post_init__(self) -> None:
        """Check what can be checked without a training.

        Raises:
            SpecError: a parameter is out of range, or two do not go together.
        """
        if not 0 <= self.initial < 1:
            raise SpecError(f"gmp: initial={self.initial:g} is no sparsity in [0, 1)")
        if self.variant == "v2" and self.scope == "global":
            raise SpecError("gmp: variant=v2 says what each layer keeps, so that scope=global cannot be")

    def prune(self, ctx: Pruning) -> Ticket:
        """Train to the end, with cuts on the way; the ticket needs no more training.

        Raises:
            SpecError: the cuts end before they begin, or after the training.
            PruningError: more is to be pruned at first than in the end.
            TrainingError: the training diverged.
        """
        final = 1 - ctx.density
        if self.initial > final:
            raise PruningError(
                f"gmp: initial={self.initial:g} is above the final sparsity {final:g} of density {ctx.density:g}"
            )
        trainer = ctx.trainer(Phase(length=_LONGER if self.variant == "v2" else 1.0))
        kept, notes = self._kept(ctx)
        total, masks = ctx.layers.total, trainer.masks
        for step, done in self._events(trainer).items():
            trainer.run(step)
            sparsity = cubic(done, self.initial, final)
            share = sparsity / final if final else 0.0
            masks = ctx.keep(
                {name: weight.detach().abs() for name, weight in ctx.weights.items()},
                max(ctx.count, round((1 - sparsity) * total)) if done < 1 else ctx.count,
                masks,
                # Eq. 1 of every layer's own final sparsity.
                shares=None if self.scope == "global" else {
                    layer.name: layer.size - share * (layer.size - kept[layer.name]) for layer in ctx.layers
                },
            )  # fmt: skip
            trainer.hold(masks)
        trainer.run()
        spent = (trainer.step - trainer.begun) / trainer.length
        return Ticket(masks, trainer.weights(), notes, phase=None, held=trainer.held, spent=spent)

    def _kept(self, ctx: Pruning) -> tuple[dict[str, float], tuple[str, ...]]:
        """Weights of every layer in the end, not yet whole, and what had to be done about them."""
        plus = self.variant == "v2"
        first, last = ctx.layers[0], ctx.layers[-1]
        rule = partial(uniform, first_dense=plus and not first.linear, last_min=_CLASSIFIER if plus else 0.0)
        kept, notes = quotas(rule, Layout.of(ctx.weights), ctx.density, "gmp")
        ratio = kept[last.name] / last.size
        if plus and ratio > _CLASSIFIER + 1e-9:
            notes += (
                f"density {ctx.density:g} leaves too much for a classifier at {_CLASSIFIER:g}: "
                f"{last.name} keeps {ratio:.3g} as the other layers do",
            )
        return kept, notes

    def _events(self, trainer: Trainer | FunctionTrainer) -> dict[int, float]:
        """Done share of the way by the step after which it is; of those on one step, the last one counts.

        Raises:
            SpecError: the cuts end before they begin, or after the training.
        """
        steps = Timing(self.start, self.end, 0.0, self.events + 1).steps(trainer, "gmp")
        return {step: number / self.events for number, step in enumerate(steps)}


def cubic(done: float, initial: float, final: float) -> float:
    """s_t = s_f + (s_i − s_f)(1 − (t − t₀)/(nΔt))³, held at its ends (Zhu & Gupta 2017, equation 1).

    Args:
        done: (t − t₀)/(nΔt).
        initial: s_i.
        final: s_f.
    """
    return final + (initial - final) * (1 - min(max(done, 0.0), 1.0)) ** 3
