"""Weights that are taken from a network in training for some batches and then come back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prunebench.engine.by_function import FunctionTrainer
    from prunebench.engine.trainer import Trainer

Returns = Literal["old", "zero", "redrawn"]


class Away:
    """Entries of parameters and buffers that are zero until a step each, and then have a value again.

    - `old`: the value that they had when they went, to the bit.
    - `zero`: weights go on from zero, while biases and normalisation have their old values again: with γ and β of
      zero too, no gradient would ever reach them.
    - `redrawn`: those of another initialisation.

    Running statistics of normalisation follow the zero outputs; with `zero` they stay as they have come to be.
    An entry that is taken once more while it is away stays so until the later step, and keeps its first old value.
    """

    def __init__(self, trainer: Trainer | FunctionTrainer, returns: Returns, fresh: Mapping[str, Tensor]) -> None:
        """Nothing is away."""
        self._trainer, self._returns, self._fresh = trainer, returns, fresh
        self._state = {**trainer.model.state_dict(keep_vars=True)}
        self._weights = prunable(trainer.model)
        self._until: dict[str, Tensor] = {}
        self._old: dict[str, Tensor] = {}

    @property
    def next(self) -> int | None:
        """The next step at which something returns."""
        steps = [int(until[until > 0].min()) for until in self._until.values() if (until > 0).any()]
        return min(steps, default=None)

    def take(self, taken: Mapping[str, Tensor], until: int) -> None:
        """Set entries to zero up to a step, by name, True is taken."""
        for name, flags in taken.items():
            value = self._state[name].detach()
            flags = flags.to(value.device)
            if name not in self._until:
                self._until[name] = torch.zeros(value.shape, dtype=torch.int64, device=value.device)
                self._old[name] = torch.zeros_like(value)
            leaving = flags & (self._until[name] == 0)
            self._old[name][leaving] = value[leaving]
            self._until[name][flags] = until
        self._hold()

    def back(self, step: int) -> None:
        """Return what is due at a step."""
        due = {name: (until > 0) & (until <= step) for name, until in self._until.items()}
        for name, flags in due.items():
            self._until[name][flags] = 0
        self._hold()
        with torch.no_grad():
            for name, flags in due.items():
                if self._returns == "redrawn":
                    self._state[name][flags] = self._fresh[name].to(flags.device)[flags]
                elif self._returns == "old" or (name not in self._weights and self._learnt(name)):
                    self._state[name][flags] = self._old[name][flags]

    def _learnt(self, name: str) -> bool:
        return isinstance(self._state[name], torch.nn.Parameter)

    def _hold(self) -> None:
        here = {name: until == 0 for name, until in self._until.items() if (until > 0).any()}
        if not here:
            self._trainer.hold(None)
            return
        masks = {n: here.get(n, torch.ones_like(w, dtype=torch.bool)).cpu() for n, w in self._weights.items()}
        held = {n: kept.cpu() for n, kept in here.items() if n not in self._weights and self._learnt(n)}
        self._trainer.hold(Masks(masks), held)


class Shaken:
    """Weights that get Gaussian noise before every batch until a step each.

    Its standard deviation is that of the weights of their layer that were still to be chosen when they were.
    """

    def __init__(self, trainer: Trainer | FunctionTrainer, generator: torch.Generator) -> None:
        """Nothing is shaken."""
        self._weights, self._generator = prunable(trainer.model), generator
        self._until: dict[str, Tensor] = {}
        self._size: dict[str, float] = {}

    @property
    def busy(self) -> bool:
        """Whether a weight is to be shaken."""
        return any(bool((until > 0).any()) for until in self._until.values())

    def take(self, taken: Mapping[str, Tensor], until: int, live: Masks) -> None:
        """Shake weights up to a step, by name, True is shaken; `live` are those that noise is measured by."""
        for name, weight in self._weights.items():
            if name in taken:
                self._until.setdefault(name, torch.zeros(weight.shape, dtype=torch.int64))[taken[name].cpu()] = until
                values = weight.detach().cpu()[live[name]] if live[name].any() else weight.detach().cpu()
                self._size[name] = float(values.std(correction=0))

    def shake(self, step: int) -> None:
        """Add noise for the batch that is next after a step."""
        with torch.no_grad():
            for name, until in self._until.items():
                until[until <= step] = 0
                if (until > 0).any():
                    weight = self._weights[name]
                    noise = torch.randn(weight.shape, generator=self._generator, dtype=weight.dtype) * self._size[name]
                    weight += torch.where(until > 0, noise, 0.0).to(weight.device)
