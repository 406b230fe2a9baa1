"""What flows where: every weight as an edge between sets of units through which as much flows in as out.

Of a scalar R, the flow of an activation element x is x·∂R/∂x. Sums, branches, reshapes, pooling and homogeneous
activations conserve it, and so the weights that feed a set of units have together the flow of those that read it, where
all that is computed from the set's units is: an element comes from units of one set only. Where residual branches are
added up without weights, the set has all units that feed the sum, and every layer that reads it counts. Sets are finer
than the classes of `coupling`: a normalisation, or a depthwise filter, joins none.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from prunebench.engine.prunable import prunable
from prunebench.engine.structure.coupling import Coupling
from prunebench.engine.structure.unit_trace import traced
from prunebench.errors import UnsupportedOperatorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from torch import nn

    from prunebench.engine.layout import Index
    from prunebench.engine.structure.unit_trace import Application

CONSTANT, INPUT, OUTPUT = 0, 1, 2
"""Nodes: what comes from no activation, the network's input, and its output; units come after these."""

NEVER = -1
"""When the constant and the input are written."""


@dataclass(frozen=True, eq=False)
class Wires:
    """A weight as a matrix of kernels, `[out, in / groups]`, transposed `[in, out / groups]`: what each one joins."""

    source: Index
    """The node that is read; both broadcast to the matrix."""
    target: Index
    """The node that is fed."""
    call: int
    """When the layer is first called, in forward order."""


@dataclass(frozen=True, eq=False)
class FlowGraph:
    """The weights of one network as edges between nodes: sets of units, numbered by their least unit.

    Where the input reaches the output without a weight, both are the node `INPUT`.
    """

    layers: Mapping[str, Wires]
    """By weight name, in forward order; layers that the forward pass does not call are left out."""
    written: Index
    """`[nodes]`: the last call that feeds a node, `NEVER` where none does, and for the input."""
    writer: Mapping[int, str]
    """The first layer that feeds a node."""
    output: int
    """The node of the network's output: `OUTPUT`, or `INPUT`."""
    unweighted: tuple[Wires, ...] = field(default=())
    """Layers whose weights are not prunable: what flows through them is not known."""

    @classmethod
    def of(cls, model: nn.Module, shape: tuple[int, ...]) -> FlowGraph:
        """The graph of a model that takes inputs of `shape`, the batch left out.

        Raises:
            UnsupportedOperatorError: the forward pass uses an operator without a rule, or a weight that is no matrix.
        """
        trace, ends = traced(model, shape, _FlowTrace)
        return trace.graph(ends, {name: weight.dim() for name, weight in prunable(model).items()})


class _FlowTrace(Coupling):
    """Follows a forward pass and joins units from which an element comes, or that one weight reads or feeds."""

    def graph(self, ends: Iterable[frozenset[int]], dims: Mapping[str, int]) -> FlowGraph:
        """What was followed; `ends` are the units that feed each output."""
        nodes = _Nodes(3 + self.units)
        for units in (*self._sets, *self.channels, *self._shared()):
            nodes.join(_nodes_of(units))
        for units in ends:
            nodes.join([OUTPUT, *_nodes_of(units)])
        roots = nodes.roots()
        written = np.full(3 + self.units, NEVER, dtype=np.int64)
        layers: dict[str, Wires] = {}
        unweighted: list[Wires] = []
        writer: dict[int, str] = {}
        for call, layer in enumerate(self.layers):
            fed = roots[[3 + unit for unit in layer.applied.feeds]]
            written[fed] = call
            if layer.weight is not None:
                if dims[layer.weight] < 2:
                    raise UnsupportedOperatorError(
                        f"layer {layer.weight} is no matrix: which unit feeds which is unknown"
                    )
                for node in fed.tolist():
                    writer.setdefault(node, layer.weight)
                layers.setdefault(layer.weight, self._wires(layer.applied, roots, call))
            else:
                unweighted.append(self._wires(layer.applied, roots, call))
        written[INPUT] = NEVER
        return FlowGraph(layers, written, writer, int(roots[OUTPUT]), tuple(unweighted))

    def _wires(self, applied: Application, roots: Index, call: int) -> Wires:
        read = np.array([min(_nodes_of(self.channels[channel]), default=CONSTANT) for channel in applied.reads])
        read, fed = roots[read], roots[[3 + unit for unit in applied.feeds]]
        own, other = (read, fed) if applied.transposed else (fed, read)
        others = np.repeat(other.reshape(applied.groups, -1), len(own) // applied.groups, axis=0)
        source, target = (own[:, None], others) if applied.transposed else (others, own[:, None])
        return Wires(source, target, call)


def _nodes_of(units: Iterable[int]) -> list[int]:
    """Input elements are below zero."""
    return [INPUT if unit < 0 else 3 + unit for unit in units]


class _Nodes:
    """Union-find; the least of a set is its number."""

    def __init__(self, count: int) -> None:
        self._above = list(range(count))

    def join(self, members: Iterable[int]) -> None:
        found = sorted({self._root(member) for member in members})
        for other in found[1:]:
            self._above[other] = found[0]

    def roots(self) -> Index:
        return np.array([self._root(number) for number in range(len(self._above))])

    def _root(self, number: int) -> int:
        while self._above[number] != number:
            self._above[number] = self._above[self._above[number]]
            number = self._above[number]
        return number
