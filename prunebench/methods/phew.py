"""PHEW: paths with higher edge weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import torch

from prunebench.engine.custom import Method, method
from prunebench.engine.layout import Layout
from prunebench.engine.masks import Masks
from prunebench.engine.structure.walks import LEAST, Walker
from prunebench.engine.structure.wiring import wiring
from prunebench.engine.ticket import Ticket
from prunebench.errors import PruningError

if TYPE_CHECKING:
    import numpy.typing as npt

    from prunebench.engine.context import Pruning
    from prunebench.engine.layout import Index
    from prunebench.engine.structure.wiring import Flags, Wiring

_WALKS = 4096
"""Walks that are drawn together; the number is part of the seeded sequence."""
_STALE = 0.05
"""Share of new weights in `_WALKS` walks below which walking ends."""


@method(
    "phew",
    paper=(
        "Patil & Dovrolis 2021, PHEW: constructing sparse networks that learn fast and generalize well without "
        "training data"
    ),
    traits={"random"},
    notes=(
        "Every kept weight is on a path of units from input to output. A kernel entry is no candidate if it only ever "
        "sees padding, but two entries on a path may still share no position of a small map, so that position-exact "
        "effective density can be a little less. Walks start in turn from an input unit and from an output unit, each "
        "in a seeded order; the next unit is drawn by |W| of its kernel, then an entry of the kernel by |w|. Where "
        "shortcuts or a flattened map make several units neighbours, all of them count by their |W|; the authors' "
        "code decides with equal chances whether to walk a block or its projection, ignores identity shortcuts, and "
        "going forward picks a position of a flattened map uniformly. It also removes biases of units without weights "
        "and stops after the walk that exceeds the count. Here a walk that does not fit ends the walking, and single "
        "weights between connected units make the count exact. When 4096 walks bring less than 5 % new weights, a "
        "walk through every unit not yet met is followed by single weights, drawn by |w| over their layer's total. "
        "Masks of one seed are nested but for the single weights that fill them up. biased=false is the paper's "
        "control of unbiased walks."
    ),
)
class Phew(Method):
    """Biased random walks over |θ| until their weights are the count (Patil & Dovrolis 2021)."""

    biased: bool = True

    def prune(self, ctx: Pruning) -> Ticket:
        """Masks of exactly `ctx.count` weights.

        Raises:
            UnsupportedOperatorError: the forward pass uses an operator without a rule.
            PruningError: no path leads from input to output, or a weight is not finite.
        """
        weights = ctx.weights
        layout = Layout.of(weights)
        for name, weight in weights.items():
            if not torch.isfinite(weight).all():
                raise PruningError(f"phew: layer {name} has weights that are not finite")
        flat = layout.flat(weights).abs().double().cpu()
        for part in layout.split(flat).values():
            part.add_(LEAST * part.max() if part.max() > 0 else 1.0)
            part.div_(part.sum()) if self.biased else part.fill_(1 / part.numel())
        wires = wiring(ctx.model, ctx.shape)
        if not len(wires.target):
            raise PruningError("phew: no path of weights leads from input to output")
        seed = int(torch.randint(2**62, (), generator=ctx.generator))
        chosen = _Choice(wires, flat.numpy(), self.biased, np.random.default_rng(seed))
        stray = chosen.fill(ctx.count)
        notes = (f"{stray} kept weights lie on no path",) if stray else ()
        return Ticket(Masks(layout.split(torch.from_numpy(chosen.kept))), notes=notes)


class _Choice:
    """The weights that are kept so far, and how more are found."""

    def __init__(
        self, wires: Wiring, chances: npt.NDArray[np.float64], biased: bool, generator: np.random.Generator
    ) -> None:
        """`chances` are those of every prunable weight within its layer."""
        walks, singles = generator.spawn(2)
        self.kept = np.zeros(len(chances), dtype=bool)
        self._wires = wires
        self._walker = Walker(wires, biased, walks)
        # Smallest first is a weighted draw without replacement (Efraimidis & Spirakis 2006).
        self._turn = singles.exponential(size=len(chances)) / chances
        self._met = np.zeros(wires.units, dtype=bool)
        self._met[: wires.inputs] = True

    def fill(self, count: int) -> int:
        """Keep exactly `count` weights; how many of them lie on no path."""
        fresh: float | None = 1.0
        while fresh is not None and fresh > _STALE:
            fresh = self._follow(self._walker.rounds(_WALKS), count)
        if fresh is not None:
            self._follow(self._walker.through(np.flatnonzero(~self._met)), count)
        self._keep_first(self._wires.weight[self._joining], count)
        stray = count - int(self.kept.sum())
        # More are wanted than fit between the units that are connected, or than lie on any path.
        self._keep_first(self._wires.weight, count)
        self._keep_first(np.arange(len(self.kept)), count)
        return stray

    def _follow(self, edges: Index, count: int) -> float | None:
        """Keep the weights of walks `[walks, steps]`; the share of new ones, None if a walk does not fit, nor the rest.

        A weight that is met again needs no room.
        """
        room = count - int(self.kept.sum())
        walk, step = np.nonzero(edges >= 0)
        edge = edges[walk, step]
        weight = self._wires.weight[edge]
        fresh = np.flatnonzero((weight >= 0) & ~self.kept[weight])
        fresh = fresh[np.sort(np.unique(weight[fresh], return_index=True)[1])]
        end = len(edges) if len(fresh) <= room else walk[fresh[room]]
        self.kept[weight[fresh[walk[fresh] < end]]] = True
        self._met[self._wires.target[edge[walk < end]]] = True
        return len(fresh) / max(1, int((weight >= 0).sum())) if end == len(edges) else None

    @property
    def _joining(self) -> Flags:
        """Edges from a unit that the input reaches to one that reaches an output, along what is kept."""
        wires = self._wires
        leads = self._met.copy()
        leads[wires.outputs.members] = True
        joining: Flags = wires.channels.hit(self._met)[wires.source] & leads[wires.target]
        return joining

    def _keep_first(self, weights: Index, count: int) -> None:
        """Keep more of these weights in their turn, as long as there is room."""
        room = count - int(self.kept.sum())
        if not room:
            return
        wanted = np.zeros(len(self.kept), dtype=bool)
        wanted[weights[weights >= 0]] = True
        candidates = np.flatnonzero(wanted & ~self.kept)
        self.kept[candidates[np.argsort(self._turn[candidates])[:room]]] = True
