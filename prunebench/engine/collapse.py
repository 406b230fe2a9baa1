"""Critical compression: the largest at which no notion of collapse has come about (Tanaka et al. 2020, section 3)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from prunebench.engine.selection.pruning import masks_at
from prunebench.engine.structure.bounds import fewest_weights
from prunebench.engine.structure.cost import Tally
from prunebench.engine.structure.effective import Connectivity
from prunebench.records.metrics import NOTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from torch import Tensor, nn

    from prunebench.engine.masks import Masks
    from prunebench.engine.structure.cost import Cost

_GRID = 13
_SCAN = 10


@dataclass(frozen=True)
class View:
    """One network under masks: what is dead, what is reached, what is effective."""

    masks: Masks
    effective: Masks
    reached: int
    outputs: int
    cost: Cost
    """Under the masks."""
    effective_cost: Cost
    """Under the masks of effective weights."""

    def survives(self) -> dict[str, bool]:
        """For each notion of collapse, that it has not come about."""
        return {
            "dead_layer": not self.masks.dead_layers(),
            "dead_effective_layer": not self.effective.dead_layers(),
            "no_path": self.reached > 0,
            "classes_unreached": self.reached == self.outputs,
        }

    def metrics(self) -> dict[str, float | None]:
        """Counts and densities of kept and effective weights."""
        kept, alive, total = self.masks.kept(), self.effective.kept(), self.masks.total()
        return {
            "kept": kept,
            "density": kept / total,
            "dead_layers": len(self.masks.dead_layers()),
            "dead_effective_layers": len(self.effective.dead_layers()),
            "effective_kept": alive,
            "effective_density": alive / total,
            "effective_share": alive / kept if kept else None,
            "has_path": float(self.reached > 0),
            "classes_reached": self.reached,
            "kept_parameters": self.cost.parameters - total + kept,
            "macs": self.cost.macs,
            "kept_macs": self.cost.kept_macs,
            "effective_macs": self.effective_cost.kept_macs,
        }

    def series(self) -> dict[str, list[int] | list[str]]:
        """Kept, effective and prunable weights of every layer."""
        return {
            "layer": list(self.masks),
            "size_by_layer": [mask.numel() for mask in self.masks.values()],
            "kept_by_layer": list(self.masks.by_layer().values()),
            "effective_by_layer": list(self.effective.by_layer().values()),
        }


class Observer:
    """Looks at one architecture under many masks."""

    def __init__(self, model: nn.Module, shape: tuple[int, ...]) -> None:
        """Prepare for a model that takes inputs of `shape`."""
        self._connectivity = Connectivity(model, shape)
        self._tally = Tally(model, shape)
        full = self._connectivity.full()
        self.names, self.layers, self.total = tuple(full), len(full), full.total()
        self.outputs = self._connectivity.outputs(full).numel()
        self.fewest = fewest_weights(model, shape)

    def view(self, masks: Masks) -> View:
        """What the masks leave."""
        effective, reached = self._connectivity.effective(masks)
        costs = self._tally.under(masks), self._tally.under(effective)
        return View(masks, effective, int(reached.sum()), self.outputs, *costs)

    def reached(self, masks: Masks) -> int:
        """Outputs that some path leads to."""
        return int(self._connectivity.outputs(masks).sum())


@dataclass(frozen=True)
class Critical:
    """The smallest count without collapse from there on up, by notion; None where even the dense network has it."""

    counts: Mapping[str, int | None]
    first: Mapping[str, str]
    """The layer that goes first, by notion that speaks of layers."""
    evaluations: int | None = None
    """Masks that were looked at, where there was a search."""

    def metrics(self, total: int, fewest: Mapping[str, int]) -> dict[str, float | None]:
        """Critical compression, its bound and the ratio of their logarithms, by notion."""
        found: dict[str, float | None] = {}
        for notion, count in self.counts.items():
            bound = total / fewest[notion]
            found[f"rho_max_{notion}"] = bound
            found[f"rho_cr_{notion}"] = None if count is None else total / count
            # A network of one weight a layer cannot be compressed at all: its ratio of logarithms has no value.
            found[f"log_ratio_{notion}"] = None if count is None or bound == 1 else math.log(total / count, bound)
        return found


def critical_of_descent(observer: Observer, ranks: Mapping[str, Tensor]) -> Critical:
    """Critical counts of a nested family of masks.

    The dead layer needs no search: the last layer to lose its best weight decides, at that weight's rank. The other
    notions are monotone along nested masks, so that doubling and bisection find their counts exactly.
    """

    def smallest(above: int, survives: Callable[[Masks], bool]) -> int | None:
        """The smallest count that survives, where `above` and all counts below it do not."""
        low, high = above, min(above + 1, observer.total)
        while not survives(masks_at(ranks, high)):
            if high == observer.total:
                return None
            low, high = high, min(2 * high, observer.total)
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if survives(masks_at(ranks, middle)) else (middle, high)
        return high

    fewest = observer.fewest
    dead = max(int(rank.min()) for rank in ranks.values())
    path = smallest(fewest["no_path"] - 1, lambda m: observer.reached(m) > 0)
    # Where every class is reached there is a path, and where every layer is effective there is one and no layer dead.
    least = max(fewest["classes_unreached"], path or 1)
    classes = smallest(least - 1, lambda m: observer.reached(m) == observer.outputs)
    effective = smallest(max(dead, path or 1) - 1, lambda m: not observer.view(m).effective.dead_layers())
    counts = {"dead_layer": dead, "dead_effective_layer": effective, "no_path": path, "classes_unreached": classes}
    return Critical(counts, _first(observer, counts, lambda count: masks_at(ranks, count)))


def critical_by_search(observer: Observer, masks_with: Callable[[int], Masks]) -> Critical:
    """Critical counts where every count has masks of its own, so that survival need not be monotone.

    A log grid of counts brackets the largest count that collapses, bisection on the integer finds it, and a scan of the
    counts above it looks for one that collapses again, until none does. What lies between the counts of grid and scan
    is not looked at.

    Args:
        observer: of the architecture.
        masks_with: the method's masks with a given count of weights, from L to N.
    """
    seen: dict[int, dict[str, bool]] = {}

    def survives(count: int, notion: str) -> bool:
        if count not in seen:
            seen[count] = observer.view(masks_with(count)).survives()
        return seen[count][notion]

    counts: dict[str, int | None] = {notion: _last_collapse(observer, notion, survives) for notion in NOTIONS}
    return Critical(counts, _first(observer, counts, masks_with), len(seen))


def _last_collapse(observer: Observer, notion: str, survives: Callable[[int, str], bool]) -> int | None:
    """One more than the largest examined count that collapses; L if none does."""
    looked_at = list(_log_counts(observer.layers, observer.total, _GRID))
    if not survives(observer.total, notion):
        return None
    critical = observer.layers
    while True:
        collapsed = [count for count in looked_at if count >= critical and not survives(count, notion)]
        if not collapsed:
            return critical
        low = max(collapsed)
        high = min(count for count in looked_at if count > low)
        top = high
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (low, middle) if survives(middle, notion) else (middle, high)
        critical = high
        looked_at = sorted({*looked_at, *_log_counts(critical, top, _SCAN)})


def _log_counts(low: int, high: int, points: int) -> Iterator[int]:
    yield from sorted({round(count) for count in np.geomspace(low, high, points)})


def _first(observer: Observer, counts: Mapping[str, int | None], masks_with: Callable[[int], Masks]) -> dict[str, str]:
    """The layers that are gone one weight below the critical count; none where that is the bound."""
    found: dict[str, str] = {}
    for notion, label in (("dead_layer", "first_dead_layer"), ("dead_effective_layer", "first_dead_effective_layer")):
        count = counts[notion]
        if count is None or count <= observer.fewest[notion]:
            continue
        view = observer.view(masks_with(count - 1))
        gone = (view.masks if notion == "dead_layer" else view.effective).dead_layers()
        found[label] = "all" if len(gone) == observer.layers else gone[0].removesuffix(".weight")
    return found
