"""Which units of a network stand or fall together: units as in `wiring`, in classes.

Units are of one class when an activation element comes from both (residual sums, gates, means over channels), when a
normalisation takes its statistics over both (LayerNorm: all features; GroupNorm: a group; BatchNorm: one channel),
when a layer that is called twice has both in one place, of what it feeds or of what it reads, or when one is a
depthwise convolution's and reads the other.
Units that feed an output by no layer, that are added to the network's input or that no prunable layer feeds are in the
class 0, and can not be removed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from torch.nn import functional as F

from prunebench.engine.prunable import prunable
from prunebench.engine.structure.operators import BATCH_NORMS, SOFTMAXES, operands_of
from prunebench.engine.structure.unit_trace import Application, UnitTrace, traced

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from torch import Tensor, nn

    from prunebench.engine.layout import Index

FIXED = 0
"""The class of units that can not be removed."""

Units = frozenset[int]


@dataclass(frozen=True)
class Normalised:
    """One call of a normalisation with parameters or running statistics."""

    tensors: tuple[str, ...]
    """Names of its parameters and buffers, all vectors over the same entries."""
    feeds: Sequence[Units]
    """The units that each entry acts on."""


@dataclass(frozen=True)
class Layer:
    """One call of a linear or convolutional layer; names are None where there is no parameter."""

    weight: str | None
    bias: str | None
    applied: Application


class Coupling(UnitTrace):
    """Follows a forward pass and notes the layers and normalisations that it meets, and what they tie together."""

    def __init__(self, model: nn.Module, source: Tensor) -> None:
        """For a pass of `source` through `model`."""
        super().__init__(model, source)
        self._weights = {id(weight): name for name, weight in prunable(model).items()}
        self._names = {id(t): name for named in (model.named_parameters(), model.named_buffers()) for name, t in named}
        self.layers: list[Layer] = []
        self.norms: list[Normalised] = []
        self.tied: list[Units] = []
        """What normalisations tie together."""

    @classmethod
    def of(cls, model: nn.Module, shape: tuple[int, ...]) -> tuple[Coupling, Index]:
        """The trace of a model that takes inputs of `shape`, and the class of every unit.

        Classes are numbered from 1 in the order of their first units.

        Raises:
            UnsupportedOperatorError: the forward pass uses an operator without a rule.
        """
        trace, ends = traced(model, shape, cls)
        return trace, trace._classes(ends)

    def _note(self, applied: Application, seen: Callable[[], Tensor]) -> None:  # noqa: ARG002
        bias = None if applied.bias is None else self._names.get(id(applied.bias))
        self.layers.append(Layer(self._weights.get(id(applied.weight)), bias, applied))

    def _rule(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Any:
        operand: Any = args[0] if args else kwargs.get("input")
        if func in _TOGETHER and self.tracks(operand):
            sets, rest = self._sets_of(operand), {k: v for k, v in kwargs.items() if k != "input"}
            self.tied += self._unions(_TOGETHER[func](sets, *args[1:], **rest))
            named = [self._names[id(t)] for t in operands_of((*args[1:], *rest.values())) if id(t) in self._names]
            if named:
                entries = _features if func in _BY_FEATURE else _by_channel
                self.norms.append(Normalised(tuple(named), self._unions(entries(sets, *args[1:], **rest))))
        return super()._rule(func, args, kwargs, result)

    def _unions(self, rows: Tensor) -> list[Units]:
        """The union over the last dimension of set numbers."""
        return [self._union(np.unique(row)) for row in rows.flatten(0, -2).numpy()]

    def _classes(self, ends: Iterable[Units]) -> Index:
        classes = _Classes(self.units)
        for units in (*self._sets, *self.tied):
            # A set of input elements alone ties nothing.
            classes.unite([FIXED if unit < 0 else 1 + unit for unit in units])
        for units in ends:
            classes.unite([FIXED, *(1 + unit for unit in units if unit >= 0)])
        for units in self._shared():
            classes.unite([FIXED if unit < 0 else 1 + unit for unit in units])
        for layer in self.layers:
            if layer.weight is None:
                classes.unite([FIXED, *(1 + unit for unit in layer.applied.feeds)])
        for filters, read in self._depthwise():
            if read and min(read) >= 0 and classes.root(1 + min(read)) != classes.root(FIXED):
                classes.unite([1 + unit for unit in (*filters, *read)])
        return classes.numbers()[1:]

    def _shared(self) -> list[Units]:
        """The units of each filter, of each channel that it reads and of each entry of a normalisation, over calls."""
        calls: dict[tuple[str, str], list[Sequence[Units]]] = {}
        for layer in self.layers:
            if layer.weight is not None:
                read = [self.channels[channel] for channel in layer.applied.reads]
                calls.setdefault((layer.weight, "reads"), []).append(read)
                calls.setdefault((layer.weight, "feeds"), []).append([frozenset({u}) for u in layer.applied.feeds])
        for norm in self.norms:
            for name in norm.tensors:
                calls.setdefault((name, "feeds"), []).append(norm.feeds)
        several = (found for found in calls.values() if len(found) > 1)
        return [frozenset().union(*entry) for found in several for entry in zip(*found, strict=True)]

    def _depthwise(self) -> list[tuple[range, Units]]:
        """The filters that read one channel of several, and the units that feed it."""
        found: list[tuple[range, Units]] = []
        for applied in (layer.applied for layer in self.layers):
            if applied.groups > 1 and applied.groups == len(applied.reads):
                wide = len(applied.feeds) // applied.groups
                found += [
                    (applied.feeds[wide * group : wide * (group + 1)], self.channels[channel])
                    for group, channel in enumerate(applied.reads)
                ]
        return found


class _Classes:
    """Union-find over numbers from 0."""

    def __init__(self, units: int) -> None:
        self._above = list(range(1 + units))

    def root(self, number: int) -> int:
        while self._above[number] != number:
            self._above[number] = self._above[self._above[number]]
            number = self._above[number]
        return number

    def unite(self, numbers: Iterable[int]) -> None:
        """The least of them becomes the root."""
        roots = sorted({self.root(number) for number in numbers})
        for root in roots[1:]:
            self._above[root] = roots[0]

    def numbers(self) -> Index:
        """The class of every number, in the order of their least."""
        return np.unique([self.root(n) for n in range(len(self._above))], return_inverse=True)[1].astype(np.int64)


def _by_channel(sets: Tensor, *_: Any, **__: Any) -> Tensor:
    return sets.movedim(1, 0).flatten(1)


def _by_group(sets: Tensor, num_groups: int, *_: Any, **__: Any) -> Tensor:
    return sets.reshape(sets.shape[0] * num_groups, -1)


def _by_sample(sets: Tensor, normalized_shape: Sequence[int], *_: Any, **__: Any) -> Tensor:
    return sets.flatten(-len(normalized_shape)).flatten(0, -2)


def _features(sets: Tensor, normalized_shape: Sequence[int], *_: Any, **__: Any) -> Tensor:
    return _by_sample(sets, normalized_shape).t()


def _normalised(sets: Tensor, _p: float = 2.0, dim: int = 1, *_: Any, **__: Any) -> Tensor:
    return sets.movedim(dim, -1)


def _softmax(sets: Tensor, dim: int | None = None, *_: Any, **__: Any) -> Tensor:
    return sets.reshape(1, -1) if dim is None else sets.movedim(dim, -1)


_BY_FEATURE = frozenset({F.layer_norm, F.rms_norm})
_TOGETHER: Mapping[Any, Callable[..., Tensor]] = {
    **dict.fromkeys((*BATCH_NORMS, F.instance_norm), _by_channel),
    **dict.fromkeys(_BY_FEATURE, _by_sample),
    **dict.fromkeys(SOFTMAXES, _softmax),
    F.group_norm: _by_group,
    F.normalize: _normalised,
}
"""Of every normalisation, set numbers in rows `[…, k]` that are normalised together."""
