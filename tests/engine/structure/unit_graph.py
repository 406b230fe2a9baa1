"""An oracle of its own: a network as a graph of units at positions, in plain Python.

It reads modules, never the operators that a forward pass calls, and shares no code with the engine.
"""

from __future__ import annotations

import itertools
import math
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import nn

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

PASSING = (nn.ReLU, nn.GELU, nn.Tanh, nn.Identity, nn.Dropout, nn.BatchNorm1d, nn.BatchNorm2d)


class Skip(nn.Module):
    """The input is added to what the body makes of it."""

    def __init__(self, *body: nn.Module, shortcut: nn.Module | None = None) -> None:
        super().__init__()
        self.body = nn.Sequential(*body)
        self.shortcut = shortcut or nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) + self.shortcut(x)


class Gate(Skip):
    """The input is multiplied by what the body makes of it."""

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) * self.shortcut(x)


class SelfAttention(nn.Module):
    """Multi-head attention of a sequence `[n, l, e]` to itself."""

    def __init__(self, wide: int, heads: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(wide, heads, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x)[0]


@dataclass(frozen=True)
class Edge:
    """Unit `source` feeds unit `target`, through an entry of a weight or through none, with a fixed gain."""

    source: int
    target: int
    weight: tuple[str, tuple[int, ...]] | None
    gain: float = 1.0


class UnitGraph:
    """Edges in topological order: those into a unit stand before those out of it."""

    def __init__(self, model: nn.Module, shape: tuple[int, ...]) -> None:
        self.edges: list[Edge] = []
        self._units = 0
        self._first_names: dict[int, str] = {}
        for name, parameter in model.named_parameters():
            self._first_names.setdefault(id(parameter), name)
        self.inputs = self._new(math.prod(shape))
        self.outputs, _ = self._through("", model, self.inputs, shape)

    def effective(self, masks: Mapping[str, Tensor]) -> tuple[dict[str, set[tuple[int, ...]]], list[bool]]:
        """Entries of each weight on a path of kept weights, and whether a path leads to each output."""
        kept = {name: {tuple(i) for i in mask.nonzero().tolist()} for name, mask in masks.items()}
        usable = [e for e in self.edges if e.weight is None or e.weight[1] in kept[e.weight[0]]]
        reached = set(self.inputs)
        for edge in usable:
            if edge.source in reached:
                reached.add(edge.target)
        leads_on = set(self.outputs)
        for edge in reversed(usable):
            if edge.target in leads_on:
                leads_on.add(edge.source)
        found: dict[str, set[tuple[int, ...]]] = {name: set() for name in masks}
        for edge in usable:
            if edge.weight is not None and edge.source in reached and edge.target in leads_on:
                found[edge.weight[0]].add(edge.weight[1])
        return found, [unit in reached for unit in self.outputs]

    def paths(self) -> Iterator[list[Edge]]:
        """Every path from an input to an output, one after the other."""
        leaving: dict[int, list[Edge]] = defaultdict(list)
        for edge in self.edges:
            leaving[edge.source].append(edge)
        ends = set(self.outputs)

        def onward(unit: int, path: list[Edge]) -> Iterator[list[Edge]]:
            if unit in ends:
                yield path
            for edge in leaving[unit]:
                yield from onward(edge.target, [*path, edge])

        for unit in self.inputs:
            yield from onward(unit, [])

    def _new(self, count: int) -> list[int]:
        self._units += count
        return list(range(self._units - count, self._units))

    def _through(
        self, name: str, module: nn.Module, units: list[int], shape: tuple[int, ...]
    ) -> tuple[list[int], tuple[int, ...]]:
        """Units and shape of a module's output, units in row-major order."""
        weight = self._first_names.get(id(getattr(module, "weight", None)), "")
        if isinstance(module, nn.Sequential):
            for child, part in module.named_children():
                units, shape = self._through(f"{name}.{child}" if name else child, part, units, shape)
            return units, shape
        if isinstance(module, Skip):
            prefix = f"{name}." if name else ""
            body, out = self._through(f"{prefix}body", module.body, units, shape)
            short, _ = self._through(f"{prefix}shortcut", module.shortcut, units, shape)
            total = self._new(len(body))
            for a, b, c in zip(body, short, total, strict=True):
                self.edges += [Edge(a, c, None), Edge(b, c, None)]
            return total, out
        if isinstance(module, PASSING):
            return units, shape
        if isinstance(module, nn.Flatten):
            return units, (len(units),)
        if isinstance(module, nn.Linear):
            return self._linear(weight, module, units, shape)
        if isinstance(module, nn.Conv1d | nn.Conv2d):
            return self._convolution(weight, module, units, shape)
        if isinstance(module, nn.ConvTranspose1d | nn.ConvTranspose2d):
            return self._transposed(weight, module, units, shape)
        if isinstance(module, nn.LayerNorm):
            return self._mixed(units, math.prod(module.normalized_shape)), shape
        if isinstance(module, nn.GroupNorm):
            return self._mixed(units, len(units) // module.num_groups), shape
        if isinstance(module, SelfAttention):
            return self._attention(f"{name}.attention" if name else "attention", module.attention, units, shape), shape
        if isinstance(module, nn.MaxPool2d | nn.AvgPool2d):
            return self._pooling(module, units, shape)
        raise NotImplementedError(type(module).__name__)

    def _linear(
        self, name: str, module: nn.Linear, units: list[int], shape: tuple[int, ...]
    ) -> tuple[list[int], tuple[int, ...]]:
        return self._dense(name, units, module.in_features, module.out_features), (*shape[:-1], module.out_features)

    def _dense(self, name: str, units: list[int], wide_in: int, wide_out: int, row: int = 0) -> list[int]:
        """A matrix, its rows counted from `row`, at every position."""
        out: list[int] = []
        for start in range(0, len(units), wide_in):
            targets = self._new(wide_out)
            for o, target in enumerate(targets):
                sources = units[start : start + wide_in]
                self.edges += [Edge(source, target, (name, (row + o, i))) for i, source in enumerate(sources)]
            out += targets
        return out

    def _mixed(self, units: list[int], size: int) -> list[int]:
        """Every unit feeds every other of its group of neighbours."""
        out = self._new(len(units))
        for start in range(0, len(units), size):
            group = range(start, start + size)
            self.edges += [Edge(units[a], out[b], None) for a, b in itertools.product(group, group)]
        return out

    def _attention(
        self, name: str, module: nn.MultiheadAttention, units: list[int], shape: tuple[int, ...]
    ) -> list[int]:
        (length, wide), head = shape, module.head_dim
        q, k, v = (self._dense(f"{name}.in_proj_weight", units, wide, wide, row=wide * part) for part in range(3))
        mixed = self._new(length * wide)
        for place, c in itertools.product(range(length), range(wide)):
            target, first = mixed[place * wide + c], c // head * head
            self.edges += [Edge(q[place * wide + a], target, None) for a in range(first, first + head)]
            for other in range(length):
                self.edges += [Edge(k[other * wide + a], target, None) for a in range(first, first + head)]
                self.edges.append(Edge(v[other * wide + c], target, None))
        return self._dense(f"{name}.out_proj.weight", mixed, wide, wide)

    def _transposed(
        self, name: str, module: nn.ConvTranspose1d | nn.ConvTranspose2d, units: list[int], shape: tuple[int, ...]
    ) -> tuple[list[int], tuple[int, ...]]:
        geometry = list(zip(module.stride, module.padding, module.dilation, module.kernel_size, strict=True))
        extents = [
            (size - 1) * stride - 2 * pad + dilation * (kernel - 1) + 1
            for size, (stride, pad, dilation, kernel) in zip(shape[1:], geometry, strict=True)
        ]
        shape_out = (module.out_channels, *extents)
        out = self._new(math.prod(shape_out))
        at = dict(zip(itertools.product(*map(range, shape_out)), out, strict=True))
        ins, outs = module.in_channels // module.groups, module.out_channels // module.groups
        for source, (i, *place) in zip(units, itertools.product(*map(range, shape)), strict=True):
            for o, *tap in itertools.product(range(outs), *map(range, module.kernel_size)):
                position = [
                    p * stride - pad + t * dilation
                    for p, t, (stride, pad, dilation, _) in zip(place, tap, geometry, strict=True)
                ]
                target = at.get((i // ins * outs + o, *position))
                if target is not None:
                    self.edges.append(Edge(source, target, (name, (i, o, *tap))))
        return out, shape_out

    def _convolution(
        self, name: str, module: nn.Conv1d | nn.Conv2d, units: list[int], shape: tuple[int, ...]
    ) -> tuple[list[int], tuple[int, ...]]:
        at = dict(zip(itertools.product(*map(range, shape)), units, strict=True))
        extents = [
            (size + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
            for size, pad, dilation, kernel, stride in zip(
                shape[1:], module.padding, module.dilation, module.kernel_size, module.stride, strict=True
            )
        ]
        shape_out = (module.out_channels, *extents)
        out = self._new(math.prod(shape_out))
        ins, outs = module.in_channels // module.groups, module.out_channels // module.groups
        for target, (o, *place) in zip(out, itertools.product(*map(range, shape_out)), strict=True):
            for i, *tap in itertools.product(range(ins), *map(range, module.kernel_size)):
                position = [
                    p * stride - pad + t * dilation
                    for p, stride, pad, t, dilation in zip(
                        place, module.stride, module.padding, tap, module.dilation, strict=True
                    )
                ]
                source = at.get((o // outs * ins + i, *position))
                if source is not None:
                    self.edges.append(Edge(source, target, (name, (o, i, *tap))))
        return out, shape_out

    def _pooling(
        self, module: nn.MaxPool2d | nn.AvgPool2d, units: list[int], shape: tuple[int, ...]
    ) -> tuple[list[int], tuple[int, ...]]:
        at = dict(zip(itertools.product(*map(range, shape)), units, strict=True))
        kernel, stride, pad = module.kernel_size, module.stride, module.padding
        assert isinstance(kernel, int)
        assert isinstance(stride, int)
        assert isinstance(pad, int)
        shape_out = (shape[0], *((size + 2 * pad - kernel) // stride + 1 for size in shape[1:]))
        out = self._new(math.prod(shape_out))
        for target, (c, y, x) in zip(out, itertools.product(*map(range, shape_out)), strict=True):
            for r, s in itertools.product(range(kernel), repeat=2):
                source = at.get((c, y * stride - pad + r, x * stride - pad + s))
                if source is not None:
                    self.edges.append(Edge(source, target, None, 1 / kernel**2))
        return out, shape_out
