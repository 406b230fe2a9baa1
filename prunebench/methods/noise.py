"""Controls of pruning during training: the same weights are disturbed for some batches, and stay in the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from prunebench.engine.custom import TRAINING, method
from prunebench.engine.ticket import Ticket
from prunebench.engine.training.disturbance import Shaking, Zeroing
from prunebench.engine.training.events import Log
from prunebench.engine.training.targets import FilterTargets, WeightTargets
from prunebench.errors import SpecError
from prunebench.methods.targeted import PAPER, Eventful
from prunebench.parameters import AtLeast

if TYPE_CHECKING:
    from prunebench.engine.context import Pruning
    from prunebench.engine.training.by_function import FunctionTrainer
    from prunebench.engine.training.disturbance import Disturbance
    from prunebench.engine.training.trainer import Trainer

_NOTES = (
    "For `batches` training batches after the event, what it chose is zero (`kind=zero`), then returns at its value "
    "before the event (`returns=old`), at zero, where weights go on as they are, or as another initialisation has it "
    "(`redrawn`); or gets Gaussian noise before each of these batches (`kind=gaussian`), which adds up, and goes on "
    "from where noise and training have brought it. The noise has the standard deviation of the layer's weights that "
    "no event has chosen; the authors take that of the first such filter. Their counters also count test batches: "
    "129 stands for 51 training batches, 1500 for 1106. What the optimiser knew of a weight at zero is gone when it "
    "returns; theirs keeps its moments, and zeroes normalisation only where old values return. `cumulative=true` "
    "disturbs all that has been chosen so far, else only what this event chose. Events may "
    "overlap: each weight returns after the batches of the last event that took it, at the value before the first. "
    "What is away when training ends returns then. The network ends dense and is measured so; the ticket's masks, and "
    "the density that is asked for, are those of the pruning that this is the control of. Instability is measured as "
    "there, after the first noise."
)


@dataclass(frozen=True, kw_only=True)
class _Disturbed(Eventful):
    """What is chosen is disturbed for a while."""

    kind: Literal["zero", "gaussian"] = "zero"
    returns: Literal["old", "zero", "redrawn"] = "old"
    batches: Annotated[int, AtLeast(1)] = 50
    cumulative: bool = False

    def __post_init__(self) -> None:
        """Check what can be checked without a training.

        Raises:
            SpecError: two parameters do not go together.
        """
        if self.kind == "gaussian" and self.returns != "old":
            raise SpecError(f"{self.called}: returns={self.returns} is of kind=zero; noisy weights do not go away")

    def prune(self, ctx: Pruning) -> Ticket:
        """Train to the end, with events on the way; the ticket is dense and needs no more training.

        Raises:
            SpecError: events end before they begin, or after the training.
            PruningError: no such layers, or they could not be pruned so far.
            TrainingError: the training diverged.
        """
        targets, trainer = self.targets(ctx), ctx.trainer()
        events, notes = self.numbered(trainer)
        log = Log(ctx.model, ctx.validation, trainer.length)
        disturb = self._disturbance(ctx, trainer)
        cut = 0
        for step, (number, of) in events.items():
            disturb.run(step)
            if targets.choose(number, of):
                before = log.measure()
                disturb.take(targets.taken(last=not self.cumulative), step + self.batches, targets.masks)
                log.note(step, targets.masks.kept(), before)
                cut += step + self.batches > trainer.total
        disturb.run(trainer.total)
        disturb.end()
        notes += (f"training ended before the {self.batches} batches of {cut} events",) if cut else ()
        return Ticket(
            targets.masks, trainer.weights(), (*targets.notes, *notes, *log.notes), phase=None, sparse=False,
            spent=(trainer.step - trainer.begun) / trainer.length, events=tuple(log.entries),
        )  # fmt: skip

    def _disturbance(self, ctx: Pruning, trainer: Trainer | FunctionTrainer) -> Disturbance:
        if self.kind == "gaussian":
            return Shaking(trainer, ctx.generator)
        return Zeroing(trainer, self.returns, ctx.fresh if self.returns == "redrawn" else {})


@method(
    "noise", paper=PAPER, needs=TRAINING, traits={"control", "regrows"}, notes=f"The control of `targeted`. {_NOTES}"
)
class Noise(_Disturbed):
    """The weights that `targeted` would prune are zero or noisy for some batches, and stay."""

    called = "noise"

    def targets(self, ctx: Pruning) -> WeightTargets:
        """Single weights."""
        return WeightTargets(ctx, self.target, self.scope, self.layers)


@method(
    "noise-filters",
    paper=PAPER,
    needs=TRAINING,
    traits={"whole", "control", "regrows"},
    notes=(
        f"The control of `targeted-filters`. {_NOTES} At zero, a filter's weights, bias, γ and β are: its output is "
        "exactly zero, as where it is pruned, but what reads it keeps its weights. Old values bring back γ, β and "
        "running statistics too; with `returns=zero`, biases, γ and β are the old ones, since nothing could train a "
        "filter again all of which is zero, and without BatchNorm and a positive bias it stays dead behind a ReLU. "
        "Gaussian noise is on the filter's weights alone."
    ),
)
class NoiseFilters(_Disturbed):
    """The filters that `targeted-filters` would prune are zero or noisy for some batches, and stay."""

    called = "noise-filters"
    importance: Literal["l1", "l2", "ebn", "activations"] = "l2"

    def targets(self, ctx: Pruning) -> FilterTargets:
        """Whole filters."""
        return FilterTargets(ctx, self.target, self.scope, self.layers, self.importance)
