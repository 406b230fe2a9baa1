"""The walk of a scored method: score, keep the best, score again."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from prunebench.engine.masks import Masks
from prunebench.engine.selection.allocate import Ties, best, competing, descending, in_scope
from prunebench.engine.selection.ratios import quotas
from prunebench.engine.selection.schedules import counts
from prunebench.engine.ticket import Ticket
from prunebench.errors import PruningError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prunebench.engine.layout import Index, Layout, Values
    from prunebench.engine.selection.scorer import ScoreMethod
    from prunebench.engine.selection.scoring import Session

_FINE = 100
"""Rounds of `rounds=adaptive`, which splits every one whose prune size would reach the cut size."""

_BELOW = 1 - 1e-9
"""Of the cut size: sums of the same scores in another order differ in their last digits."""


@dataclass(frozen=True)
class Round:
    """One round: which weights were scored, how they ranked, which of them remain."""

    layout: Layout
    index: Index
    """Flat indices of the weights that were scored, ascending."""
    scores: Values
    """Theirs, as the scorer gave them."""
    ranked: Values
    """The same in the method's scope: the order in which weights go."""
    kept: npt.NDArray[np.bool_]

    def prune_size(self) -> float:
        """Absolute score that the round removes (Tanaka et al. 2020, section 5)."""
        return _absolute(self.scores[~self.kept])

    def cut_size(self, cuts: frozenset[str]) -> float:
        """Smallest positive total of the absolute score over the layers `cuts`; 0 if none has one.

        Where each of these layers cuts input from output and the score is conserved and positive, a round whose prune
        size is below it keeps a path: what it removes carries less than the whole flow (theorem 3 there).
        """
        parts = self.layout.segments(self.index)
        totals = (_absolute(self.scores[parts[name]]) for name in cuts)
        return min((total for total in totals if total > 0), default=0.0)


def target_count(total: int, layers: int, density: float) -> int:
    """round(d·N), exactly.

    Raises:
        PruningError: fewer weights than layers would be left; the message gives the largest compression.
    """
    count = round(density * total)
    if count < layers:
        raise PruningError(
            f"density {density:g} keeps {count} of {total} weights, fewer than the {layers} prunable layers: "
            f"the smallest density is {layers / total:.3g} (compression {total / layers:.0f})"
        )
    return count


@dataclass(frozen=True)
class Descent:
    """One walk down to one weight a layer: every count of weights on the way, in one table of ranks."""

    ranks: Mapping[str, Tensor]
    """int32 by layer: a weight of rank r is kept while r is at most the count."""
    kept: tuple[int, ...]
    """Weights after each round."""
    prune_over_cut: tuple[float | None, ...]
    """Each round's prune size over cut size; None where no layer that cuts the network had a score."""


class Walker:
    """A scored method at work on one network."""

    def __init__(self, method: ScoreMethod, session: Session, masks: Masks | None = None) -> None:
        """Walk `method` on the session's network, of which only the weights in `masks` are left, if that is given."""
        self._method, self.session = method, session
        self.layout: Layout = session.layout
        self._left = np.arange(self.layout.total)
        if masks is not None:
            flat = torch.cat([masks[name].flatten() for name in self.layout.shapes])
            self._left = np.flatnonzero(flat.cpu().numpy())

    def scores(self) -> dict[str, Tensor]:
        """Scores of the dense network, by layer, normalised to total 1 in absolute value.

        Raises:
            PruningError: all are zero.
            ScoreError: the method's scores are not usable.
        """
        full = np.arange(self.layout.total)
        found = self.session.scores(self._method.scorer, self.session.masks(full), 0)
        total = _absolute(competing(found, self.layout, full))
        if total == 0:
            raise PruningError(self._silent())
        return {name: found[name].detach() / total for name in self.layout.shapes}

    def _silent(self) -> str:
        return f"all scores of {self._method.name!r} are zero: no signal passes through the network"

    def rounds(self, density: float, *, fine: bool = False) -> Iterator[Round]:
        """The rounds from the dense network down to exactly round(d·N) weights.

        Args:
            density: of the last round.
            fine: under keep ratios, follow them through 100 densities on the way without scoring more often.

        Raises:
            PruningError: fewer weights than layers would be left, or more than there are; keep ratios that cannot be
                used.
            ScoreError: the method's scores are not usable.
        """
        method, session, layout, words = self._method, self.session, self.layout, self._method.words
        target_count(layout.total, len(layout.shapes), density)
        everything = alive = self._left
        number = 0
        values: Values | None = None
        planned = self._planned(density, fine)
        while len(planned) > 1 and planned[0][0] >= len(alive):
            planned.popleft()
        while planned:
            count, again = planned[0]
            index = everything if method.returns else alive
            if again or values is None:
                scores = session.scores(method.scorer, session.masks(alive), number)
                values = competing(scores, layout, index)
                number += 1
            last = len(planned) == 1
            ranked = in_scope(
                values, index, layout, self._shares(density if last else count / layout.total), session.ties
            )
            step = Round(layout, index, values, ranked, best(ranked, index, count, session.ties, layout.total))
            if words.rounds == "adaptive" and step.prune_size() >= (cut := _BELOW * step.cut_size(session.cuts)) > 0:
                count = max(count, len(index) - _most_below(cut, step, session.ties))
                step = replace(step, kept=best(ranked, index, count, session.ties, layout.total))
            yield step
            alive = index[step.kept]
            values = values[step.kept] if not method.returns else values
            if len(alive) == planned[0][0]:
                planned.popleft()

    def ticket(self, density: float) -> Ticket:
        """Masks that keep exactly round(d·N) weights; raises as `rounds` does.

        A note says so where weights went although all scores of the dense network were zero: the seed chose them.
        """
        notes: list[str] = []
        last: Round | None = None
        for step in self.rounds(density):
            if last is None and not step.kept.all() and not step.scores.any():
                notes.append(f"{self._silent()}, the order among equals decided")
            last = step  # and none before it: they would take the memory of many networks
        assert last is not None, "a walk has at least one round"
        if rule := self._method.ratios:
            notes += quotas(rule, self.layout, density, self._method.name)[1]
        return Ticket(self.session.masks(last.index[last.kept]), notes=tuple(notes))

    def descend(self) -> Descent:
        """Walk to density L/N. A count between two rounds is served by the round that it falls in: masks are nested.

        Raises:
            PruningError: pruned weights may return, so that no two densities share a walk.
            ScoreError: the method's scores are not usable.
        """
        layout, ties = self.layout, self.session.ties
        if self._method.returns:
            raise PruningError(f"weights that {self._method.name!r} prunes may return: every density is its own walk")
        ranks = np.zeros(layout.total, dtype=np.int32)
        kept: list[int] = []
        ratios: list[float | None] = []
        step: Round | None = None
        for step in self.rounds(len(layout.shapes) / layout.total, fine=True):
            kept.append(int(np.count_nonzero(step.kept)))
            _rank(ranks, step, ~step.kept, start=kept[-1], ties=ties)
            cut = step.cut_size(self.session.cuts)
            ratios.append(step.prune_size() / cut if cut else None)
        assert step is not None, "a walk has at least one round"
        _rank(ranks, step, step.kept, start=0, ties=ties)
        return Descent(layout.split(torch.from_numpy(ranks)), tuple(kept), tuple(ratios))

    def _planned(self, density: float, fine: bool) -> deque[tuple[int, bool]]:
        """Counts of the rounds, and before which of them the network is scored anew."""
        words, total = self._method.words, self.layout.total
        rounds = _FINE if isinstance(words.rounds, str) else words.rounds
        scored = counts(total, density, rounds, words.schedule)
        if not fine or self._method.ratios is None:
            return deque((count, True) for count in scored)
        after = {total, *scored[:-1]}
        way = sorted({*scored, *counts(total, density, _FINE, "exponential")}, reverse=True)
        return deque((count, previous in after) for previous, count in zip([total, *way], way, strict=False))

    def _shares(self, density: float) -> Mapping[str, float] | None:
        """What each layer is to keep at a density."""
        method, layout = self._method, self.layout
        if method.ratios is not None:
            return quotas(method.ratios, layout, density, method.name)[0]
        return None if method.words.scope == "global" else dict(zip(layout.shapes, layout.sizes, strict=True))


def masks_at(ranks: Mapping[str, Tensor], count: int) -> Masks:
    """The masks of a descent at a count of kept weights."""
    return Masks({name: rank <= count for name, rank in ranks.items()})


def _rank(ranks: npt.NDArray[np.int32], step: Round, chosen: npt.NDArray[np.bool_], start: int, ties: Ties) -> None:
    """Write the ranks start + 1, start + 2, … of the chosen weights of a round, best first."""
    index = step.index[chosen]
    order = descending(step.ranked[chosen], index, ties, step.layout.total)
    ranks[index[order]] = np.arange(start + 1, start + 1 + len(order), dtype=np.int32)


def _absolute(scores: Values) -> float:
    return float(np.abs(scores).sum(dtype=np.float64))


def _most_below(cut: float, step: Round, ties: Ties) -> int:
    """How many of the worst weights have a total score strictly below the cut; at least one, or no walk would end."""
    worst_first = descending(step.ranked, step.index, ties, step.layout.total)[::-1]
    sizes = np.cumsum(np.abs(step.scores[worst_first]), dtype=np.float64)
    return max(1, int(np.searchsorted(sizes, cut, side="left")))
