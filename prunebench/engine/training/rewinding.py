"""What tickets that need training are made of: train, cut, start again from elsewhere, average.

Steps of the graph and `LiveSteps` call the same functions, so that a ticket is the same whichever way it was found.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, update_bn

from prunebench.engine.holding import zero
from prunebench.engine.masks import Masks
from prunebench.engine.method import build
from prunebench.engine.selection.scorer import ScoreMethod
from prunebench.engine.ticket import Phase, Ticket, Trained
from prunebench.engine.training.by_function import FunctionTrainer
from prunebench.engine.training.trainer import Trainer
from prunebench.errors import PruningError
from prunebench.seeding import seed_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from torch import Tensor

    from prunebench.engine.subject import Subject
    from prunebench.spec import Spec


def trainer_of(subject: Subject, model: nn.Module, phase: Phase | None = None) -> Trainer | FunctionTrainer:
    """What trains a network of the subject, in place.

    Raises:
        PruningError: nothing says how to train it.
    """
    if subject.by_function is not None:
        return FunctionTrainer(
            model, subject.by_function, device=subject.device, phase=phase or Phase(), repetition=subject.repetition
        )
    if subject.recipe is None or subject.train is None:
        raise PruningError("the method trains: give it a task, that is data and a recipe, or a train function")
    trainer = Trainer(
        model, subject.recipe, subject.train, repetition=subject.repetition, device=subject.device, phase=phase
    )
    trainer.watch = subject.watch
    return trainer


def train(
    subject: Subject, ticket: Ticket | None = None, *, until: float | None = None,
    watch: Callable[[Trainer], None] | None = None,
) -> Trained:  # fmt: skip
    """Train a ticket, or the dense network from its initialisation, whose weights at the rewind points are kept.

    Args:
        subject: the network, as it is initialised, with its data.
        ticket: where to start; None is the dense network at the beginning.
        until: position at which to stop; None is the end.
        watch: called after every epoch.

    Raises:
        TrainingError: the training diverged.
    """
    if ticket is not None and ticket.phase is None:
        network = subject.network(ticket.weights)
        if ticket.sparse:
            # Whatever the method left there: what is measured is what the masks keep.
            zero(network, {**ticket.masks, **ticket.held})
        kept = ticket.masks if ticket.sparse else None
        return Trained(dict(network.state_dict()), kept, ticket.held, notes=ticket.notes, spent=ticket.spent)
    model = subject.network(None if ticket is None else ticket.weights)
    trainer = trainer_of(subject, model, None if ticket is None else ticket.phase)
    if isinstance(trainer, Trainer):
        trainer.watch = watch
    masks, held = None, {}
    if ticket is not None:
        trainer.hold(ticket.masks, ticket.held)
        if ticket.sparse:
            masks = ticket.masks if ticket.masks.kept() < ticket.masks.total() else None
            held = dict(ticket.held)
        else:
            trainer.hold(None)
    moments: dict[float, Mapping[str, Tensor]] = {}
    end = None if until is None else _step_at(trainer, until)
    if ticket is None and subject.recipe is not None:
        for place in sorted(subject.recipe.rewind, key=lambda p: _step_at(trainer, p)):
            at = _step_at(trainer, place)
            if end is None or at <= end:
                trainer.run(at)
                moments[place] = trainer.weights()
    trainer.run(end)
    return Trained(
        trainer.weights(), masks, held, moments, notes=() if ticket is None else ticket.notes,
        spent=(0.0 if ticket is None else ticket.spent) + (trainer.step - trainer.begun) / trainer.length,
        steps=trainer.step - trainer.begun, examples=trainer.examples,
    )  # fmt: skip


def _step_at(trainer: Trainer | FunctionTrainer, position: float) -> int:
    if isinstance(trainer, Trainer):
        return trainer.recipe.step_at(position, trainer.samples)
    if position >= 1:
        raise PruningError(f"position {position:g} counts epochs: a train function takes shares below 1")
    return round(position * trainer.length)


def cut(
    subject: Subject, network: Trained, density: float | None, *, by: Spec, weights: Mapping[str, Tensor] | None,
    phase: Phase | None, sparse: bool = True,
) -> Ticket:  # fmt: skip
    """Prune a trained network to exactly round(d·N) of its weights; what was pruned before stays so.

    Args:
        subject: the network, as it is initialised.
        network: that is scored.
        density: d; None leaves the masks as they are.
        by: the scored method that says which weights go, such as `magnitude` or `smart-ratio(within=magnitude)`.
        weights: that the survivors start from; None is the initialisation.
        phase: how the ticket is trained.
        sparse: whether training keeps the masks.

    Raises:
        PruningError: `by` is not scored; more weights are asked for than are left.
    """
    notes: tuple[str, ...] = ()
    masks = network.masks or Masks.full(subject.layers)
    if density is not None:
        if not isinstance(build(by), ScoreMethod):
            raise PruningError(f"{by} has no scores to prune a trained network by")
        scored = replace(subject, model=subject.network(network.weights), masks=network.masks)
        found = build(by).open(scored).ticket(density)
        masks, notes = found.masks, found.notes
    if phase is not None and weights is network.weights:
        phase = replace(phase, after=network.spent)
    return Ticket(
        masks,
        weights,
        notes=tuple(dict.fromkeys(network.notes + notes)),
        phase=phase,
        sparse=sparse,
        held=network.held,
        spent=network.spent,
    )


def moment(network: Trained, position: float) -> Mapping[str, Tensor]:
    """The weights that a training had at a rewind point.

    Raises:
        PruningError: it did not keep those.
    """
    if position not in network.moments:
        kept = ", ".join(f"{place:g}" for place in network.moments) or "none"
        raise PruningError(f"the training kept no weights at position {position:g} (kept: {kept})")
    return network.moments[position]


def control(subject: Subject, ticket: Ticket, *, fresh: bool, dense: bool, long: bool) -> Ticket:
    """What a ticket is compared with: its masks with new weights, or the dense network; with all of its budget.

    Args:
        subject: the network.
        ticket: that it is the control of.
        fresh: start from a new draw of weights instead of the initialisation.
        dense: drop the masks.
        long: train for as long as finding and training the ticket took together, on a stretched schedule.
    """
    length, notes = 1.0, list(ticket.notes)
    if fresh and subject.redrawn is None:
        notes.append("fresh weights are what each layer's reset_parameters draws")
    if long:
        length = ticket.spent + (0.0 if ticket.phase is None else remaining(subject, ticket.phase))
    return Ticket(
        Masks.full(subject.layers) if dense else ticket.masks,
        subject.fresh() if fresh else None,
        phase=Phase(length=length),
        notes=(*notes, *((f"trained for {length:g} T",) if long else ())),
        held={} if dense else ticket.held,
        spent=0.0 if dense else ticket.spent,
    )


def remaining(subject: Subject, phase: Phase) -> float:
    """Length of a phase in units of T."""
    trainer = trainer_of(subject, subject.network(), phase)
    return (trainer.total - trainer.step) / trainer.length


def average(subject: Subject, ticket: Ticket, *, start: float, rate: float) -> Ticket:
    """Train a ticket and average its weights under its one fixed mask (Izmailov et al. 2018).

    From `start` on the learning rate is constant; the weights after every epoch from there on are averaged with equal
    weight, and BatchNorm's statistics are then taken anew over the training data.

    Args:
        subject: the network.
        ticket: that is trained, by its own phase.
        start: position in the ticket's whole schedule from which on it is averaged.
        rate: the learning rate from there on, over the recipe's largest.

    Raises:
        PruningError: the ticket has been trained, or is trained without its masks: an average over several is dense;
            nothing is left to average.
    """
    if ticket.phase is None or not ticket.sparse:
        raise PruningError("only a ticket that is still to be trained, under masks that stay, can be averaged")
    trainer = trainer_of(subject, subject.network(ticket.weights), ticket.phase)
    trainer.hold(ticket.masks, ticket.held)
    begin = min(round(start * trainer.total), trainer.total - 1) if 0 <= start < 1 else _step_at(trainer, start)
    if begin >= trainer.total:
        raise PruningError(f"start={start:g} leaves no epoch to average of {trainer.total / trainer.per_epoch:g}")
    trainer.run(begin)
    trainer.constant = rate
    averaged = AveragedModel(trainer.model)
    while trainer.step < trainer.total:
        trainer.run(min(trainer.total, (trainer.step // trainer.per_epoch + 1) * trainer.per_epoch))
        averaged.update_parameters(trainer.model)
    _renew_statistics(subject, averaged.module)
    weights = {name: value.detach().cpu().clone() for name, value in averaged.module.state_dict().items()}
    spent = ticket.spent + (trainer.step - trainer.begun) / trainer.length
    return Ticket(ticket.masks, weights, ticket.notes, phase=None, held=ticket.held, spent=spent)


def _renew_statistics(subject: Subject, model: nn.Module) -> None:
    """BatchNorm's running statistics as the mean over one pass of the training data, shuffled as they are to train.

    In the order of a folder, a batch would be of one class, whose variance is less than that of all samples.

    Raises:
        PruningError: there are no data to take them from.
    """
    if not any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules()):
        return
    if subject.train is None:
        raise PruningError("averaged weights need new BatchNorm statistics: give data")
    size = 128 if subject.recipe is None else subject.recipe.batch
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed_of("training", subject.repetition))
        order = torch.Generator().manual_seed(seed_of("statistics", subject.repetition))
        batches = list(torch.split(torch.randperm(len(subject.train), generator=order), size))
        if len(batches) > 1 and len(batches[-1]) == 1:
            # One sample has no deviation, as in training.
            batches[-2:] = [torch.cat(batches[-2:])]
        update_bn((batch.x for batch in subject.train.to(subject.device).chosen(batches)), model)
