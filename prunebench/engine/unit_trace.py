"""Which units every element of an activation comes from, carried through one forward pass."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from prunebench.engine.effective import NORMALISATIONS
from prunebench.engine.layout import Index
from prunebench.engine.operators import (
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


class UnitTrace(TorchFunctionMode):
    """Carries with every activation a float64 tensor of its shape: the number of each element's set of units."""

    def __init__(self, first: Mapping[int, int], source: Tensor) -> None:
        """`first` gives the flat index at which a prunable tensor starts, by identity."""
        super().__init__()
        self._first = first
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
        _bias: Tensor | None = None, *args: Any, **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        if not self.tracks(input) or self.tracks(weight):
            raise UnsupportedOperatorError(f"no rule for {title(func)!r} on a weight that depends on the input")
        kwargs.pop("bias", None)
        sets, rank = self._sets_of(input), max(0, weight.dim() - 2)
        ins, outs = input.shape[-1 - rank], result.shape[-1 - rank]
        by_channel = sets.movedim(-1 - rank, 0).flatten(1)
        channels, units = len(self.channels), self.units
        self.channels += [self._union(np.unique(row)) for row in by_channel.numpy()]
        self.units += outs
        # Canonical order of a weight's entries: group, output, input, kernel.
        groups = (outs if func in _TRANSPOSED else ins) // (weight.shape[1] if weight.dim() > 1 else 1)
        order = torch.arange(weight.numel())
        if func in _TRANSPOSED:
            order = order.view(groups, ins // groups, outs // groups, -1).transpose(1, 2)
        else:
            order = order.view(groups, outs // groups, ins // groups, -1)
        group, out, channel = torch.meshgrid(*map(torch.arange, order.shape[:3]), indexing="ij")
        source = (channels + group * (ins // groups) + channel)[..., None].expand(order.shape).flatten()
        target = (units + group * (outs // groups) + out)[..., None].expand(order.shape).flatten()
        seen = _seen(func, (sets > 0).float(), weight, *args, **kwargs).flatten()[order.flatten()]
        size = weight.detach().double().abs().flatten()[order.flatten()]
        start = self._first.get(id(weight))
        entry = torch.full_like(source, -1) if start is None else start + order.flatten()
        self.edges.append(tuple(t[seen].numpy() for t in (source, target, entry, size)))  # type: ignore[arg-type]
        numbers = [self._number(frozenset({units + o})) for o in range(outs)]
        return torch.tensor(numbers, dtype=torch.float64).view(outs, *[1] * rank).expand(result.shape)


def _seen(func: Callable[..., Tensor], fed: Tensor, weight: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    """The entries of a weight that see more than padding, of its shape."""
    probe = torch.zeros(weight.shape, requires_grad=True)
    with torch.enable_grad():
        (found,) = torch.autograd.grad(func(fed, probe, None, *args, **kwargs).sum(), probe)
    return found > 0
