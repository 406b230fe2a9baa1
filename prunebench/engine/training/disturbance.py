"""Weights that are disturbed for some batches of a training, and stay in the network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import torch
from torch import Tensor, nn

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prunebench.engine.training.by_function import FunctionTrainer
    from prunebench.engine.training.trainer import Trainer

Returns = Literal["old", "zero", "redrawn"]


class Disturbance(Protocol):
    """A training in which entries of parameters and buffers are disturbed, each up to a step of its own."""

    def run(self, step: int) -> None:
        """Train up to a step; what is due there is over."""
        ...

    def take(self, taken: Mapping[str, Tensor], until: int, live: Masks) -> None:
        """Begin, now, with entries that are True, by name.

        Args:
            taken: of what, boolean.
            until: the step up to which they are disturbed; of those that are disturbed already, from now on this one.
            live: weights that nothing has taken yet.
        """
        ...

    def end(self) -> None:
        """Whatever is not over yet is now."""
        ...


class Zeroing:
    """Entries are zero, and come back.

    - `old`: with the value that they had when they went, to the bit.
    - `zero`: weights go on from zero, while biases, γ and β have their old values again: were all of them zero, no
      gradient would ever come to them. Running statistics stay as they have become.
    - `redrawn`: with that of another initialisation.

    What is taken once more while it is zero comes back later, at the value from before the first time.
    """

    def __init__(self, trainer: Trainer | FunctionTrainer, returns: Returns, fresh: Mapping[str, Tensor]) -> None:
        """Nothing is taken; `fresh` is the other initialisation."""
        self._trainer, self._returns, self._fresh = trainer, returns, fresh
        model = trainer.model
        self._state: dict[str, Tensor] = {
            **dict(model.named_parameters(remove_duplicate=False)), **dict(model.named_buffers(remove_duplicate=False))
        }  # fmt: skip
        self._weights = prunable(trainer.model)
        self._until: dict[str, Tensor] = {}
        self._old: dict[str, Tensor] = {}

    def run(self, step: int) -> None:
        """Train up to a step; what is due there has come back."""
        while (due := self._due()) is not None and due <= step:
            self._trainer.run(due)
            self._back(due)
        self._trainer.run(step)

    def take(self, taken: Mapping[str, Tensor], until: int, live: Masks) -> None:
        """Set entries to zero."""
        del live
        for name, chosen in taken.items():
            value = self._state[name].detach()
            flags = chosen.to(value.device)
            if name not in self._until:
                self._until[name] = torch.zeros(value.shape, dtype=torch.int64, device=value.device)
                self._old[name] = torch.zeros_like(value)
            leaving = flags & (self._until[name] == 0)
            self._old[name][leaving] = value[leaving]
            self._until[name][flags] = until
        self._hold()

    def end(self) -> None:
        """What is still zero comes back."""
        while (due := self._due()) is not None:
            self._back(due)

    def _due(self) -> int | None:
        """The next step at which something comes back."""
        return min((int(until[until > 0].min()) for until in self._until.values() if until.any()), default=None)

    def _back(self, step: int) -> None:
        due = {name: until == step for name, until in self._until.items()}
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
        return isinstance(self._state[name], nn.Parameter)

    def _hold(self) -> None:
        """Running statistics are not held: they follow the outputs."""
        here = {name: (until == 0).cpu() for name, until in self._until.items() if until.any() and self._learnt(name)}
        if not here:
            self._trainer.hold(None)
            return
        full = Masks.full({name: weight.cpu() for name, weight in self._weights.items()})
        self._trainer.hold(
            Masks({name: here.get(name, mask) for name, mask in full.items()}),
            {name: kept for name, kept in here.items() if name not in self._weights},
        )


class Shaking:
    """Weights get Gaussian noise before every batch, which adds up; then they go on from where they are.

    Its standard deviation is that of the layer's live weights when they were taken, of all of them where none is live.
    """

    def __init__(self, trainer: Trainer | FunctionTrainer, generator: torch.Generator) -> None:
        """Nothing is taken."""
        self._trainer, self._generator = trainer, generator
        self._weights = prunable(trainer.model)
        self._until: dict[str, Tensor] = {}
        self._size: dict[str, Tensor] = {}
        self._shaken = -1
        """The step whose noise has been added."""

    def run(self, step: int) -> None:
        """Train up to a step; the noise for the batch after it is still to come."""
        while self._trainer.step < step and any(bool((u > self._trainer.step).any()) for u in self._until.values()):
            self._shake()
            self._trainer.run(self._trainer.step + 1)
        self._trainer.run(step)

    def take(self, taken: Mapping[str, Tensor], until: int, live: Masks) -> None:
        """Add the noise of the next batch, to these and to all that were taken before and are not over."""
        for name, weight in self._weights.items():
            if name in taken and taken[name].any():
                self._until.setdefault(name, torch.zeros(weight.shape, dtype=torch.int64))[taken[name].cpu()] = until
                values = weight.detach().cpu()
                size = (values[live[name]] if live[name].any() else values).std(correction=0)
                self._size.setdefault(name, torch.zeros_like(values))[taken[name].cpu()] = size
        self._shake()

    def end(self) -> None:
        """Noisy weights stay as they are."""

    def _shake(self) -> None:
        step = self._trainer.step
        if step == self._shaken:
            return
        self._shaken = step
        with torch.no_grad():
            for name, until in self._until.items():
                weight = self._weights[name]
                noise = torch.randn(weight.shape, generator=self._generator, dtype=weight.dtype) * self._size[name]
                weight += (noise * (until > step)).to(weight.device)
