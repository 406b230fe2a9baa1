"""Training by a function of the user's own, for networks and loops that no recipe describes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import torch

from prunebench.engine.masks import Masks, check_alike
from prunebench.engine.prunable import prunable
from prunebench.engine.training.trainer import check_held
from prunebench.errors import TrainingError, UsageError
from prunebench.seeding import seed_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn

    from prunebench.engine.ticket import Phase, Rate


_EPOCHS = 20
"""Parts of a schedule that stand for its epochs, where only its function knows them."""


@dataclass(frozen=True)
class Stretch:
    """What a train function is asked for: to train a network in place from one step of its schedule to another.

    Pruned weights are zero when it is called and have to be zero when it returns: `masks.apply(model)` after every
    optimiser step does it, or `masks.hold(model)` once before. Its optimiser starts anew where `begin` is the
    phase's first step.
    """

    masks: Masks
    begin: int
    """Of `total` steps."""
    end: int
    total: int
    """Steps of the whole schedule."""
    rate: Rate | Literal["constant"] = "recipe"
    """`final`: the schedule's last learning rate throughout; `constant`: `scale` times its largest."""
    scale: float = 1.0
    """Of all learning rates."""
    place: int = 0
    """Steps behind the weights, which batches are counted from: `begin`, unless the phase goes on from trained
    weights, whose next batches are new ones."""


@dataclass(frozen=True)
class TrainFunction:
    """A user's function `(model, stretch) -> None`, and the length of its schedule.

    Raises:
        UsageError: no function, or no positive number of steps.
    """

    function: Callable[[nn.Module, Stretch], object]
    steps: int

    def __post_init__(self) -> None:
        if not callable(self.function):
            raise UsageError(f"a train function is called with (model, stretch), which a {_kind(self.function)} cannot")
        if isinstance(self.steps, bool) or not isinstance(self.steps, int) or self.steps < 1:
            raise UsageError(f"steps={self.steps!r} is no number of steps: it is the length of the whole schedule")


def _kind(value: object) -> str:
    return type(value).__name__


class FunctionTrainer:
    """What `Trainer` is for a recipe, for a user's function."""

    def __init__(
        self, model: nn.Module, train: TrainFunction, *, device: torch.device, phase: Phase, repetition: int = 0
    ) -> None:
        """Make ready; the network moves to the device.

        Raises:
            TrainingError: the phase begins at an epoch; a function has steps only.
        """
        if phase.begin >= 1:
            raise TrainingError(f"position {phase.begin:g} counts epochs: a train function takes shares below 1")
        self.model = model.to(device).train()
        self.length = train.steps
        self.per_epoch = max(1, train.steps // _EPOCHS)
        self.constant: float | None = None
        self.total = max(1, round(train.steps * phase.length))
        self.step = self.begun = round(phase.begin * train.steps)
        self._shift = 0 if phase.after is None else round(phase.after * self.length) - self.begun
        self.examples = 0
        self._function, self._phase = train.function, phase
        self._device, self._repetition = device, repetition
        self._masks: Masks | None = None
        self._held: dict[str, Tensor] = {}
        self._before = [parameter.detach().clone() for parameter in model.parameters()]

    @property
    def masks(self) -> Masks:
        """What the network keeps now."""
        return self._masks or Masks.full({name: weight.cpu() for name, weight in prunable(self.model).items()})

    @property
    def held(self) -> Mapping[str, Tensor]:
        """Other parameters that stay zero where their tensor is False."""
        return self._held

    def hold(self, masks: Masks | None, held: Mapping[str, Tensor] | None = None) -> None:
        """Keep these weights from now on; the others become zero.

        Raises:
            PruningError: the masks are not those of the network, or `held` names no parameter of it.
        """
        if masks is not None:
            check_alike(masks, prunable(self.model))
        check_held(held or {}, dict(self.model.named_parameters(remove_duplicate=False)))
        self._masks, self._held = masks, dict(held or {})
        if masks is not None:
            masks.apply(self.model)
        self._clear()

    def run(self, until: int | None = None) -> None:
        """Train up to a step; None is to the end.

        torch's random stream depends on the repetition and on where the stretch begins alone, counted as `Phase.after`
        says: a run up to a rewind point and the whole one shuffle alike, and so do all methods.

        Raises:
            TrainingError: pruned weights are no longer zero, or weights are not finite; at the end, no weight is
                other than when it all began.
        """
        end = self.total if until is None else min(until, self.total)
        if self.step >= end:
            return
        rate: Rate | Literal["constant"] = "constant" if self.constant is not None else self._phase.rate
        scale = self._phase.scale if self.constant is None else self.constant
        place = self.step + self._shift
        stretch = Stretch(self.masks, self.step, end, self.total, rate, scale, place)
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.enable_grad():
            torch.manual_seed(seed_of("train-function", self._repetition, epoch=place))
            self._function(self.model, stretch)
        self.step = end
        self._clear()
        for name, parameter in self.model.named_parameters():
            if not torch.isfinite(parameter).all():
                raise TrainingError(f"the train function left weights in {name} that are not finite, at step {end}")
        for name, weight in prunable(self.model).items():
            if self._masks is not None and weight.detach()[~self._masks[name].to(weight.device)].any():
                raise TrainingError(
                    f"the train function brought pruned weights of {name} back, by step {end}: call "
                    "stretch.masks.apply(model) after every optimiser step"
                )
        # The last learning rate of a schedule may be zero.
        if end == self.total and rate == "recipe" and not self._moved():
            raise TrainingError(
                f"the train function changed no weight up to step {end}: it has to train the model that it is given, "
                "in place"
            )

    def weights(self) -> dict[str, Tensor]:
        """Parameters and buffers as they are now, copied to the CPU."""
        return {name: value.detach().cpu().clone() for name, value in self.model.state_dict().items()}

    def _moved(self) -> bool:
        """Whether a weight that is there has another value than at the start."""
        pairs = zip(self.model.parameters(), self._before, strict=True)
        with torch.no_grad():
            return any(bool(((now != old.to(now.device)) & (now != 0)).any()) for now, old in pairs)

    def _clear(self) -> None:
        parameters = dict(self.model.named_parameters(remove_duplicate=False))
        with torch.no_grad():
            for name, mask in self._held.items():
                parameters[name].masked_fill_(~mask.to(parameters[name].device), 0)
