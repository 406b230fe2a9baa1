"""Small, random or large weights or filters go while the network trains: what pruning costs at once, and in the end."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

from prunebench.engine.custom import TRAINING, Method, Position, method
from prunebench.engine.ticket import Ticket
from prunebench.engine.training.events import Log, Timing
from prunebench.engine.training.targets import FilterTargets, WeightTargets
from prunebench.parameters import AtLeast

if TYPE_CHECKING:
    from prunebench.engine.context import Pruning
    from prunebench.engine.training.by_function import FunctionTrainer
    from prunebench.engine.training.targets import Targets
    from prunebench.engine.training.trainer import Trainer

PAPER = "Bartoldson et al. 2020, The generalization-stability tradeoff in neural network pruning"

_EVENTS = (
    "Events come at `start`, `start` + `interval` and so on to `end`, which is included as in the authors' code; with "
    "`interval=0` there are `events` of them, evenly. After event i of n, N − F of N having to go in all, "
    "⌈F + (N − F)(n − i)/n⌉ are kept. Positions count training that is done: 6 is after six epochs. All layers have "
    "one start, where the paper's begin an epoch apart. An event that takes nothing, for rounding, is none. Accuracy "
    "and loss just before and just after each event are measured on the validation split, and the series of the record "
    "have them, with instability_abs = t_pre − t_post, the poster's, and instability_rel = (t_pre − t_post)/t_pre, the "
    "published code's; the authors measure on the test split. start=0 with events=1 prunes before any training. "
)


@dataclass(frozen=True, kw_only=True)
class Eventful(Method):
    """What methods have in common that prune at events of one training."""

    target: Literal["small", "random", "large"] = "small"
    """Which of a layer go: those of the least importance, any, those of the greatest."""
    scope: Literal["layer", "global"] = "layer"
    layers: Annotated[Literal["hidden", "all"] | int | tuple[str, ...], AtLeast(1)] = "hidden"
    start: Position = 0.2
    end: Position = 0.65
    interval: Position = 0.0
    events: Annotated[int, AtLeast(1)] = 4

    @property
    @abstractmethod
    def called(self) -> str:
        """Its name in messages."""

    @abstractmethod
    def targets(self, ctx: Pruning) -> Targets:
        """What events choose from."""

    @property
    def timing(self) -> Timing:
        """When events come."""
        return Timing(self.start, self.end, self.interval, self.events)

    def numbered(self, trainer: Trainer | FunctionTrainer) -> tuple[dict[int, tuple[int, int]], tuple[str, ...]]:
        """Events i of n by the step after which they come, the last of those on one step; and a note where some are.

        Raises:
            SpecError: events end before they begin, or after the training.
        """
        steps = self.timing.steps(trainer, self.called)
        found = {step: (number, len(steps)) for number, step in enumerate(steps, 1)}
        notes = (f"{len(steps)} events on {len(found)} steps",) if len(found) < len(steps) else ()
        return found, notes


@dataclass(frozen=True, kw_only=True)
class _Pruned(Eventful):
    """What is chosen goes for good."""

    def prune(self, ctx: Pruning) -> Ticket:
        """Train to the end, with events on the way; the ticket needs no more training.

        Raises:
            SpecError: events end before they begin, or after the training.
            PruningError: no such layers, or they cannot be pruned so far.
            TrainingError: the training diverged.
        """
        targets, trainer = self.targets(ctx), ctx.trainer()
        events, notes = self.numbered(trainer)
        log = Log(ctx.model, ctx.validation, trainer.length)
        for step, (number, of) in events.items():
            trainer.run(step)
            if targets.choose(number, of):
                before, masks = log.measure(), targets.masks
                trainer.hold(masks, targets.held)
                log.note(step, masks.kept(), before)
        trainer.run()
        return Ticket(
            targets.masks, trainer.weights(), (*targets.notes, *notes, *log.notes), phase=None, held=targets.held,
            spent=(trainer.step - trainer.begun) / trainer.length, events=tuple(log.entries),
        )  # fmt: skip


@method(
    "targeted",
    paper=PAPER,
    needs=TRAINING,
    notes=(
        f"{_EVENTS}Importance is |w|, for single weights both the ℓ1 and the ℓ2 norm. What a layer keeps in the end is "
        "its part of the exact count, the same share of all that are pruned; `scope=global` lets them compete. "
        "`layers`: `hidden` is all but the last, `all`, a number the last so many hidden ones, or names of weights. "
        "Where the density leaves no room for a whole last layer, all layers are pruned, and the ticket says so."
    ),
)
class Targeted(_Pruned):
    """Small, random or large weights of each layer, at events of one training."""

    called = "targeted"

    def targets(self, ctx: Pruning) -> WeightTargets:
        """Single weights."""
        return WeightTargets(ctx, self.target, self.scope, self.layers)


@method(
    "targeted-filters",
    paper=PAPER,
    needs=TRAINING,
    traits={"whole"},
    notes=(
        f"{_EVENTS}A filter goes with its bias, its BatchNorm, the same channel of all layers that a shortcut adds to "
        "it, and the weights that read nothing else; all of these stay zero, and the channel is zero exactly. N and F "
        "count filters of a group: F is the same share of all groups, the largest whose network has at most round(d·N) "
        "weights, and single filters follow in forward order as far as they fit; the ticket says what that comes to. "
        "With `scope=global` the filters of all groups compete for weights by that formula, and one a group stays. "
        "`layers`: `hidden` and `all` are all that have filters to remove, a number the last so many, or names. "
        "`importance`: ℓ1 or ℓ2 norm of the filter; `ebn`, the mean of a ReLU after its BatchNorm were the input "
        "standardised, βΦ(β/|γ|) + |γ|φ(β/|γ|), γ being the standard deviation; `activations`, mean |pre-activation| "
        "over a class-balanced batch in eval mode at the event. A channel of several layers has the sum over them. "
        "For outputs of blocks the ReLU comes after the shortcut, so that E[BN] is not the mean of the output there. "
        "The authors score by the ℓ2 norm, prune layer by layer without regard to shortcuts, and keep a running "
        "average of activations over training batches."
    ),
)
class TargetedFilters(_Pruned):
    """Small, random or large filters of each layer, with all that belongs to them, at events of one training."""

    called = "targeted-filters"
    importance: Literal["l1", "l2", "ebn", "activations"] = "l2"

    def targets(self, ctx: Pruning) -> FilterTargets:
        """Whole filters."""
        return FilterTargets(ctx, self.target, self.scope, self.layers, self.importance)
