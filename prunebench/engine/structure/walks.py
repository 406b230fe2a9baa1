"""Random walks over the units of a network, many at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from prunebench.engine.layout import Index
    from prunebench.engine.structure.wiring import Flags, Groups, Wiring

LEAST = 1e-9
"""Of the largest |w|: what a weight of zero counts, so that no walk ends at it."""


@dataclass(frozen=True)
class _Rows:
    """Numbers in rows, each with a size, to draw one of a row with a chance proportional to its size."""

    starts: Index
    sums: npt.NDArray[np.float64]
    """Sizes summed up over all rows, with 0 in front."""
    members: Index

    @classmethod
    def of(cls, rows: Index, sizes: npt.NDArray[np.float64], members: Index, count: int) -> _Rows:
        """`members` of `count` rows, those of each row together and in ascending order of `rows`."""
        return cls(np.searchsorted(rows, np.arange(count + 1)), np.insert(np.cumsum(sizes), 0, 0.0), members)

    @cached_property
    def totals(self) -> npt.NDArray[np.float64]:
        """Of the sizes of every row."""
        return self.sums[self.starts[1:]] - self.sums[self.starts[:-1]]

    def some(self, rows: Index) -> Flags:
        """Which of the rows are not empty."""
        return self.starts[rows] < self.starts[rows + 1]

    def draw(self, rows: Index, generator: np.random.Generator) -> Index:
        """One member of each of the rows, none of which is empty."""
        first, last = self.starts[rows], self.starts[rows + 1]
        point = self.sums[first] + generator.random(len(rows)) * (self.sums[last] - self.sums[first])
        # Rounding may put a point on a row's edge.
        return self.members[np.clip(np.searchsorted(self.sums, point, side="right") - 1, first, last - 1)]


class Walker:
    """Random walks from input to output; a walk is a row of edges, and −1 after its end.

    From a unit the walk goes on to one that reads it, or back to one that it reads, with a chance proportional to the
    |W| of their kernel; then an entry of the kernel is drawn by |w|.
    """

    def __init__(self, wires: Wiring, biased: bool, generator: np.random.Generator) -> None:
        """`biased` false: every |w| counts the same."""
        self._wires, self._generator, self._done = wires, generator, 0
        sizes = wires.size + LEAST * max(wires.size.max(), LEAST) if biased else np.ones_like(wires.size)
        edges, channels = np.arange(len(sizes)), len(wires.channels.starts) - 1
        self._into = _Rows.of(wires.target, sizes, edges, wires.units)
        order = np.argsort(wires.source, kind="stable")
        self._out_of = _Rows.of(wires.source[order], sizes[order], order, channels)
        # The channels that a unit feeds, by the total |W| that leads on from there.
        by_unit = np.argsort(wires.channels.members, kind="stable")
        unit, channel = wires.channels.members[by_unit], wires.channels.owners[by_unit]
        leads = self._out_of.some(channel)
        unit, channel = unit[leads], channel[leads]
        self._readers = _Rows.of(unit, self._out_of.totals[channel], channel, wires.units)
        self._feeders = _even(wires.channels)
        self._ends = _even(wires.outputs)
        inputs, outputs = np.arange(wires.inputs), np.arange(len(wires.outputs.starts) - 1)
        self._inputs = generator.permutation(inputs[self._readers.some(inputs)])
        self._outputs = generator.permutation(outputs[self._ends.some(outputs)])

    def rounds(self, walks: int) -> Index:
        """The next walks, in turn forward from an input unit and backward from an output unit, `[walks, steps]`."""
        turn = self._done + np.arange(walks // 2)
        self._done += walks // 2
        forward = self._forward(self._inputs[turn % len(self._inputs)])
        last = self._ends.draw(self._outputs[turn % len(self._outputs)], self._generator)
        both = _beside(forward, self._backward(last))
        return both.transpose(1, 0, 2).reshape(walks, -1)

    def through(self, units: Index) -> Index:
        """A walk through each of these units, `[walks, steps]`, without those that are on no path."""
        units = self._generator.permutation(units[self._into.some(units)])
        back, on = self._backward(units), self._forward(units)
        return np.concatenate([back, on], axis=1)

    def _forward(self, units: Index) -> Index:
        steps: list[Index] = []
        alive = self._readers.some(units)
        while alive.any():
            channels = self._readers.draw(units[alive], self._generator)
            edges = self._out_of.draw(channels, self._generator)
            steps.append(_spread(edges, alive))
            units = _spread(self._wires.target[edges], alive)
            alive &= self._readers.some(units)
        return _columns(steps, len(units))

    def _backward(self, units: Index) -> Index:
        steps: list[Index] = []
        alive = units >= self._wires.inputs
        while alive.any():
            edges = self._into.draw(units[alive], self._generator)
            steps.append(_spread(edges, alive))
            units = _spread(self._feeders.draw(self._wires.source[edges], self._generator), alive)
            alive &= units >= self._wires.inputs
        return _columns(steps, len(units))


def _even(groups: Groups) -> _Rows:
    """A draw with equal chances from each list."""
    return _Rows.of(groups.owners, np.ones(len(groups.members)), groups.members, len(groups.starts) - 1)


def _spread(values: Index, alive: Flags) -> Index:
    """The values at the places that are alive, −1 elsewhere."""
    spread = np.full(len(alive), -1)
    spread[alive] = values
    return spread


def _columns(steps: list[Index], walks: int) -> Index:
    return np.stack(steps, axis=1) if steps else np.full((walks, 0), -1)


def _beside(first: Index, second: Index) -> Index:
    """`[2, walks, steps]`, the shorter walks filled up."""
    both = np.full((2, len(first), max(first.shape[1], second.shape[1])), -1)
    both[0, :, : first.shape[1]], both[1, :, : second.shape[1]] = first, second
    return both
