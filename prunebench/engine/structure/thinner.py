"""A thinner network inside a network: the first channels of every layer, of an exact number of weights."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from fractions import Fraction
from itertools import count as numbers
from typing import TYPE_CHECKING

import torch

from prunebench.engine.masks import Masks
from prunebench.errors import DensityError, PruningError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from torch import Tensor

    from prunebench.engine.structure.channels import Channels, Group


@dataclass(frozen=True, eq=False)
class Thinner:
    """Masks of an exact number of weights, and the dense network in them."""

    masks: Masks
    """The dense network's weights, and part of those of one more channel."""
    removed: Mapping[str, Tensor]
    """By group of channels, boolean `[size]`: True for what the dense network is without."""


def thinner(channels: Channels, count: int, groups: Collection[str] | None = None) -> Thinner:
    """The first channels of every layer, by the same share of each; all inputs and outputs of the network.

    Other groups than those given stay as they are; None is all of them.

    Of n channels of one kind (`Group.kinds`), the share s keeps the first ⌈s·n⌉. The largest s is taken whose network
    has at most `count` weights. Of the channels that the next larger share adds, as many as fit follow in forward
    order, and then weights of one more, those of earlier layers first and in the order of the tensor.

    Raises:
        PruningError: the network has fewer weights than `count`, or with one channel of each kind still more.
    """
    chosen = {name: group for name, group in channels.groups.items() if groups is None or name in groups}
    order = _order(chosen)
    least = sum(int(group.kinds.max()) + 1 for group in chosen.values())

    def without(kept: int) -> dict[str, Tensor]:
        """All but so many channels."""
        removed = {name: torch.ones(group.size, dtype=torch.bool) for name, group in chosen.items()}
        for name, channel in order[:kept]:
            removed[name][channel] = False
        return removed

    sizes = range(least, len(order) + 1)
    fits = bisect.bisect_right(sizes, count, key=lambda kept: channels.kept(without(kept))) + least - 1
    if fits < least:
        smallest = channels.kept(without(least))
        raise DensityError(f"no thinner network has {count} weights: the thinnest has {smallest}")
    removed = without(fits)
    masks = channels.masks(removed)
    missing = count - masks.kept()
    if missing and fits == len(order):
        raise PruningError(f"no thinner network has {count} weights: the whole one has {masks.kept()}")
    if missing:
        masks = _filled(masks, channels.masks(without(fits + 1)), missing)
    return Thinner(masks, removed)


def _order(groups: Mapping[str, Group]) -> list[tuple[str, int]]:
    """All channels as (group, number): by the share above which each is kept, then in forward order."""
    shares: list[tuple[Fraction, str, int]] = []
    for name, group in groups.items():
        kinds: list[int] = group.kinds.tolist()
        ranks = {kind: numbers() for kind in kinds}
        shares += [(Fraction(next(ranks[k]), kinds.count(k)), name, channel) for channel, k in enumerate(kinds)]
    return [(name, channel) for _, name, channel in sorted(shares, key=lambda entry: entry[0])]


def _filled(masks: Masks, more: Masks, missing: int) -> Masks:
    """`masks`, and the first `missing` weights that only `more` keeps."""
    found: dict[str, Tensor] = {}
    for name, mask in masks.items():
        new = (more[name] & ~mask).flatten().nonzero().flatten()[:missing]
        missing -= len(new)
        found[name] = mask.flatten().index_fill(0, new, value=True).view(mask.shape)
    return Masks(found)
