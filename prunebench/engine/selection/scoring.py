"""The context in which a scorer sees a network: masked weights, data, loss, flow, a random stream of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import cross_entropy

from prunebench.engine.layout import Index, Layout
from prunebench.engine.masks import Masks
from prunebench.engine.prunable import one_dtype, private_copy, prunable
from prunebench.engine.selection.allocate import Ties
from prunebench.engine.structure.bounds import cut_layers
from prunebench.engine.structure.cost import PASSES, cost_of
from prunebench.engine.structure.linearised import Power, flow_scores, synaptic_flow
from prunebench.errors import PruningError
from prunebench.graph import counted, spend
from prunebench.seeding import seed_of

if TYPE_CHECKING:
    from prunebench.tasks.datasets.base import Split

Mode = Literal["train", "eval"]
Scores = Mapping[str, Tensor]
"""One real tensor per prunable tensor, of its shape; high means keep."""

_BATCH = 256
"""Samples a forward pass in eval mode: a bound on memory, not on the scoring set."""


@dataclass(frozen=True)
class Objective:
    """A scalar given as a sum of parts, so that its gradient needs memory for one part at a time."""

    parts: Callable[[], Iterator[Tensor]]


class Scoring:
    """What a scorer may look at in one round.

    Attributes:
        model: a private copy of the network; its prunable weights are θ ⊙ m.
        weights: those weights by name, leaves of the autograd graph.
        dense: θ, the same before any mask.
        masks: what is still kept.
        shape: shape of one input.
        mode: `train` or `eval`, already set on the model.
        generator: the scorer's own random stream for this round, on the CPU.
    """

    def __init__(
        self, model: nn.Module, weights: Mapping[str, Tensor], dense: Mapping[str, Tensor], masks: Masks,
        shape: tuple[int, ...], mode: Mode, batch: Split | None, batch_size: int, generator: torch.Generator,
        macs: int = 0,
    ) -> None:  # fmt: skip
        """Made by `Session`, one a round."""
        self.model = model
        self.weights = weights
        self.dense = dense
        self.masks = masks
        self.shape = shape
        self.mode = mode
        self.generator = generator
        self._batch = batch
        self._batch_size = batch_size
        self._macs = macs

    @property
    def samples(self) -> int:
        """Size of the scoring set; 0 without data."""
        return 0 if self._batch is None else len(self._batch)

    def batches(self, parts: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
        """The scoring set, inputs `[b, *shape]` and labels `[b]`.

        In eval mode it comes in batches that bound memory; what is computed does not depend on them. In train mode it
        is one batch unless `batch_size` says otherwise, because BatchNorm makes a batch's samples depend on each other.
        Several batches in train mode, and parts, are dealt their samples in turn, one class after the other: each has
        as many of a class as any other, give or take one, whatever the order of the set.

        Args:
            parts: deal the samples out into so many parts first.

        Raises:
            PruningError: the method did not declare that it needs data, or no batch was given; fewer samples than
                parts.
        """
        if self._batch is None:
            raise PruningError("this method needs data and was given none: pass a batch, or declare needs={'data'}")
        if not 1 <= parts <= self.samples:
            raise PruningError(f"cannot deal {self.samples} samples out into {parts} parts")
        x, y = self._batch.x, self._batch.y
        size = _BATCH if self.mode == "eval" else self._batch_size or self.samples
        whole = parts == 1 and (self.mode == "eval" or size >= self.samples)
        order = torch.arange(self.samples, device=y.device) if whole else torch.argsort(y, stable=True)
        for first in range(parts):
            part = order[first::parts]
            count = -(-len(part) // size)
            dealt = torch.split(part, size) if self.mode == "eval" else [part[number::count] for number in range(count)]
            for chosen in dealt:
                spend("examples", len(chosen))
                spend("macs", PASSES * self._macs * len(chosen))
                yield x[chosen], y[chosen]

    def loss(self, *, temperature: float = 1.0, parts: int = 1) -> Objective:
        """Mean cross-entropy of logits / temperature over the scoring set; uneven batches do not weigh differently."""

        def terms() -> Iterator[Tensor]:
            for x, y in self.batches(parts):
                yield cross_entropy(self._logits(x, y) / temperature, y, reduction="sum") / self.samples

        return Objective(terms)

    def _logits(self, x: Tensor, y: Tensor) -> Tensor:
        """Outputs `[b, classes]`.

        Raises:
            PruningError: the network cannot take these inputs, gives no logits, or too few for the labels.
        """
        try:
            logits: Tensor = self.model(x)
        except RuntimeError as error:
            reason = str(error).partition("\n")[0]
            raise PruningError(f"the network cannot take inputs of shape {list(x.shape)}: {reason}") from error
        if not isinstance(logits, Tensor) or logits.dim() != 2 or len(logits) != len(x):
            shape = list(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
            raise PruningError(f"the loss needs logits [{len(x)}, classes]; the network gives {shape}")
        if not 0 <= int(y.min()) <= int(y.max()) < logits.shape[1]:
            raise PruningError(
                f"labels go from {int(y.min())} to {int(y.max())}; the network has {logits.shape[1]} outputs"
            )
        return logits

    def synaptic_flow(self, *, power: Power = 1) -> Tensor:
        """R, the sum of outputs of the linearised network with |θ ⊙ m|^power on an input of ones."""
        return synaptic_flow(self.model, self.shape, power=power)

    def flow_scores(self, *, power: Power = 1) -> dict[str, Tensor]:
        """θ ⊙ ∂R/∂θ of R as `synaptic_flow` has it, by layer, in float64 from end to end.

        Raises:
            PruningError: a layer takes no part in R, R is not finite, or an operator cannot be linearised.
        """
        return flow_scores(self.model, self.shape, power=power)

    def gradients(self, objective: Objective | Tensor) -> dict[str, Tensor]:
        """Gradient of a scalar with respect to the masked weights, by layer.

        Raises:
            PruningError: a prunable layer takes no part in the scalar.
        """
        total: dict[str, Tensor] = {}
        for part in _parts(objective):
            for name, gradient in self._differentiated(part).items():
                total[name] = total[name] + gradient if name in total else gradient
        return total

    def sample_gradients(self) -> Iterator[dict[str, Tensor]]:
        """Gradient of every sample's own cross-entropy with respect to the masked weights, one sample after another.

        In eval mode a sample is alone in its pass. In train mode it is among its batch, and the gradient goes through
        the batch's statistics.

        Raises:
            PruningError: a prunable layer takes no part in the output.
        """
        for x, y in self.batches():
            if self.mode == "eval":
                for one in range(len(y)):
                    yield self._differentiated(cross_entropy(self.model(x[one : one + 1]), y[one : one + 1]))
            else:
                for loss in cross_entropy(self.model(x), y, reduction="none"):
                    yield self._differentiated(loss, retain_graph=True)

    def hessian_product(self, objective: Objective, vector: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """H v, the Hessian of an objective with respect to the masked weights times a vector, exact.

        Each part is differentiated twice (Pearlmutter 1994), so that memory holds the graph of one part.

        Raises:
            PruningError: a prunable layer takes no part in the objective.
        """
        total = {name: torch.zeros_like(weight) for name, weight in self.weights.items()}
        for part in _parts(objective):
            gradients = self._differentiated(part, create_graph=True)
            along = torch.stack([(g * vector[name]).sum() for name, g in gradients.items()]).sum()
            if not along.requires_grad:  # the objective is linear in every weight
                continue
            found = torch.autograd.grad(along, list(self.weights.values()), allow_unused=True)
            for name, product in zip(self.weights, found, strict=True):
                if product is not None:
                    total[name] = total[name] + product
        return total

    def _differentiated(
        self, value: Tensor, *, create_graph: bool = False, retain_graph: bool = False
    ) -> dict[str, Tensor]:
        found = torch.autograd.grad(
            value, list(self.weights.values()), allow_unused=True, create_graph=create_graph,
            retain_graph=create_graph or retain_graph,
        )  # fmt: skip
        for name, gradient in zip(self.weights, found, strict=True):
            if gradient is None:
                raise PruningError(f"layer {name} takes no part in the network's output, so it has no gradient")
        return dict(zip(self.weights, found, strict=True))


def _parts(objective: Objective | Tensor) -> Iterator[Tensor]:
    if isinstance(objective, Objective):
        yield from objective.parts()
    else:
        yield objective


def _fitting(batch: Split, dtype: torch.dtype) -> Split:
    """Inputs in the network's precision; indices stay integers."""
    return type(batch)(batch.x.to(dtype), batch.y) if batch.x.is_floating_point() else batch


class Session:
    """A network made ready for scoring under changing masks; the caller's model is never touched.

    Everything in the copy is the same at the start of every round, its parameters, buffers and random state, so that
    scoring in train mode leaves no trace in BatchNorm statistics.
    """

    def __init__(
        self, model: nn.Module, shape: tuple[int, ...], *, mode: Mode, batch: Split | None, purpose: str,
        repetition: int, device: torch.device, batch_size: int = 0,
    ) -> None:  # fmt: skip
        """Copy `model` to `device`; `purpose` names the random stream."""
        self._model = private_copy(model).to(device).requires_grad_(False).train(mode == "train")
        self._weights = prunable(self._model)
        self._dense = {name: w.detach().clone() for name, w in self._weights.items()}
        self.layout = Layout.of(self._dense)
        pruned = {id(w) for w in self._weights.values()}
        state = [*self._model.named_parameters(), *self._model.named_buffers()]
        self._rest = {name: value.detach().clone() for name, value in state if id(value) not in pruned}
        self._shape, self._mode, self._device, self._batch_size = shape, mode, device, batch_size
        self._batch = None if batch is None else _fitting(batch.to(device), one_dtype(self._model))
        self._purpose, self._repetition = purpose, repetition
        self.ties = Ties(seed_of("ties", repetition))

    @cached_property
    def cuts(self) -> frozenset[str]:
        """Layers that by themselves cut input from output."""
        return cut_layers(self._model, self._shape)

    @cached_property
    def _macs(self) -> int:
        """Of one forward pass on one sample."""
        return cost_of(self._model, self._shape).macs

    def masks(self, index: Index) -> Masks:
        """Masks that keep the weights at flat indices `index`."""
        flat = torch.zeros(self.layout.total, dtype=torch.bool)
        flat[torch.from_numpy(index)] = True
        return Masks(self.layout.split(flat))

    def scores(self, scorer: Callable[[Scoring], Scores], masks: Masks, number: int) -> Scores:
        """Run a scorer on the network under masks; `number` is the round's, for its random stream.

        Raises:
            PruningError: BatchNorm in train mode has a single value per channel.
        """
        seed = seed_of(f"mask/{self._purpose}", self._repetition, epoch=number)
        with torch.no_grad():
            for name, weight in self._weights.items():
                weight.copy_(self._dense[name]).mul_(masks[name].to(self._device))
            for name, value in [*self._model.named_parameters(), *self._model.named_buffers()]:
                if name in self._rest:
                    value.copy_(self._rest[name])
        for weight in self._weights.values():
            weight.requires_grad_(True)
        context = Scoring(
            self._model, self._weights, self._dense, masks, self._shape, self._mode, self._batch, self._batch_size,
            torch.Generator().manual_seed(seed), self._macs if counted() and self._batch is not None else 0,
        )  # fmt: skip
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.enable_grad():
            torch.manual_seed(seed)
            try:
                with sdpa_kernel(SDPBackend.MATH):  # fused attention has no second derivative
                    return scorer(context)
            except ValueError as error:
                if "more than 1 value per channel" not in str(error):
                    raise
                raise PruningError(
                    "BatchNorm in train mode met a batch with one value per channel: give more samples, a larger "
                    "batch_size, or mode=eval"
                ) from error
