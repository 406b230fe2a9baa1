"""What pruning events take from a network in training: small, random or large weights, or filters."""

from __future__ import annotations

import bisect
from typing import TYPE_CHECKING, Literal, Protocol

import torch
from torch import Tensor

from prunebench.engine.masks import Masks
from prunebench.engine.structure.channels import Channels
from prunebench.engine.structure.filters import by_filter
from prunebench.engine.structure.thinner import thinner
from prunebench.engine.training import importance
from prunebench.engine.training.events import kept_after
from prunebench.errors import DensityError, PruningError, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prunebench.engine.context import Pruning
    from prunebench.engine.training.importance import Importance

Size = Literal["small", "random", "large"]
Scope = Literal["layer", "global"]
Chosen = str | int | tuple[str, ...]
"""`hidden` is all layers but the last, `all`; a number the last so many hidden ones; else names of weights."""


class Targets(Protocol):
    """What has been chosen so far, by one event after the other."""

    notes: tuple[str, ...]

    @property
    def masks(self) -> Masks:
        """All that is not chosen; of filters, without the weights that read nothing else."""
        ...

    @property
    def held(self) -> dict[str, Tensor]:
        """Entries of other parameters that stay, by name; False for those of filters that are chosen."""
        ...

    def choose(self, event: int, events: int) -> bool:
        """Choose what event i of n takes, by the network as it is; whether that is anything."""
        ...

    def taken(self, *, last: bool) -> dict[str, Tensor]:
        """Entries that are chosen, True, by name: weights, and of filters biases, normalisation and its statistics.

        Args:
            last: by the last event only.
        """
        ...


class WeightTargets:
    """Single weights, to an exact count."""

    def __init__(self, ctx: Pruning, size: Size, scope: Scope, layers: Chosen) -> None:
        """Nothing is chosen yet.

        Raises:
            PruningError: no such layers.
            DensityError: the others alone have more weights than are to be kept.
        """
        self.notes: tuple[str, ...] = ()
        sizes = {layer.name: layer.size for layer in ctx.layers}
        names = _layers(layers, list(sizes), ctx.layers[-1].name)
        room = ctx.count - sum(sizes.values()) + sum(sizes[name] for name in names)
        if room < len(names) and layers == "hidden":
            self.notes = (f"density {ctx.density:g} leaves no room for a whole last layer: all layers are pruned",)
            names, room = list(sizes), ctx.count
        if room < 0:
            raise DensityError(
                f"density {ctx.density:g} keeps {ctx.count} weights, fewer than the layers have that stay whole: "
                "more layers, or a larger density"
            )
        self._ctx, self._size, self._generator = ctx, size, ctx.stream("targets")
        mine = {name: sizes[name] for name in names}
        self._pools = [(names, room)] if scope == "global" else [([n], k) for n, k in _parts(mine, room).items()]
        self._masks = self._before = Masks.full({name: weight.cpu() for name, weight in ctx.weights.items()})

    @property
    def masks(self) -> Masks:
        """All that is not chosen."""
        return self._masks

    @property
    def held(self) -> dict[str, Tensor]:
        """Nothing."""
        return {}

    def choose(self, event: int, events: int) -> bool:
        """Every layer, or all of them together, goes on to what it keeps after event i of n."""
        values = {n: v.double() for n, v in importance.of_weights(self._ctx.model).items()}
        found = dict(self._masks)
        for names, final in self._pools:
            now = Masks({name: self._masks[name] for name in names})
            count = kept_after(now.total(), final, event, events)
            if count < now.kept():
                priorities = _priorities({name: values[name] for name in names}, self._size, self._generator)
                found |= self._ctx.keep(priorities, count, now)
        self._before, self._masks = self._masks, Masks(found)
        return self._masks.kept() < self._before.kept()

    def taken(self, *, last: bool) -> dict[str, Tensor]:
        """Weights that are chosen."""
        return {name: ~mask & self._before[name] if last else ~mask for name, mask in self._masks.items()}


class FilterTargets:
    """Whole filters: as many as fit into the count, each with all that stands or falls with it (`Channels`).

    Where a shortcut without parameters makes a group's channels unlike, each kind is pruned on its own.
    """

    def __init__(self, ctx: Pruning, size: Size, scope: Scope, layers: Chosen, by: Importance) -> None:
        """Nothing is chosen yet.

        Raises:
            PruningError: no such layers, or none that has outputs to remove.
            DensityError: one filter a layer is too many.
        """
        self.notes: tuple[str, ...] = ()
        self._ctx, self._size, self._by, self._scope = ctx, size, by, scope
        self._generator = ctx.stream("targets")
        self._channels = channels = Channels.of(ctx.model, ctx.shape)
        able = [layer.name for layer in ctx.layers if any(layer.name in g.channels for g in channels.groups.values())]
        if not able:
            raise PruningError(f"{type(ctx.model).__name__} has no filter that can be removed")
        given = "all" if layers == "hidden" else layers
        known = [layer.name for layer in ctx.layers] if isinstance(given, tuple) else able
        names = dict.fromkeys(channels.group_of(name).name for name in _layers(given, known, None))
        self._groups = {name: group for name, group in channels.groups.items() if name in names}
        plan = _filled(channels, thinner(channels, ctx.count, names).removed, self._kinds(), ctx.count)
        self._removed = {name: torch.zeros(group.size, dtype=torch.bool) for name, group in self._groups.items()}
        self._before = self._removed
        self._final = {(g, kind): int((~plan[g][own]).sum()) for g, kind, own in self._kinds()}

    @property
    def masks(self) -> Masks:
        """All weights but those of chosen filters and those that read nothing else."""
        return self._channels.masks(self._removed)

    @property
    def held(self) -> dict[str, Tensor]:
        """Biases and normalisation of the filters that are not chosen."""
        return {name: kept for name, kept in self._channels.affine(self._removed).items() if not kept.all()}

    def choose(self, event: int, events: int) -> bool:
        """Every group, or all of them together, goes on to what it keeps after event i of n."""
        values = importance.of_channels(
            self._by, self._ctx.model, self._channels, self._groups, self._ctx.shape, self._ctx.scoring_set
        )
        order = _priorities(values, self._size, self._generator)
        self._before = self._removed
        self._removed = {name: flags.clone() for name, flags in self._removed.items()}
        if self._scope == "global":
            total = sum(layer.size for layer in self._ctx.layers)
            self._cut(order, kept_after(total, self._ctx.count, event, events))
        else:
            for name, kind, own in self._kinds():
                count = kept_after(int(own.sum()), self._final[name, kind], event, events)
                self._narrow(name, own, order, count)
            if event == events:
                # Of grouped convolutions, what a filter weighs depends on which others have gone.
                self._cut(order, self._ctx.count)
        if event == events:
            self.notes = self._achieved()
        return any(bool((flags & ~self._before[name]).any()) for name, flags in self._removed.items())

    def taken(self, *, last: bool) -> dict[str, Tensor]:
        """Filters' own weights, biases and normalisation: what makes their outputs, not what reads them."""
        chosen = {n: flags & ~self._before[n] if last else flags for n, flags in self._removed.items()}
        found: dict[str, Tensor] = {}
        for name, flags in chosen.items():
            for layer, numbers in self._groups[name].channels.items():
                rows = torch.where(numbers >= 0, flags[numbers.clamp(min=0)], False)
                full = {layer: torch.ones(self._ctx.weights[layer].shape, dtype=torch.bool)}
                found |= by_filter(lambda all_, rows=rows: all_ & rows[:, None], full, self._ctx.model)  # type: ignore[misc]
        entries = self._channels.affine(chosen) | self._channels.statistics(chosen)
        return found | {name: ~kept for name, kept in entries.items() if not kept.all()}

    def _kinds(self) -> Iterator[tuple[str, int, Tensor]]:
        """Channels that are pruned on their own, as (group, kind, `[size]`)."""
        for name, group in self._groups.items():
            for kind in range(int(group.kinds.max()) + 1):
                yield name, kind, group.kinds == kind

    def _narrow(self, group: str, own: Tensor, order: Mapping[str, Tensor], count: int) -> None:
        """Remove channels of one kind down to a count, those of lowest priority."""
        now = Masks({group: ~self._removed[group][own]})
        if count < now.kept():
            kept = self._ctx.keep({group: order[group][own]}, count, now)[group]
            self._removed[group][own] = ~kept

    def _cut(self, order: Mapping[str, Tensor], weights: int) -> None:
        """Remove channels over all groups until at most so many weights are kept; of each kind one stays."""
        queue: list[tuple[float, str, int]] = []
        for name, _, own in self._kinds():
            live = (own & ~self._removed[name]).nonzero().flatten().tolist()
            queue += sorted((float(order[name][channel]), name, channel) for channel in live)[:-1]
        queue.sort(key=lambda entry: entry[0])

        def without(number: int) -> dict[str, Tensor]:
            removed = {name: flags.clone() for name, flags in self._removed.items()}
            for _, name, channel in queue[:number]:
                removed[name][channel] = True
            return removed

        sizes = range(len(queue) + 1)
        number = bisect.bisect_left(sizes, -weights, key=lambda n: -self._channels.kept(without(n)))
        self._removed = without(number)

    def _achieved(self) -> tuple[str, ...]:
        total = sum(layer.size for layer in self._ctx.layers)
        kept = self._channels.kept(self._removed)
        stay = sum(int((~flags).sum()) for flags in self._removed.values())
        filters = f"{stay} of {sum(map(len, self._removed.values()))} filters"
        allowed = f"{kept} of the {self._ctx.count} weights allowed, density {kept / total:.4g}"
        return (f"whole filters: {allowed}, {filters}",)


def _layers(chosen: Chosen, known: list[str], last: str | None) -> list[str]:
    """Names of layers that may be pruned, in forward order; `last` is none of the hidden ones.

    Raises:
        PruningError: none, unknown ones, or more than there are.
    """
    if isinstance(chosen, tuple):
        for name in chosen:
            if name not in known:
                raise PruningError(f"layers: no layer {name}{suggestion(name, known)}")
        found = [name for name in known if name in chosen]
    else:
        hidden = [name for name in known if name != last]
        found = known if chosen == "all" else hidden
        if isinstance(chosen, int):
            if chosen > len(hidden):
                raise PruningError(f"layers={chosen} is more than the {len(hidden)} hidden layers that can be pruned")
            found = hidden[len(hidden) - chosen :]
    if not found:
        raise PruningError("layers: none is left to prune, since the last one stays whole; layers=all has it too")
    return found


def _filled(
    channels: Channels, removed: Mapping[str, Tensor], kinds: Iterator[tuple[str, int, Tensor]], count: int
) -> dict[str, Tensor]:
    """As removed, but for channels of each kind, in forward order, as far as they fit into the count."""
    found = {name: flags.clone() for name, flags in removed.items()}
    for name, _, own in kinds:
        for channel in (found[name] & own).nonzero().flatten().tolist():
            found[name][channel] = False
            if channels.kept(found) > count:
                found[name][channel] = True
                break
    return found


def _parts(sizes: Mapping[str, int], count: int) -> dict[str, int]:
    """A count in proportion to sizes, by largest remainders; one each, as far as that goes."""
    total = sum(sizes.values())
    parts = {name: max(1, count * size // total) for name, size in sizes.items()}
    # The floors come to less than the count; but with at least one each they may come to more.
    for name in sorted(sizes, key=lambda n: -(count * sizes[n] % total))[: max(0, count - sum(parts.values()))]:
        parts[name] += 1
    while sum(parts.values()) > count:
        parts[max(parts, key=lambda n: parts[n])] -= 1
    return parts


def _priorities(values: Mapping[str, Tensor], size: Size, generator: torch.Generator) -> dict[str, Tensor]:
    """Who has the least goes first."""
    if size == "random":
        return {n: torch.rand(v.shape, generator=generator, dtype=torch.float64) for n, v in values.items()}
    return {name: value if size == "small" else -value for name, value in values.items()}
