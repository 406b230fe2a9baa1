"""The walk of a scored method: score, keep the best, score again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from prunebench.engine.allocate import Ties, best, competing, descending, in_scope
from prunebench.engine.masks import Masks
from prunebench.engine.schedules import counts
from prunebench.engine.scoring import Session
from prunebench.errors import PruningError
from prunebench.seeding import seed_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import nn

    from prunebench.engine.layout import Index, Layout, Values
    from prunebench.engine.method import ScoreMethod
    from prunebench.tasks.datasets.base import Split

_ADAPTIVE_ROUNDS = 100
"""`rounds=adaptive` walks as 100 rounds do, and splits every round whose prune size would reach the cut size."""

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


def open_session(
    method: ScoreMethod, model: nn.Module, shape: tuple[int, ...], *, data: Split | None, repetition: int,
    device: torch.device,
) -> Session:  # fmt: skip
    """A session with the method's scoring mode and, if it needs data, a class-balanced scoring set.

    Raises:
        PruningError: the method needs data and there is none, or too few samples of a class.
    """
    batch: Split | None = None
    if "data" in method.needs:
        if data is None:
            raise PruningError(f"method {method.name!r} needs data: give it a batch of inputs and labels")
        generator = torch.Generator().manual_seed(seed_of("scoring-data", repetition))
        batch = data.balanced(method.words.samples_per_class, generator)
    return Session(
        model, shape, mode=method.words.mode, batch=batch, purpose=method.name, repetition=repetition, device=device
    )


def walk(method: ScoreMethod, session: Session, density: float) -> Iterator[Round]:
    """The rounds from the dense network down to exactly round(d·N) weights.

    Raises:
        PruningError: fewer weights than layers would be left.
        ScoreError: the method's scores are not usable.
    """
    layout, ties, words = session.layout, session.ties, method.words
    target_count(layout.total, len(layout.shapes), density)
    rounds = _ADAPTIVE_ROUNDS if isinstance(words.rounds, str) else words.rounds
    planned = counts(layout.total, density, rounds, words.schedule)
    index = np.arange(layout.total)
    number = 0
    while planned:
        scores = competing(session.scores(method.scorer, index, number), layout, index)
        ranked = in_scope(scores, index, layout, words.scope, ties)
        step = Round(layout, index, scores, ranked, best(ranked, index, planned[0], ties, layout.total))
        if words.rounds == "adaptive" and step.prune_size() >= (cut := _BELOW * step.cut_size(session.cuts)) > 0:
            count = max(planned[0], len(index) - _most_below(cut, step, ties))
            step = replace(step, kept=best(ranked, index, count, ties, layout.total))
        yield step
        index = index[step.kept]
        number += 1
        if len(index) == planned[0]:
            planned.pop(0)


def prune(method: ScoreMethod, session: Session, density: float) -> Masks:
    """Masks that keep exactly round(d·N) weights; raises as `walk` does."""
    *_, last = walk(method, session, density)
    return session.masks(last.index[last.kept])


@dataclass(frozen=True)
class Descent:
    """One walk down to one weight a layer: every count of weights on the way, in one table of ranks."""

    ranks: Mapping[str, Tensor]
    """int32 by layer: a weight of rank r is kept while r is at most the count."""
    kept: tuple[int, ...]
    """Weights after each round."""
    prune_over_cut: tuple[float | None, ...]
    """Each round's prune size over cut size; None where no layer that cuts the network had a score."""


def descend(method: ScoreMethod, session: Session) -> Descent:
    """Walk to density L/N. A count between two rounds is served by the round that it falls in, so masks are nested.

    Raises:
        ScoreError: the method's scores are not usable.
    """
    layout = session.layout
    ranks = np.zeros(layout.total, dtype=np.int32)
    kept: list[int] = []
    ratios: list[float | None] = []
    step: Round | None = None
    for step in walk(method, session, len(layout.shapes) / layout.total):
        kept.append(int(np.count_nonzero(step.kept)))
        _rank(ranks, step, ~step.kept, start=kept[-1], ties=session.ties)
        cut = step.cut_size(session.cuts)
        ratios.append(step.prune_size() / cut if cut else None)
    assert step is not None, "a walk has at least one round"
    _rank(ranks, step, step.kept, start=0, ties=session.ties)
    return Descent(layout.split(torch.from_numpy(ranks)), tuple(kept), tuple(ratios))


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
