"""Channels as structured pruning removes them: through BatchNorm, shortcuts and the layers that read them.

A channel is an output of a convolution or a feature of a linear layer, together with all others that stand or fall with
it (`coupling`). What the network's outputs are, or what is added to its input, can not be removed.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable
from prunebench.engine.structure.coupling import FIXED, Coupling
from prunebench.engine.structure.wiring import Groups
from prunebench.errors import PruningError, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from torch import nn

    from prunebench.engine.layout import Index
    from prunebench.engine.structure.unit_trace import Application
    from prunebench.engine.structure.wiring import Flags


@dataclass(frozen=True, eq=False)
class Group:
    """Channels of layers that are coupled, each the same channel of all layers whose outputs are added up.

    Numbers are those of the layers' own outputs, unless the layers have different widths (a shortcut without parameters
    between stages) or are concatenated before the sum: a layer's `channels` says which are its.
    """

    name: str
    """Its first layer's weight name."""
    size: int
    """Channels; they are numbered in the order in which layers have them first."""
    channels: Mapping[str, Tensor]
    """By weight name of a layer, in forward order: `[outputs]`, the channel of each output, -1 for one that stays."""
    norms: tuple[str, ...]
    """Names of the modules that normalise these channels, in forward order."""
    kinds: Tensor
    """`[size]`: channels are of one kind when they are channels of the same layers; numbered from 0 as they come."""

    @property
    def layers(self) -> tuple[str, ...]:
        """Weight names of its layers, in forward order."""
        return tuple(self.channels)


@dataclass(frozen=True, eq=False)
class _Matrix:
    """A weight as a matrix of kernels, `[out, in / groups]`, transposed `[in, out / groups]`."""

    shape: torch.Size
    transposed: bool
    groups: int
    feeds: Index
    """`[out]`: classes."""
    reads: Groups
    """The classes that feed each input channel, in all calls."""

    def kept(self, gone: Flags) -> Flags:
        """The kernels that neither belong to a channel that is gone nor read nothing else."""
        read, feeds = _wholly(gone, self.reads), gone[self.feeds]
        own, other = (read, feeds) if self.transposed else (feeds, read)
        blocks = np.repeat(other.reshape(self.groups, -1), len(own) // self.groups, axis=0)
        return ~(own[:, None] | blocks)

    @property
    def kernel(self) -> int:
        """Weights of one kernel."""
        return self.shape[2:].numel()

    @property
    def fan_in(self) -> int:
        """Weights of one output."""
        return self.shape.numel() // len(self.feeds)


@dataclass(frozen=True, eq=False)
class Channels:
    """What can be removed from one network, and what goes with it."""

    groups: Mapping[str, Group]
    """By name, in forward order; the units of the network's outputs are in none."""
    _shapes: Mapping[str, torch.Size]
    _matrices: Mapping[str, _Matrix]
    _vectors: Mapping[str, Groups]
    """By name of a bias or a normalisation's parameter or statistic: the classes that each entry acts on."""
    _buffers: frozenset[str]
    """Those of `_vectors` that are statistics."""
    _classes: Mapping[str, Index] = field(repr=False)
    """By group: the class of every channel."""

    @classmethod
    def of(cls, model: nn.Module, shape: tuple[int, ...]) -> Channels:
        """The channels of a model that takes inputs of `shape`, the batch left out.

        Raises:
            UnsupportedOperatorError: the forward pass uses an operator without a rule.
        """
        trace, classes = Coupling.of(model, shape)

        def acting(feeds: Iterable[frozenset[int]]) -> Groups:
            return Groups.of([sorted({FIXED if u < 0 else int(classes[u]) for u in units}) for units in feeds])

        calls: dict[str, Application] = {}
        reads: dict[str, list[frozenset[int]]] = {}
        vectors: dict[str, list[frozenset[int]]] = {}
        norms: dict[str, set[int]] = {}
        shapes = {name: weight.shape for name, weight in prunable(model).items()}
        parameters = dict(model.named_parameters())
        for layer in trace.layers:
            if layer.weight is not None:
                calls.setdefault(layer.weight, layer.applied)
                _joined(reads, layer.weight, [trace.channels[channel] for channel in layer.applied.reads])
            if layer.bias in parameters:
                _joined(vectors, layer.bias, [frozenset({unit}) for unit in layer.applied.feeds])
        for norm in trace.norms:
            for name in norm.tensors:
                _joined(vectors, name, norm.feeds)
                found = norms.setdefault(name.rpartition(".")[0], set())
                found |= set(acting(norm.feeds).members.tolist())
        matrices = {
            name: _Matrix(shapes[name], call.transposed, call.groups, classes[list(call.feeds)], acting(reads[name]))
            for name, call in calls.items()
        }
        groups, numbers = _grouped({name: matrix.feeds for name, matrix in matrices.items()}, norms)
        acted = {name: acting(feeds) for name, feeds in vectors.items()}
        return cls(groups, shapes, matrices, acted, frozenset(acted.keys() - parameters), numbers)

    def group_of(self, layer: str) -> Group:
        """The group that the outputs of a layer, by its weight name, are in.

        Raises:
            PruningError: there is no such layer, or none of its outputs can be removed.
        """
        for group in self.groups.values():
            if layer in group.channels:
                return group
        if layer not in self._shapes:
            raise PruningError(f"no layer {layer}{suggestion(layer, self._shapes)}")
        raise PruningError(
            f"no output of layer {layer} can be removed: they are the network's own, or go with them or its input"
        )

    def masks(self, removed: Mapping[str, Tensor]) -> Masks:
        """All weights but those of removed channels and those that read nothing but removed channels.

        Args:
            removed: by group, boolean `[size]`, True removes; groups that are left out stay.

        Raises:
            PruningError: there is no such group, or a tensor is not boolean or of another size.
        """
        gone = self._gone(removed)
        found = {name: torch.ones(shape, dtype=torch.bool) for name, shape in self._shapes.items()}
        for name, matrix in self._matrices.items():
            kept = torch.from_numpy(matrix.kept(gone))
            found[name] &= kept.view(*kept.shape, *[1] * (found[name].dim() - 2))
        return Masks(found)

    def affine(self, removed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Which entries of biases and of the normalisations' parameters stay, by parameter name, True keeps.

        With all others zero, and the weights masked, the layers and normalisations of a removed channel give exactly
        zero. (BatchNorm without parameters gives a constant in eval mode; no kept weight reads it.)

        Raises:
            PruningError: as for `masks`.
        """
        return {name: kept for name, kept in self._kept_entries(removed).items() if name not in self._buffers}

    def statistics(self, removed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Which entries of running means and variances are of channels that stay, by buffer name.

        Raises:
            PruningError: as for `masks`.
        """
        return {name: kept for name, kept in self._kept_entries(removed).items() if name in self._buffers}

    def channels_of(self, name: str, group: str) -> Tensor:
        """`[entries]`: the channel of a group that each entry of a bias or of a normalisation's tensor acts on.

        It is -1 where that is another group's, or none that can be removed.
        """
        acted = self._vectors[name]
        # All the units that an entry acts on are of one class.
        return self.places(group, acted.members[acted.starts[:-1]])

    def places(self, group: str, classes: Index) -> Tensor:
        """The channel of a group that each class of `Coupling` is, -1 for others."""
        place = {number: channel for channel, number in enumerate(self._classes[group].tolist())}
        return torch.tensor([place.get(number, -1) for number in classes.tolist()], dtype=torch.int64)

    def fan_in_ratio(self, removed: Mapping[str, Tensor]) -> dict[str, float]:
        """Weights of a filter over those that are kept of it, by layer, the mean of kept filters; 1 where none is kept.

        Raises:
            PruningError: as for `masks`.
        """
        gone = self._gone(removed)
        found = dict.fromkeys(self._shapes, 1.0)
        for name, matrix in self._matrices.items():
            if kept := int(matrix.kept(gone).sum()) * matrix.kernel:
                found[name] = int((~gone[matrix.feeds]).sum()) * matrix.fan_in / kept
        return found

    def kept(self, removed: Mapping[str, Tensor]) -> int:
        """How many weights `masks` keeps.

        Raises:
            PruningError: as for `masks`.
        """
        gone = self._gone(removed)
        unused = sum(shape.numel() for name, shape in self._shapes.items() if name not in self._matrices)
        return unused + sum(int(m.kept(gone).sum()) * m.kernel for m in self._matrices.values())

    def _kept_entries(self, removed: Mapping[str, Tensor]) -> dict[str, Tensor]:
        gone = self._gone(removed)
        return {name: torch.from_numpy(~_wholly(gone, classes)) for name, classes in self._vectors.items()}

    def _gone(self, removed: Mapping[str, Tensor]) -> Flags:
        """`[classes]`."""
        gone = np.zeros(1 + sum(map(len, self._classes.values())), dtype=bool)
        for name, flags in removed.items():
            if name not in self.groups:
                raise PruningError(f"no group of channels {name}{suggestion(name, self.groups)}")
            if flags.dtype is not torch.bool or flags.shape != (self.groups[name].size,):
                raise PruningError(
                    f"group {name} needs {self.groups[name].size} booleans, not {list(flags.shape)} {flags.dtype}"
                )
            gone[self._classes[name]] = flags.cpu().numpy()
        return gone


def _wholly(gone: Flags, lists: Groups) -> Flags:
    """Which lists have members that are gone and no other."""
    return lists.hit(gone) & ~lists.hit(~gone)


def _joined(vectors: dict[str, list[frozenset[int]]], name: str, feeds: Sequence[frozenset[int]]) -> None:
    """Add the units that a parameter's entries act on in one more call."""
    before = vectors.get(name, [frozenset()] * len(feeds))
    vectors[name] = [one | other for one, other in zip(before, feeds, strict=True)]


def _grouped(feeds: Mapping[str, Index], norms: Mapping[str, set[int]]) -> tuple[dict[str, Group], dict[str, Index]]:
    """Groups by name, and the classes of their channels: layers with a common class are of one group."""
    own = {name: set(classes.tolist()) - {FIXED} for name, classes in feeds.items()}
    found: list[set[int]] = []
    for classes in own.values():
        if classes:
            common = [members for members in found if members & classes]
            found = [members for members in found if not members & classes] + [classes.union(*common)]
    groups: dict[str, Group] = {}
    numbers: dict[str, Index] = {}
    for members in sorted(found, key=min):
        place = {number: channel for channel, number in enumerate(sorted(members))}
        layers = [name for name, classes in own.items() if classes & members]
        channels = {name: torch.tensor([place.get(c, -1) for c in feeds[name].tolist()]) for name in layers}
        owners = [tuple(name for name in layers if number in own[name]) for number in sorted(members)]
        kinds = {kind: number for number, kind in enumerate(dict.fromkeys(owners))}
        acting = tuple(norm for norm, acted in norms.items() if acted & members)
        kind = torch.tensor([kinds[owner] for owner in owners])
        groups[layers[0]] = Group(layers[0], len(members), channels, acting, kind)
        numbers[layers[0]] = np.array(sorted(members))
    return groups, numbers
