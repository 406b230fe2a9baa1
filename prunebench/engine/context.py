"""What a method of its own kind sees while it prunes."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

import torch

from prunebench.engine.layout import Layout
from prunebench.engine.masks import Masks
from prunebench.engine.method import build
from prunebench.engine.prunable import private_copy, prunable
from prunebench.engine.selection.allocate import Ties, keep_top
from prunebench.engine.selection.pruning import target_count
from prunebench.engine.selection.ratios import Layers
from prunebench.engine.selection.scorer import ScoreMethod, Words
from prunebench.engine.selection.scoring import Scores, Scoring, Session
from prunebench.engine.training.live import LiveSteps
from prunebench.engine.training.rewinding import trainer_of
from prunebench.errors import PruningError
from prunebench.seeding import seed_of
from prunebench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor, nn

    from prunebench.engine.selection.scoring import Mode
    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Phase
    from prunebench.engine.training.by_function import FunctionTrainer
    from prunebench.engine.training.trainer import Trainer
    from prunebench.tasks.datasets.base import Samples, Split


class Pruning:
    """What a method sees while it prunes to one density.

    Attributes:
        model: a private copy of the network, to be changed at will.
        shape: of one input.
        density: d, the share of prunable weights to keep.
        count: round(d·N), the number of weights to keep.
        generator: the method's own random stream, on the CPU.
    """

    def __init__(self, name: str, needs: frozenset[str], subject: Subject, density: float) -> None:
        """Made by the engine, one a ticket."""
        self.model: nn.Module = private_copy(subject.model).to(subject.device)
        self.shape = subject.shape
        self.density = density
        self.generator = torch.Generator().manual_seed(seed_of(f"mask/{name}", subject.repetition))
        self.count = target_count(self.layers.total, len(self.layers), density)
        self._name, self._needs, self._subject = name, needs, subject
        self._ties = Ties(seed_of("ties", subject.repetition))

    @property
    def weights(self) -> dict[str, Tensor]:
        """The prunable tensors of `model` by name."""
        return prunable(self.model)

    @cached_property
    def layers(self) -> Layers:
        """Names and shapes of the prunable tensors, in forward order."""
        return Layers.of(Layout.of(self.weights))

    @property
    def data(self) -> Samples:
        """The training split, or the batch that was given.

        Raises:
            PruningError: the method did not declare that it needs data, or there are none.
        """
        found = self._subject.train if self._subject.batch is None else self._subject.batch
        if "data" not in self._needs or found is None:
            raise PruningError("this method was given no data: pass a batch, and declare needs={'data'}")
        return found

    def scoring_set(self, per_class: int = 10) -> Split:
        """A class-balanced draw from the training split, the same for all methods; or the batch that was given."""
        _ = self.data
        return self._subject.scoring_set(per_class)

    def scores(
        self, by: str | Callable[[Scoring], Scores], masks: Masks | None = None, *, mode: Mode | None = None,
        samples_per_class: int = 10,
    ) -> Scores:  # fmt: skip
        """Scores of the network under masks.

        Args:
            by: the spec of a scored method, or a scorer.
            masks: what is still kept; None is everything.
            mode: of the network while it is scored; None is the spec's own, or `eval`.
            samples_per_class: of the scoring set of a scorer; a spec says its own.
        """
        method = build(Spec.parse(by)) if isinstance(by, str) else ScoreMethod(
            self._name, by, Words(samples_per_class=samples_per_class), self._needs
        )  # fmt: skip
        if not isinstance(method, ScoreMethod) or method.ratios:
            raise PruningError(f"{by} has no scores")
        words = method.words
        session = Session(
            self.model, self.shape, mode=mode or words.mode, purpose=self._name, device=self._subject.device,
            repetition=self._subject.repetition, batch_size=words.batch_size,
            batch=self.scoring_set(words.samples_per_class) if "data" in method.needs else None,
        )  # fmt: skip
        return session.scores(method.scorer, Masks.full(self.weights) if masks is None else masks, 0)

    def keep(
        self, scores: Scores, count: int | None = None, masks: Masks | None = None, *,
        shares: Mapping[str, float] | None = None,
    ) -> Masks:  # fmt: skip
        """Masks of the `count` highest scores over all layers, or by layer.

        Args:
            scores: of all prunable weights.
            count: weights to keep; None is the target.
            masks: what is still kept, so that nothing else comes back; None is everything.
            shares: weights that each layer is to keep, up to a common factor; None lets all layers compete.
        """
        return keep_top(scores, self.count if count is None else count, self._ties, masks, shares)

    @cached_property
    def steps(self) -> LiveSteps:
        """The stages of tickets that need training, done at once.

        Raises:
            PruningError: the method did not declare that it trains.
        """
        self._must_train()
        return LiveSteps(self._subject)

    @property
    def validation(self) -> Samples | None:
        """What is held back of the training split, for selection; None where nothing is.

        Raises:
            PruningError: the method did not declare that it needs data.
        """
        if "data" not in self._needs:
            raise PruningError("this method was given no data: declare needs={'data'}")
        return self._subject.validation

    def trainer(self, phase: Phase | None = None) -> Trainer | FunctionTrainer:
        """What trains `model`, in place: run it to a step, change what it keeps, run on.

        Args:
            phase: the part of the recipe; None is all of it.

        Raises:
            PruningError: the method did not declare that it trains, or nothing says how.
        """
        self._must_train()
        return trainer_of(self._subject, self.model, phase)

    def _must_train(self) -> None:
        if "training" not in self._needs:
            raise PruningError("this method may not train: declare needs={'training'}")

    def stream(self, purpose: str) -> torch.Generator:
        """A random stream by what it is for, on the CPU: the same for all methods of a repetition."""
        return torch.Generator().manual_seed(seed_of(purpose, self._subject.repetition))

    @property
    def fresh(self) -> Mapping[str, Tensor]:
        """Parameters and buffers of another initialisation, the same for all methods of a repetition."""
        return self._subject.fresh()
