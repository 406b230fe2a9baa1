"""Squares of weights while a network is trained and pruned: do layers move towards one total?

Magnitude pruning orders weights by w². Where every layer has the same total of it, a layer's mean is in inverse
proportion to its size, slope −1 of log mean against log size, as that of a conserved score is: Tanaka et al. 2020,
section 6, on why magnitude pruning avoids layer collapse if it trains between its rounds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from prunebench.engine.conservation.laws import size_slope, unit_law
from prunebench.engine.context import Pruning
from prunebench.engine.custom import CustomMethod
from prunebench.engine.masks import Masks
from prunebench.engine.method import build
from prunebench.engine.prunable import prunable
from prunebench.engine.structure.flow_graph import FlowGraph
from prunebench.engine.ticket import Ticket
from prunebench.engine.training.live import LiveSteps
from prunebench.engine.training.rewinding import train
from prunebench.engine.training.trainer import Trainer
from prunebench.errors import PruningError
from prunebench.seeding import seed_of
from prunebench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor, nn

    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Phase, Trained


@dataclass(frozen=True, slots=True)
class Moment:
    """The network at one moment, pruned weights being zero."""

    epoch: float
    """Epochs of training so far, those of all trainings that finding the ticket took."""
    training: int
    """Number of the training, from 1 on; 0 before the first."""
    kept: int
    """Weights that the masks keep."""
    totals: tuple[float, ...]
    """Σ w² of every prunable layer, in module order."""
    imbalance: float | None
    """Median over hidden units of |in − out| / (in + out), w² of weights that feed a unit and of those that read it;
    None without such units."""

    @property
    def spread(self) -> float | None:
        """The largest layer total over the smallest; None where a layer has nothing left."""
        return max(self.totals) / least if (least := min(self.totals)) > 0 else None


class Diary:
    """The moments of a network's trainings: their beginnings, the ends of their epochs, and prunings on the way."""

    def __init__(self, subject: Subject) -> None:
        """Begin with the network as it is initialised."""
        self.moments: list[Moment] = []
        self.sizes = {name: weight.numel() for name, weight in subject.layers.items()}
        self._graph = FlowGraph.of(subject.model, subject.shape)
        self._epoch, self._before, self._training = 0.0, 0.0, 0
        self.note(subject.model, sum(self.sizes.values()))

    def begin(self, model: nn.Module, kept: int) -> None:
        """Another training begins, with these weights."""
        self._training += 1
        self._before = self._epoch
        self.note(model, kept)

    def watch(self, trainer: Trainer) -> None:
        """A trainer has ended an epoch, or changed its masks."""
        self._epoch = self._before + (trainer.step - trainer.begun) / trainer.per_epoch
        self.note(trainer.model, trainer.masks.kept())

    def note(self, model: nn.Module, kept: int) -> None:
        """Look at a network, unless it is at the last moment's epoch as it was then."""
        squares = {name: weight.detach().cpu().double().square() for name, weight in prunable(model).items()}
        totals = tuple(float(square.sum()) for square in squares.values())
        found = Moment(self._epoch, self._training, kept, totals, _imbalance(self._graph, squares))
        if not self.moments or found != replace(self.moments[-1], training=self._training):
            self.moments.append(found)

    def slopes(self) -> list[float | None]:
        """Slope of log mean w² against log size at every moment; None with weights left in less than two sizes."""
        sizes = list(self.sizes.values())
        return [size_slope(sizes, moment.totals) for moment in self.moments]

    def metrics(self) -> dict[str, float | None]:
        """The first moment, the last, and how far the last is from equal totals beside the first."""
        first, last = self.moments[0], self.moments[-1]
        slopes = self.slopes()
        before, after = (None if slope is None else abs(slope + 1) for slope in (slopes[0], slopes[-1]))
        narrowed = _difference(*(moment.spread and math.log10(moment.spread) for moment in (last, first)))
        return {
            "square_slope_begin": slopes[0],
            "square_slope": slopes[-1],
            "square_slope_error": after,
            "square_slope_error_change": _difference(after, before),
            "square_spread_begin": first.spread,
            "square_spread": last.spread,
            "square_spread_change": narrowed,
            "square_imbalance_begin": first.imbalance,
            "square_imbalance": last.imbalance,
            "square_imbalance_change": _difference(last.imbalance, first.imbalance),
        }

    def series(self) -> dict[str, list[Any]]:
        """All of it, a moment an entry; and the layers, with their totals at the first moment and at the last."""
        return {
            "drift_epoch": [moment.epoch for moment in self.moments],
            "drift_training": [moment.training for moment in self.moments],
            "drift_kept": [moment.kept for moment in self.moments],
            "drift_slope": self.slopes(),
            "drift_spread": [moment.spread for moment in self.moments],
            "drift_imbalance": [moment.imbalance for moment in self.moments],
            "square_total_begin": list(self.moments[0].totals),
            "square_total": list(self.moments[-1].totals),
        }


def _imbalance(graph: FlowGraph, squares: Mapping[str, Tensor]) -> float | None:
    """Median residual of the unit law over units that have weights left."""
    units = unit_law(graph, squares)
    alive = units.residual[units.incoming + units.outgoing > 0]
    return float(np.median(alive)) if len(alive) else None


def _difference(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before


def follow(subject: Subject, method: Spec, density: float) -> tuple[Diary, Ticket]:
    """Find a method's ticket and train it, looked at after every epoch and pruning.

    Raises:
        PruningError, DensityError: the method cannot prune this network so far.
        TrainingError: a training diverged.
    """
    diary = Diary(subject)
    steps = _WatchedSteps(subject, diary)
    ticket = steps.find(str(method), density)
    final = steps.train(ticket)
    # What no trainer was seen to do, such as averaging.
    kept = diary.moments[-1].kept if final.masks is None else final.masks.kept()
    diary.note(subject.network(final.weights), kept)
    return diary, ticket


class _WatchedSteps(LiveSteps):
    """`LiveSteps` whose trainings, and those of methods that they find tickets by, are written down."""

    def __init__(self, subject: Subject, diary: Diary) -> None:
        super().__init__(subject)
        self._diary = diary

    def train(self, ticket: Ticket | Trained | None = None, *, until: float | None = None) -> Trained:
        # A training up to a position only fetches weights of the dense one.
        if until is not None or (ticket is None and None in self._dense):
            return super().train(ticket, until=until)
        if not isinstance(ticket, Ticket | None):
            raise PruningError("a trained network was given where a ticket is needed: cut it first")
        if ticket is None or ticket.phase is not None:
            start = self._subject.network()
            kept = sum(self._diary.sizes.values())
            if ticket is not None:
                ticket.apply(start)
                kept = ticket.masks.kept() if ticket.sparse else kept
            self._diary.begin(start, kept)
        found = train(self._subject, ticket, watch=self._diary.watch)
        if ticket is None:
            self._dense[None] = found
        return found

    def find(self, method: str, density: float) -> Ticket:
        subject, pruner = self._subject, build(Spec.parse(method))
        if not isinstance(pruner, CustomMethod):
            return pruner.open(subject).ticket(density)
        devices = [subject.device] if subject.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices), torch.enable_grad():
            torch.manual_seed(seed_of(f"mask/{pruner.name}", subject.repetition))
            context = _WatchedPruning(pruner.name, pruner.needs, subject, density, self, self._diary)
            found = pruner.method.prune(context)
        return Ticket(found) if isinstance(found, Masks) else found


class _WatchedPruning(Pruning):
    """`Pruning` whose trainers are watched."""

    def __init__(
        self, name: str, needs: frozenset[str], subject: Subject, density: float, steps: _WatchedSteps, diary: Diary
    ) -> None:  # fmt: skip
        super().__init__(name, needs, subject, density)
        self._steps, self._diary = steps, diary

    @cached_property
    def steps(self) -> _WatchedSteps:
        self._must_train()
        return self._steps

    def trainer(self, phase: Phase | None = None) -> Trainer:
        self._must_train()
        subject = self._subject
        if subject.recipe is None or subject.train is None:
            raise PruningError("the method trains: give it a task, that is data and a recipe")
        return _WatchedTrainer(
            self.model, subject.recipe, subject.train, repetition=subject.repetition, device=subject.device,
            phase=phase, diary=self._diary,
        )  # fmt: skip


class _WatchedTrainer(Trainer):
    """A trainer whose epochs and changes of masks are written down."""

    def __init__(self, model: nn.Module, *given: Any, diary: Diary, **named: Any) -> None:
        super().__init__(model, *given, **named)
        self._diary = diary
        self.watch = diary.watch
        diary.begin(model, self.masks.kept())

    def hold(self, masks: Masks | None, held: Mapping[str, Tensor] | None = None) -> None:
        super().hold(masks, held)
        self._diary.watch(self)
