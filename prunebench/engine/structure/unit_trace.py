"""Which units every element of an activation comes from, carried through one forward pass."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from prunebench.engine.layout import Index, Layout
from prunebench.engine.prunable import private_copy, prunable
from prunebench.engine.structure.effective import NORMALISATIONS
from prunebench.engine.structure.operators import (
    ACTIVATIONS,
    ADAPTIVE_MAX_POOLS,
    ADDITIONS,
    BATCH_NORMS,
    CASTS,
    CONTRACTIONS,
    IDENTITIES,
    JOINS,
    MAX_POOLS,
    POSITIVE,
    PRODUCTS,
    QUOTIENTS,
    SOFTMAXES,
    operands_of,
    title,
)
from prunebench.errors import UnsupportedOperatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

T = TypeVar("T", bound="UnitTrace")

Edges = tuple[Index, Index, Index, npt.NDArray[np.float64]]
"""Of one application of a layer: channel that is read, unit that is fed, flat index of the weight or −1, and |w|."""

_OWN_PLACE = ACTIVATIONS | BATCH_NORMS | IDENTITIES | CASTS | SOFTMAXES | frozenset(NORMALISATIONS)
"""Each element's own way through it is a path, if not the only one."""
_BOTH = ADDITIONS | PRODUCTS | QUOTIENTS
_MEANS = frozenset({torch.mean, Tensor.mean, torch.sum, Tensor.sum})
_WINDOWS: Mapping[Any, int] = {
    pool: rank + 1
    for pools in (MAX_POOLS, ADAPTIVE_MAX_POOLS)
    for both in (pools.keys(), pools.values())
    for rank, pool in enumerate(both)
}
"""Pooling, by the number of dimensions it goes along."""
_MOVES = POSITIVE - _MEANS - frozenset(_WINDOWS) - {F.interpolate, F.fold}
"""Every element of the result is one of the operand's, or nothing."""
_TRANSPOSED = frozenset({F.conv_transpose1d, F.conv_transpose2d, F.conv_transpose3d})


@dataclass(frozen=True, eq=False)
class Application:
    """One call of a linear or convolutional layer."""

    weight: Tensor
    bias: Tensor | None
    transposed: bool
    """Is the weight `[in, out per group, kernel…]`, and not `[out, in per group, kernel…]`?"""
    groups: int
    reads: range
    """Numbers of the channels that it reads."""
    feeds: range
    """Numbers of the units that it feeds."""


def traced(model: nn.Module, shape: tuple[int, ...], tracer: type[T]) -> tuple[T, list[frozenset[int]]]:
    """Follow one pass of a copy of a model that takes inputs of `shape`, the batch left out.

    Returns:
        the trace, and the units that feed each output.

    Raises:
        UnsupportedOperatorError: the forward pass uses an operator without a rule.
    """
    model = private_copy(model).eval().cpu().requires_grad_(False)
    source = torch.ones(1, *shape).to(next(iter(prunable(model).values())).dtype)
    with torch.no_grad(), torch.random.fork_rng(devices=[]), tracer(model, source) as trace:
        output = model(source.clone())
    if not isinstance(output, Tensor) or not trace.tracks(output):
        raise UnsupportedOperatorError("the model does not return one tensor that depends on its input")
    return trace, trace.outputs(output)


class UnitTrace(TorchFunctionMode):
    """Carries with every activation a float64 tensor of its shape: the number of each element's set of units."""

    def __init__(self, model: nn.Module, source: Tensor) -> None:
        """For a pass of `source` through `model`."""
        super().__init__()
        weights = prunable(model)
        starts = Layout.of(weights).starts.tolist()
        self._first = {id(weight): start for weight, start in zip(weights.values(), starts, strict=True)}
        self._sets: list[frozenset[int]] = [frozenset()]
        self._numbers: dict[frozenset[int], int] = {frozenset(): 0}
        # Input elements are −1, −2, … until it is known which of them no layer tells apart.
        numbers = [self._number(frozenset({-1 - place})) for place in range(source.numel())]
        # Activations are known by identity; holding them keeps an identity from being used again.
        self._tracked = {id(source): (source, torch.tensor(numbers, dtype=torch.float64).view(source.shape))}
        self.units = 0
        self.channels: list[frozenset[int]] = []
        """The units that feed every channel of every application of a layer; an input element counts as one."""
        self.edges: list[Edges] = []

    def tracks(self, value: Any) -> bool:
        """Is it an activation, that is, computed from the input?"""
        return isinstance(value, Tensor) and id(value) in self._tracked

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        given = operands_of((*args, *kwargs.values()))
        result = func(*args, **kwargs)
        if not any(self.tracks(t) for t in given):
            return result
        found = self._rule(func, args, kwargs, result)
        for tensor, sets in zip(operands_of((result,)), operands_of((found,)), strict=True):
            self._tracked[id(tensor)] = (tensor, sets)
        return result

    def _rule(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
        if result is not None and not operands_of((result,)):
            return ()
        operand: Any = args[0] if args else kwargs.get("input")
        if func in CONTRACTIONS:
            return self._layer(func, result, *args, **kwargs)
        if func in _OWN_PLACE and self.tracks(operand):
            return self._sets_of(operand)
        if func in _MEANS:
            return self._mean(result, *args, **kwargs)
        if (func in _WINDOWS or func is F.interpolate) and isinstance(result, Tensor):
            return self._window(func, self._sets_of(operand), result)
        if func is F.pad:
            return self._padded(*args, **kwargs)
        if func in JOINS or func in _MOVES:
            return func(*map(self._exchanged, args), **{key: self._exchanged(v) for key, v in kwargs.items()})
        if func in _BOTH:
            both = [self._sets_of(t).expand(result.shape) for t in operands_of(args) if self.tracks(t)]
            return self._united(torch.stack(both).flatten(1)).view(result.shape)
        raise UnsupportedOperatorError(f"no rule for operator {title(func)!r}: which unit feeds which is unknown")

    def outputs(self, output: Tensor) -> list[frozenset[int]]:
        """The units that feed each output, positions of one map being one output."""
        numbers = dict.fromkeys(self._sets_of(output).flatten().tolist())
        return [self._sets[int(number)] for number in numbers]

    def _sets_of(self, value: Tensor) -> Tensor:
        """Of an activation; a tensor that does not depend on the input comes from no unit."""
        return self._tracked[id(value)][1] if self.tracks(value) else torch.zeros(value.shape, dtype=torch.float64)

    def _exchanged(self, argument: Any) -> Any:
        if isinstance(argument, tuple | list) and any(self.tracks(v) for v in argument):
            return [self._sets_of(v) for v in argument]
        return self._sets_of(argument) if self.tracks(argument) else argument

    def _number(self, units: frozenset[int]) -> int:
        if units not in self._numbers:
            self._numbers[units] = len(self._sets)
            self._sets.append(units)
        return self._numbers[units]

    def _united(self, sets: Tensor) -> Tensor:
        """The union over dimension 0 of `[n, m]` set numbers, `[m]`."""
        columns, place = np.unique(sets.numpy(), axis=1, return_inverse=True)
        numbers = [self._number(self._union(column)) for column in columns.T]
        return torch.tensor(numbers, dtype=torch.float64)[torch.from_numpy(place.reshape(-1))]

    def _union(self, numbers: Iterable[float]) -> frozenset[int]:
        return frozenset().union(*(self._sets[int(n)] for n in set(numbers)))

    def _mean(self, result: Tensor, input: Tensor, dim: Any = None, *_: Any, **__: Any) -> Tensor:
        sets = self._sets_of(input)
        given = tuple(range(sets.dim())) if dim is None else tuple(np.atleast_1d(dim).tolist())
        along = [d % sets.dim() for d in given]
        rows = sets.movedim(along, list(range(len(along)))).flatten(0, len(along) - 1)
        return self._united(rows.flatten(1)).view(result.shape)

    def _padded(
        self, input: Tensor, pad: Sequence[int], mode: str = "constant", _value: Any = None, **_: Any
    ) -> Tensor:
        """A constant border comes from no unit."""
        return F.pad(self._sets_of(input), pad, mode)

    def _window(self, func: Callable[..., Any], sets: Tensor, result: Tensor) -> Tensor:
        """A map's channel is one unit's, whatever window slides over it."""
        rank = _WINDOWS.get(func, sets.dim() - 2)
        flat = sets.flatten(-rank)
        top = flat.amax(-1, keepdim=True)
        if ((flat != top) & (flat != 0)).any():
            raise UnsupportedOperatorError(f"no rule for {title(func)!r} over a map whose positions are several units")
        return top.view(*sets.shape[:-rank], *[1] * rank).expand(result.shape)

    def _layer(
        self, func: Callable[..., Tensor], result: Tensor, input: Tensor, weight: Tensor,
        bias: Tensor | None = None, *args: Any, **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        if not self.tracks(input) or self.tracks(weight):
            raise UnsupportedOperatorError(f"no rule for {title(func)!r} on a weight that depends on the input")
        bias = kwargs.pop("bias", bias)
        sets, rank = self._sets_of(input), max(0, weight.dim() - 2)
        ins, outs = input.shape[-1 - rank], result.shape[-1 - rank]
        by_channel = sets.movedim(-1 - rank, 0).flatten(1)
        reads = range(len(self.channels), len(self.channels) + ins)
        feeds = range(self.units, self.units + outs)
        self.channels += [self._union(np.unique(row)) for row in by_channel.numpy()]
        self.units += outs
        transposed = func in _TRANSPOSED
        groups = (outs if transposed else ins) // (weight.shape[1] if weight.dim() > 1 else 1)
        applied = Application(weight, bias, transposed, groups, reads, feeds)
        self._note(applied, lambda: _seen(func, (sets > 0).float(), weight, *args, **kwargs))
        numbers = [self._number(frozenset({unit})) for unit in feeds]
        return torch.tensor(numbers, dtype=torch.float64).view(outs, *[1] * rank).expand(result.shape)

    def _note(self, applied: Application, seen: Callable[[], Tensor]) -> None:
        """Note the edges of an application; `seen` finds the entries of its weight that see more than padding."""
        weight, groups, ins, outs = applied.weight, applied.groups, len(applied.reads), len(applied.feeds)
        # Canonical order of a weight's entries: group, output, input, kernel.
        order = torch.arange(weight.numel())
        if applied.transposed:
            order = order.view(groups, ins // groups, outs // groups, -1).transpose(1, 2)
        else:
            order = order.view(groups, outs // groups, ins // groups, -1)
        group, out, channel = torch.meshgrid(*map(torch.arange, order.shape[:3]), indexing="ij")
        source = (applied.reads.start + group * (ins // groups) + channel)[..., None].expand(order.shape).flatten()
        target = (applied.feeds.start + group * (outs // groups) + out)[..., None].expand(order.shape).flatten()
        stays = seen().flatten()[order.flatten()]
        size = weight.detach().double().abs().flatten()[order.flatten()]
        start = self._first.get(id(weight))
        entry = torch.full_like(source, -1) if start is None else start + order.flatten()
        self.edges.append(tuple(t[stays].numpy() for t in (source, target, entry, size)))  # type: ignore[arg-type]


def _seen(func: Callable[..., Tensor], fed: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The entries of a weight that see more than padding, of its shape."""
    probe = torch.zeros(weight.shape, requires_grad=True)
    with torch.enable_grad():
        (found,) = torch.autograd.grad(func(fed, probe, None, *args, **kwargs).sum(), probe)
    return found > 0
