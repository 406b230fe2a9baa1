"""Loss and accuracy after every epoch, over one training or several that go on from each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prunebench.engine.training.evaluate import evaluate
from prunebench.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import nn

    from prunebench.engine.training.trainer import Trainer
    from prunebench.tasks.datasets.base import Samples

Measured = dict[str, float]


class Epochs:
    """What a network is worth after each epoch: `loss` and `accuracy` on some splits, see `evaluate`.

    Attributes:
        series: `epoch`, counted over all trainings so far, and `SPLIT_loss`, `SPLIT_accuracy` and the like.
    """

    def __init__(
        self, splits: Mapping[str, Samples], per_epoch: int, *, begun: int = 0, before: Mapping[str, Any] | None = None
    ) -> None:  # fmt: skip
        """Begin at a step of the recipe, or where the trainings before have ended, given what `plain` gave of them."""
        self.series: dict[str, list[float]] = {"epoch": []}
        self._splits, self._per_epoch, self._before = splits, per_epoch, begun
        self._trainer: Trainer | None = None
        if before is not None:
            self.series |= {name: list(values) for name, values in before["series"].items()}
            self._before = round(before["ended"] * per_epoch)

    def watch(self, trainer: Trainer) -> None:
        """An epoch has ended; what there is at the end of a training is noted by who knows what became of it."""
        if self._trainer is not None and trainer is not self._trainer:
            self._before += self._trainer.step - self._trainer.begun
        self._trainer = trainer
        if trainer.step < trainer.total:
            self._note(trainer.step - trainer.begun, self.measured(trainer.model, trainer.step))

    def measured(self, network: nn.Module, step: int) -> dict[str, Measured]:
        """By split.

        Raises:
            TrainingError: the loss is not finite; the message names the step.
        """
        try:
            return {name: evaluate(network, split) for name, split in self._splits.items()}
        except TrainingError as error:
            raise TrainingError(f"training diverged by step {step}: {error}") from error

    def end(self, steps: int, found: Mapping[str, Measured]) -> None:
        """What the network is worth in the end, so many steps after it began."""
        self._note(steps, found)

    def plain(self) -> dict[str, Any]:
        """JSON form, for a training that goes on from here: the series, and how many epochs have been trained."""
        done = self._trainer.step - self._trainer.begun if self._trainer else 0
        return {"series": self.series, "ended": (self._before + done) / self._per_epoch}

    def _note(self, steps: int, found: Mapping[str, Measured]) -> None:
        """Add a moment, or put it in the place of one at the same epoch."""
        epoch = (self._before + steps) / self._per_epoch
        again = self.series["epoch"][-1:] == [epoch]
        named = {f"{name}_{what}": value for name, measured in found.items() for what, value in measured.items()}
        for name, value in {"epoch": epoch, **named}.items():
            values = self.series.setdefault(name, [])
            if again:
                values.pop()
            values.append(value)
