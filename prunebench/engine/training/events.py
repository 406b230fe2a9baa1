"""Pruning events during one training: when they come, what they leave, what they do to the network at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prunebench.engine.training.by_function import FunctionTrainer
from prunebench.engine.training.evaluate import evaluate
from prunebench.errors import SpecError
from prunebench.tasks.recipes.base import in_steps

if TYPE_CHECKING:
    from torch import nn

    from prunebench.engine.training.trainer import Trainer
    from prunebench.tasks.datasets.base import Samples

Measured = dict[str, float]

_SLACK = 1e-9
"""Of a position: 0.2 + 3·0.15 is 0.65."""


@dataclass(frozen=True)
class Timing:
    """When events come: from `start` to `end`, both included, all positions as of a recipe.

    Positions are shares of the training below 1 and epochs from 1 up, each counted as training that has been done:
    the event at 6 comes after six epochs.
    """

    start: float
    end: float
    interval: float
    """Between events; 0 spreads `events` of them evenly."""
    events: int

    def steps(self, trainer: Trainer | FunctionTrainer, owner: str) -> list[int]:
        """The step after which each event comes, in ascending order; two may fall on one step.

        Raises:
            SpecError: events end before they begin, or after the training; a train function has no epochs.
        """
        start, end = (self._at(name, trainer, owner) for name in ("start", "end"))
        if start > end:
            raise SpecError(
                f"{owner}: start={self.start:g} (step {start:g}) lies behind end={self.end:g} (step {end:g})"
            )
        if not self.interval:
            return [round(start + (end - start) * i / max(1, self.events - 1)) for i in range(self.events)]
        every = self._at("interval", trainer, owner)
        return [round(start + every * i) for i in range(int((end - start) / every + _SLACK) + 1)]

    def _at(self, name: str, trainer: Trainer | FunctionTrainer, owner: str) -> float:
        """A position's step, not rounded."""
        position: float = getattr(self, name)
        if position >= 1 and isinstance(trainer, FunctionTrainer):
            raise SpecError(f"{owner}: {name}={position:g} counts epochs: a train function takes shares below 1")
        step = in_steps(position, trainer.total, trainer.per_epoch)
        if step > trainer.total:
            length = trainer.total / trainer.per_epoch
            raise SpecError(f"{owner}: {name}={position:g} is past the end of the training, {length:g} epochs")
        return step


def kept_after(size: int, final: int, event: int, events: int) -> int:
    """⌈F + (N − F)(n − i)/n⌉: what is kept after event i of n, the same number every time (Bartoldson et al. 2020).

    Args:
        size: N.
        final: F, kept after the last one.
        event: i, from 1.
        events: n.
    """
    return -(-(final * events + (size - final) * (events - event)) // events)


@dataclass
class Log:
    """What happened at each event of one training."""

    model: nn.Module
    validation: Samples | None
    """None: events are noted, and nothing is measured."""
    length: int
    """T, in steps."""
    entries: list[Measured] = field(default_factory=list)

    def measure(self) -> Measured:
        """`accuracy` (%) and `loss` (nats) on the validation split, in eval mode; empty without one."""
        if self.validation is None:
            return {}
        return evaluate(self.model, self.validation.to(next(self.model.parameters()).device))

    def note(self, step: int, kept: int, before: Measured) -> None:
        """An event that has just happened, measured before and now.

        Instability is what it costs at once, larger being less stable: of accuracy t_pre − t_post (`instability_abs`,
        in points) and (t_pre − t_post)/t_pre (`instability_rel`), of loss what is added (`loss_instability_abs`, in
        nats) and that over the loss before (`loss_instability_rel`). A value over zero is left out.
        """
        entry: Measured = {"position": step / self.length, "step": step, "kept": kept}
        if before:
            after = self.measure()
            for name, prefix, sign in (("accuracy", "", 1), ("loss", "loss_", -1)):
                entry |= {f"{name}_before": before[name], f"{name}_after": after[name]}
                drop = sign * (before[name] - after[name])
                entry[f"{prefix}instability_abs"] = drop
                if before[name]:
                    entry[f"{prefix}instability_rel"] = drop / before[name]
        self.entries.append(entry)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader has to know of the measurements."""
        if self.validation is not None or not self.entries:
            return ()
        return ("no validation split: the instability of events is not measured",)
