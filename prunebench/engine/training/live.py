"""The stages of tickets that need training, done at once on a network in memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.engine.masks import Masks
from prunebench.engine.method import build
from prunebench.engine.ticket import Phase, Ticket, Trained
from prunebench.engine.training.ablation import ablate
from prunebench.engine.training.rewinding import average, control, cut, moment, train
from prunebench.errors import PruningError
from prunebench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Rate
    from prunebench.engine.training.ablation import Ablation

Live = Ticket | Trained


class LiveSteps:
    """`Steps` whose results are tickets and trained networks. The dense network is trained once."""

    def __init__(self, subject: Subject) -> None:
        """Nothing is trained yet."""
        self._subject = subject
        self._dense: dict[float | None, Trained] = {}

    def train(self, ticket: Live | None = None, *, until: float | None = None) -> Trained:
        """A network at the end of a ticket's training; see `Steps`."""
        if ticket is not None:
            return train(self._subject, _ticket(ticket), until=until)
        if until not in self._dense:
            self._dense[until] = train(self._subject, until=until)
        return self._dense[until]

    def cut(
        self, network: Live, density: float | None, *, by: str = "magnitude", weights: float | None = 0.0,
        begin: float = 0.0, rate: Rate = "recipe", scale: float = 1.0, sparse: bool = True,
    ) -> Ticket:  # fmt: skip
        """A ticket of a trained network's weights; see `Steps`."""
        trained = _trained(network)
        start = trained.weights if weights is None else self._at(weights)
        phase = Phase(begin, rate, scale)
        return cut(self._subject, trained, density, by=Spec.parse(by), weights=start, phase=phase, sparse=sparse)

    def control(self, ticket: Live, *, fresh: bool = False, dense: bool = False, long: bool = False) -> Ticket:
        """A ticket to compare with; see `Steps`."""
        return control(self._subject, _ticket(ticket), fresh=fresh, dense=dense, long=long)

    def average(self, ticket: Live, *, start: float, rate: float) -> Ticket:
        """A ticket after training, with averaged weights; see `Steps`."""
        return average(self._subject, _ticket(ticket), start=start, rate=rate)

    def ablate(self, ticket: Live, how: Ablation) -> Ticket:
        """A ticket without one of the things that it may owe its accuracy to; see `Steps`."""
        return ablate(self._subject, _ticket(ticket), how)

    def find(self, method: str, density: float) -> Ticket:
        """The ticket of another method."""
        return build(Spec.parse(method)).open(self._subject).ticket(density)

    def whole(self) -> Ticket:
        """The dense network as a ticket."""
        return Ticket(Masks.full(self._subject.layers))

    def _at(self, position: float) -> Mapping[str, Tensor] | None:
        if position == 0:
            return None
        subject = self._subject
        kept = None if subject.recipe is None else subject.recipe.rewind_point(position)
        if kept is not None:
            return moment(self.train(), kept)
        return self.train(until=position).weights


def _ticket(value: Live) -> Ticket:
    if not isinstance(value, Ticket):
        raise PruningError("a trained network was given where a ticket is needed: cut it first")
    return value


def _trained(value: Live) -> Trained:
    if not isinstance(value, Trained):
        raise PruningError("a ticket was given where a trained network is needed: train it first")
    return value
