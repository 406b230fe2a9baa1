"""The context in which a scorer sees a network: masked weights, data, loss, flow, a random stream of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from prunebench.engine.allocate import Ties
from prunebench.engine.bounds import cut_layers
from prunebench.engine.layout import Index, Layout
from prunebench.engine.linearised import synaptic_flow
from prunebench.engine.masks import Masks
from prunebench.engine.prunable import private_copy, prunable
from prunebench.errors import PruningError
from prunebench.seeding import seed_of

if TYPE_CHECKING:
    from prunebench.tasks.datasets.base import Split

Mode = Literal["train", "eval"]
Scores = Mapping[str, Tensor]
"""One real tensor per prunable tensor, of its shape; high means keep."""

_BATCH = 256
"""Samples a forward pass: a bound on memory, not on the scoring set."""


@dataclass(frozen=True)
class Objective:
    """A scalar given as a sum of parts, so that its gradient needs memory for one part at a time."""

    parts: Callable[[], Iterator[Tensor]]


class Scoring:
    """What a scorer may look at in one round.

    Attributes:
        model: a private copy of the network; its prunable weights are θ ⊙ m.
        weights: those weights by name, leaves of the autograd graph.
        masks: what is still kept.
        shape: shape of one input.
        mode: `train` or `eval`, already set on the model.
        generator: the scorer's own random stream for this round, on the CPU.
    """

    def __init__(
        self, model: nn.Module, weights: Mapping[str, Tensor], masks: Masks, shape: tuple[int, ...], mode: Mode,
        batch: Split | None, generator: torch.Generator,
    ) -> None:  # fmt: skip
        """Made by `Session`, one a round."""
        self.model = model
        self.weights = weights
        self.masks = masks
        self.shape = shape
        self.mode = mode
        self.generator = generator
        self._batch = batch

    def batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        """The scoring set, inputs `[b, *shape]` and labels `[b]`.

        Raises:
            PruningError: the method did not declare that it needs data, or no batch was given.
        """
        if self._batch is None:
            raise PruningError("this method needs data and was given none: pass a batch, or declare needs={'data'}")
        for start in range(0, len(self._batch), _BATCH):
            part = slice(start, start + _BATCH)
            yield self._batch.x[part], self._batch.y[part]

    def loss(self) -> Objective:
        """Mean cross-entropy over the scoring set; uneven batches do not weigh differently."""

        def parts() -> Iterator[Tensor]:
            size = 0 if self._batch is None else len(self._batch)
            for x, y in self.batches():
                yield cross_entropy(self.model(x), y, reduction="sum") / size

        return Objective(parts)

    def synaptic_flow(self) -> Tensor:
        """R, the sum of outputs of the linearised network with |θ ⊙ m| on an input of ones."""
        return synaptic_flow(self.model, self.shape)

    def gradients(self, objective: Objective | Tensor) -> dict[str, Tensor]:
        """Gradient of a scalar with respect to the masked weights, by layer.

        Raises:
            PruningError: a prunable layer takes no part in the scalar.
        """
        total: dict[str, Tensor] = {}
        for part in objective.parts() if isinstance(objective, Objective) else (objective,):
            found = torch.autograd.grad(part, list(self.weights.values()), allow_unused=True)
            for name, gradient in zip(self.weights, found, strict=True):
                if gradient is None:
                    raise PruningError(f"layer {name} takes no part in the network's output, so it has no gradient")
                total[name] = total[name] + gradient if name in total else gradient
        return total


class Session:
    """A network made ready for scoring under changing masks; the caller's model is never touched.

    The copy's buffers and random state are the same at the start of every round, so that scoring in train mode leaves
    no trace in BatchNorm statistics.
    """

    def __init__(
        self, model: nn.Module, shape: tuple[int, ...], *, mode: Mode, batch: Split | None, purpose: str,
        repetition: int, device: torch.device,
    ) -> None:  # fmt: skip
        """Copy `model` to `device`; `purpose` names the random stream."""
        self._model = private_copy(model).to(device).requires_grad_(False).train(mode == "train")
        self._weights = prunable(self._model)
        self._dense = {name: w.detach().clone() for name, w in self._weights.items()}
        self.layout = Layout.of(self._dense)
        self._buffers = {name: b.detach().clone() for name, b in self._model.named_buffers()}
        self._shape, self._mode, self._device = shape, mode, device
        self._batch = None if batch is None else type(batch)(batch.x.to(device), batch.y.to(device))
        self._purpose, self._repetition = purpose, repetition
        self.ties = Ties(seed_of("ties", repetition))

    @cached_property
    def cuts(self) -> frozenset[str]:
        """Layers that by themselves cut input from output."""
        return cut_layers(self._model, self._shape)

    def masks(self, index: Index) -> Masks:
        """Masks that keep the weights at flat indices `index`."""
        flat = torch.zeros(self.layout.total, dtype=torch.bool)
        flat[torch.from_numpy(index)] = True
        return Masks(self.layout.split(flat))

    def scores(self, scorer: Callable[[Scoring], Scores], index: Index, number: int) -> Scores:
        """Run a scorer on the network that keeps the weights at `index`; `number` is the round's, for its stream."""
        masks = self.masks(index)
        seed = seed_of(f"mask/{self._purpose}", self._repetition, epoch=number)
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(self._dense[name]).mul_(masks[name].to(self._device))
            for name, buffer in self._model.named_buffers():
                buffer.copy_(self._buffers[name])
        for weight in self._weights.values():
            weight.requires_grad_(True)
        context = Scoring(
            self._model, self._weights, masks, self._shape, self._mode, self._batch,
            torch.Generator().manual_seed(seed),
        )  # fmt: skip
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.enable_grad():
            torch.manual_seed(seed)
            return scorer(context)
