"""Controls of pruning during training: the same weights are disturbed for some batches, and stay in the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from prunebench.engine.away import Away, Shaken
from prunebench.engine.custom import TRAINING, method
from prunebench.engine.events import Log
from prunebench.engine.targets import FilterTargets, WeightTargets
from prunebench.engine.ticket import Ticket
from prunebench.errors import SpecError
from prunebench.methods.targeted import PAPER, Eventful

if TYPE_CHECKING:
    from prunebench.engine.by_function import FunctionTrainer
    from prunebench.engine.context import Pruning
    from prunebench.engine.targets import Targets
    from prunebench.engine.trainer import Trainer

_NOTES = (
    "For `batches` training batches after the event, what it chose is zero (`kind=zero`), then returns at its value "
    "before the event (`returns=old`), at zero, where weights go on as they are, or as another initialisation has it "
    "(`redrawn`); or gets Gaussian noise before each of these batches (`kind=gaussian`), which adds up, and goes on "
    "from where noise and training have brought it. The noise has the standard deviation of the layer's weights that "
    "no event has chosen; the authors take that of the first such filter. Their counters also count test batches: "
    "129 stands for 51 training batches, 1500 for 1106. What the optimiser knew of a weight at zero is gone when it "
    "returns. `cumulative=true` disturbs all that has been chosen so far, else only what this event chose. Events may "
    "overlap: each weight returns after the batches of the last event that took it, at the value before the first. "
    "What is away when training ends returns then. The network ends dense; masks and density are those of "
    "the pruning that this is the control of, and instability is measured as there, after the first noise."
)


@dataclass(frozen=True, kw_only=True)
class _Disturbed(Eventful):
    """What is chosen is disturbed for a while."""

    kind: Literal["zero", "gaussian"] = "zero"
    returns: Literal["old", "zero", "redrawn"] = "old"
    batches: int = 50
    cumulative: bool = False

    def __post_init__(self) -> None:
        """Check what can be checked without a training.

        Raises:
            SpecError: a parameter is out of range, or two do not go together.
        """
        super().__post_init__()
        if self.batches < 1:
            raise SpecError(f"{self.called}: batches={self.batches} is less than the one batch that there has to be")
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
        disturb = (self._zeroed if self.kind == "zero" else self._shaken)(ctx, trainer)
        cut = 0
        for step, (number, of) in events.items():
            disturb.run(step)
            if targets.choose(number, of):
                before = log.measure()
                disturb.take(targets, last=not self.cumulative, until=step + self.batches)
                log.note(step, targets.masks.kept(), before)
                cut += step + self.batches > trainer.total
        disturb.run(trainer.total)
        disturb.end()
        notes += (f"training ended before the {self.batches} batches of {cut} events",) if cut else ()
        return Ticket(
            targets.masks, trainer.weights(), (*targets.notes, *notes, *log.notes), phase=None, sparse=False,
            spent=(trainer.step - trainer.begun) / trainer.length, events=tuple(log.entries),
        )  # fmt: skip

    def _zeroed(self, ctx: Pruning, trainer: Trainer | FunctionTrainer) -> _Zeroing:
        fresh = ctx.fresh if self.returns == "redrawn" else {}
        return _Zeroing(trainer, Away(trainer, self.returns, fresh))

    def _shaken(self, ctx: Pruning, trainer: Trainer | FunctionTrainer) -> _Shaking:
        return _Shaking(trainer, Shaken(trainer, ctx.generator))


@dataclass(frozen=True)
class _Zeroing:
    """A training in which weights go and come back."""

    trainer: Trainer | FunctionTrainer
    away: Away

    def run(self, step: int) -> None:
        """Train up to a step; what is due there has returned."""
        while (due := self.away.next) is not None and due <= step:
            self.trainer.run(due)
            self.away.back(due)
        self.trainer.run(step)

    def take(self, targets: Targets, *, last: bool, until: int) -> None:
        """Take what has been chosen."""
        self.away.take(targets.taken(last=last), until)

    def end(self) -> None:
        """Return what is left."""
        while (due := self.away.next) is not None:
            self.away.back(due)


@dataclass(frozen=True)
class _Shaking:
    """A training in which weights get noise."""

    trainer: Trainer | FunctionTrainer
    shaken: Shaken

    def run(self, step: int) -> None:
        """Train up to a step; the noise of the batch after it is still to come."""
        while self.shaken.busy and self.trainer.step < step:
            self.trainer.run(self.trainer.step + 1)
            ...

    def take(self, targets: Targets, *, last: bool, until: int) -> None:
        """Begin to shake what has been chosen."""

    def end(self) -> None:
        """Nothing is away."""
