"""Which unit feeds which: the weights of a network as edges between its units, read off one forward pass.

A unit is an output channel of a convolution, an output feature of a linear layer, or a channel or feature of the
network's input. Every element of an activation carries the set of units that it comes from, through reshapes, sums,
concatenation and pooling; what a layer finds in its input's channels are the units before it. A residual sum makes the
units of all its summands neighbours of what reads it.

Paths are exact by unit. A kernel entry that only ever sees padding is no edge, but which positions of a map two entries
have in common is not followed (`effective.Connectivity` does that).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from prunebench.engine.structure.unit_trace import UnitTrace, traced

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import nn

    from prunebench.engine.layout import Index

Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Groups:
    """Lists of numbers, one after the other: list i is `members[starts[i] : starts[i + 1]]`."""

    starts: Index
    members: Index

    @classmethod
    def of(cls, lists: Sequence[Iterable[int]]) -> Groups:
        """Flatten lists."""
        numbers = [list(found) for found in lists]
        starts = np.cumsum([0, *map(len, numbers)])
        return cls(starts, np.fromiter(chain.from_iterable(numbers), np.int64, starts[-1]))

    @property
    def owners(self) -> Index:
        """The list that every member is in."""
        return np.repeat(np.arange(len(self.starts) - 1), np.diff(self.starts))

    def hit(self, chosen: Flags) -> Flags:
        """Which lists have a chosen number."""
        found = np.zeros(len(self.starts) - 1, dtype=bool)
        found[self.owners[chosen[self.members]]] = True
        return found

    def only(self, chosen: Flags) -> Groups:
        """The lists with chosen numbers only."""
        stays = chosen[self.members]
        sizes = np.bincount(self.owners[stays], minlength=len(self.starts) - 1)
        return Groups(np.cumsum([0, *sizes]), self.members[stays])


@dataclass(frozen=True)
class Wiring:
    """The edges that lie on a path from input to output, in the order of the units that they feed.

    Units are numbered in forward order, those of the input first. A channel is one input channel or feature of one
    application of a layer; the units that feed it may be several.
    """

    inputs: int
    """Units of the network's input; their numbers are below it."""
    units: int
    channels: Groups
    """The units that feed every channel, without those that nothing reaches."""
    outputs: Groups
    """The units that feed every output, likewise."""
    source: Index
    """`[edges]`: the channel that is read."""
    target: Index
    """`[edges]`: the unit that is fed, ascending."""
    weight: Index
    """`[edges]`: flat index of the weight among the prunable ones, −1 if it is none of them."""
    size: npt.NDArray[np.float64]
    """`[edges]`: |w|."""


def wiring(model: nn.Module, shape: tuple[int, ...]) -> Wiring:
    """Trace a model that takes inputs of `shape`, the batch left out.

    Raises:
        UnsupportedOperatorError: the forward pass uses an operator without a rule.
    """
    trace, ends = traced(model, shape, UnitTrace)
    return _on_paths(trace, ends, math.prod(shape))


def _on_paths(trace: UnitTrace, ends: Sequence[frozenset[int]], elements: int) -> Wiring:
    """All that was traced, without what no path uses."""
    renamed, inputs = _input_units([*trace.channels, *ends], elements)
    units = inputs + trace.units

    def groups(lists: Iterable[frozenset[int]]) -> Groups:
        return Groups.of([sorted({renamed[n] if n < 0 else inputs + n for n in numbers}) for numbers in lists])

    channels, outputs = groups(trace.channels), groups(ends)
    reached = np.zeros(units, dtype=bool)
    reached[:inputs] = True
    lives: list[Flags] = []
    for source, target, _, _ in trace.edges:
        lives.append(channels.hit(reached)[source])
        reached[inputs + target[lives[-1]]] = True
    wanted = np.zeros(units, dtype=bool)
    wanted[outputs.members] = True
    read = np.zeros(len(trace.channels), dtype=bool)
    for index in reversed(range(len(lives))):
        source, target, _, _ = trace.edges[index]
        lives[index] &= wanted[inputs + target]
        read[source[lives[index]]] = True
        wanted[channels.members[read[channels.owners]]] = True
    source, target, weight, size = (
        np.concatenate([part[live] for part, live in zip(parts, lives, strict=True)])
        for parts in zip(*trace.edges, strict=True)
    )
    return Wiring(inputs, units, channels.only(reached), outputs.only(reached), source, inputs + target, weight, size)


def _input_units(lists: Sequence[frozenset[int]], elements: int) -> tuple[dict[int, int], int]:
    """The unit of every input element, those being one that are always read together; and how many there are."""
    readers: dict[int, list[int]] = {-1 - place: [] for place in range(elements)}
    for index, numbers in enumerate(lists):
        for number in numbers:
            if number < 0:
                readers[number].append(index)
    units: dict[tuple[int, ...], int] = {}
    return {n: units.setdefault(tuple(found), len(units)) for n, found in readers.items()}, len(units)
