"""The laws of a flow, held against scores: what comes into a unit goes out, and every cut carries the same.

For a scalar R that depends on the weights through the network's output y alone, S = θ ⊙ ∂R/∂θ is a flow where
activations are homogeneous, φ(x) = φ'(x)·x: the scores of a unit's incoming weights have the sum of those of its
outgoing ones, and the scores of weights that cut input from output sum to ⟨∂R/∂y, y⟩ (Tanaka et al. 2020, theorems 1
and 2). Biases and shortcuts are weights of it as all others are.

What is known of scores that are none, per hidden unit:

- ½‖g‖² depends on θ through g as well, and scaling a unit's incoming weights by α and its outgoing ones by 1/α, which
  leaves the output alone, takes ‖g_in‖² to ‖g_in‖²/α² and ‖g_out‖² to α²·‖g_out‖². So S = θ ⊙ Hg, which is GraSP, has
  in − out = ‖g_out‖² − ‖g_in‖² exactly, over all weights of the unit: S + g ⊙ g is a flow.
- BatchNorm in train mode divides by the deviation √(v + ε) of its batch. Of ŷ = (x − m) / √(v + ε) and y = γŷ + β, the
  weights that feed a channel of x have ⟨∂R/∂x, x⟩ = ⟨∂R/∂ŷ, ŷ⟩·ε/(v + ε), and γ has ⟨∂R/∂ŷ, ŷ⟩ = γ·⟨∂R/∂y, ŷ⟩: in =
  out·ε/(v + ε), nothing for ε = 0, where the output does not change with the scale of x.

All sums are taken in float64.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from prunebench.engine.structure.flow_graph import CONSTANT, INPUT, NEVER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from torch import Tensor

    from prunebench.engine.layout import Index
    from prunebench.engine.structure.flow_graph import FlowGraph

Values = npt.NDArray[np.float64]

TINY = 1e-6
"""Of the sum of |scores| of the weights in question: the least that a difference is compared with, so that sums that
cancel to rounding errors are not compared with themselves."""


@dataclass(frozen=True, eq=False)
class UnitLaw:
    """Hidden units, in forward order: sets of channels that are added up without weights count as one."""

    layers: tuple[str, ...]
    """The first layer that feeds each unit."""
    incoming: Values
    """`[units]`, totals of scores."""
    outgoing: Values
    residual: Values
    """|in − out| / (|in| + |out|), the denominator at least `TINY` of the unit's |scores|; 0 where all are zero."""


@dataclass(frozen=True, eq=False)
class CutLaw:
    """Sets of weights that cut input from output, in forward order, the weights that feed the output last."""

    layers: tuple[str, ...]
    """The layer just before whose output the network is cut."""
    totals: Values
    """`[cuts]`."""
    residual: Values
    """|total − that of the last| / (|total| + |that of the last|), likewise; the last is 0."""


def residual(first: Values, second: Values, absolute: Values) -> Values:
    """|a − b| / (|a| + |b|), the denominator at least `TINY` of `absolute`, the sum of |scores| on both sides."""
    least = np.maximum(np.abs(first) + np.abs(second), TINY * absolute)
    found: Values = np.divide(np.abs(first - second), least, out=np.zeros_like(least), where=least > 0)
    return found


def unit_law(graph: FlowGraph, scores: Mapping[str, Tensor]) -> UnitLaw:
    """Scores into and out of every hidden unit; scores are by the graph's layers.

    The input, the output, what is added to either without weights, and what touches a layer whose weights are not
    prunable have no law.
    """
    count = len(graph.written)
    into, out, absolute = np.zeros(count), np.zeros(count), np.zeros(count)
    for name, wires in graph.layers.items():
        sums, sizes = _kernels(scores[name])
        source, target = (np.broadcast_to(nodes, sums.shape).ravel() for nodes in (wires.source, wires.target))
        into += np.bincount(target, sums.ravel(), count)
        out += np.bincount(source, sums.ravel(), count)
        absolute += np.bincount(target, sizes.ravel(), count) + np.bincount(source, sizes.ravel(), count)
    lawless = {CONSTANT, INPUT, graph.output}
    for wires in graph.unweighted:
        lawless |= set(wires.source.ravel().tolist()) | set(wires.target.ravel().tolist())
    units = np.array(sorted(graph.writer.keys() - lawless), dtype=np.int64)
    into, out = into[units], out[units]
    names = tuple(graph.writer[unit] for unit in units.tolist())
    return UnitLaw(names, into, out, residual(into, out, absolute[units]))


def cut_law(graph: FlowGraph, scores: Mapping[str, Tensor]) -> CutLaw | None:
    """Totals of the cuts just before each layer's output; None where what feeds the output is no cut.

    Before a layer's output, the network has the nodes whose writers have all been called. A weight is in the cut if it
    reads one of these and feeds another. The layer is a cut by itself, or with others that run beside it, where all of
    its own weights are in the cut, none leads back, and no other layer's weights, not prunable, cross it. A node that
    is written before and after, as the sum of a residual branch and an identity without a weight is, leaves the layers
    between no cut.
    """
    if graph.output == INPUT:
        return None
    edges = _edges(graph, scores)
    last = int(graph.written[graph.output])
    hidden = np.delete(graph.written, [CONSTANT, INPUT])
    moments = np.unique(hidden[hidden > NEVER])
    found: dict[int, tuple[str, float, float]] = {}
    for name, wires in graph.layers.items():
        # Layers before whose outputs the same nodes are there are one cut.
        place = int(np.searchsorted(moments, wires.call))
        if wires.call <= last and place not in found and edges.cuts(wires.call, name):
            crossing = edges.crossing(wires.call)
            found[place] = name, float(edges.total[crossing].sum()), float(edges.absolute[crossing].sum())
    final = int(np.searchsorted(moments, last))
    if final not in found:
        return None
    places = sorted(found)
    names = tuple(found[place][0] for place in places)
    totals, absolute = (np.array([found[place][part] for place in places]) for part in (1, 2))
    return CutLaw(names, totals, residual(totals, np.full_like(totals, found[final][1]), absolute + found[final][2]))


def size_slope(sizes: Sequence[int], totals: Sequence[float]) -> float | None:
    """Least-squares slope of log10(|total| / size) against log10(size); −1 where all layers have one total.

    Layers whose total is zero are left out; None for fewer than two sizes.
    """
    size, total = np.array(sizes, dtype=np.float64), np.abs(np.array(totals, dtype=np.float64))
    size, total = size[total > 0], total[total > 0]
    across = np.log10(size) - np.log10(size).mean() if len(size) else size
    if not (across**2).sum() > 0:
        return None
    return float((across * np.log10(total / size)).sum() / (across**2).sum())


@dataclass(frozen=True, eq=False)
class _Edges:
    """Weights from one time to another, by layer: totals of scores."""

    layer: tuple[str | None, ...]
    """None where the weights are not prunable."""
    begin: Index
    """When what is read is there."""
    end: Index
    """When what is fed is there."""
    total: Values
    absolute: Values

    def crossing(self, call: int) -> npt.NDArray[np.bool_]:
        """Those that lead from what is there before a call to what is not."""
        return (self.begin < call) & (self.end >= call)

    def cuts(self, call: int, layer: str) -> bool:
        """Do the weights that cross cut the network, with all of the layer's among them?"""
        if ((self.begin >= call) & (self.end < call)).any():
            return False
        crossing = self.crossing(call)
        return all(
            crosses if own == layer else own is not None or not crosses
            for own, crosses in zip(self.layer, crossing.tolist(), strict=True)
        )


def _edges(graph: FlowGraph, scores: Mapping[str, Tensor]) -> _Edges:
    moments = int(graph.written.max()) + 2
    parts: list[tuple[str | None, int, int, float, float]] = []
    for name, wires in (*graph.layers.items(), *((None, wires) for wires in graph.unweighted)):
        shape = np.broadcast_shapes(wires.source.shape, wires.target.shape)
        sums, sizes = (np.zeros(shape), np.zeros(shape)) if name is None else _kernels(scores[name])
        begin, end = (np.broadcast_to(graph.written[nodes] - NEVER, shape) for nodes in (wires.source, wires.target))
        pair = (begin * moments + end).ravel()
        there = np.flatnonzero(np.bincount(pair))
        total, absolute = (np.bincount(pair, values.ravel())[there].tolist() for values in (sums, sizes))
        times = ((there // moments + NEVER).tolist(), (there % moments + NEVER).tolist())
        parts += zip([name] * len(there), *times, total, absolute, strict=True)
    layer, first, last, total, absolute = zip(*parts, strict=True)
    return _Edges(layer, np.array(first), np.array(last), np.array(total), np.array(absolute))


def _kernels(score: Tensor) -> tuple[Values, Values]:
    """`[rows, columns]`: the sum over each kernel, and that of absolute values."""
    wide = score.detach().double().cpu().flatten(2) if score.dim() > 2 else score.detach().double().cpu()[..., None]
    return wide.sum(-1).numpy(), wide.abs().sum(-1).numpy()
