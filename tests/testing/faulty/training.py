"""Methods that train, with one fault each."""

from dataclasses import replace

import torch

import prunebench as pb
from prunebench.engine.masks import Masks
from prunebench.engine.ticket import Phase

TRAINING = {"data", "labels", "gradients", "training"}


def magnitudes(ctx):
    return {name: w.detach().abs() for name, w in ctx.weights.items()}


def taken(trainer):
    return (trainer.step - trainer.begun) / trainer.length


def trained(ctx):
    """Largest magnitudes halfway, trained to the end under masks: nothing is wrong with it."""
    trainer = ctx.trainer()
    trainer.run(trainer.total // 2)
    trainer.hold(ctx.keep(magnitudes(ctx)))
    trainer.run()
    return pb.Ticket(trainer.masks, trainer.weights(), phase=None, spent=taken(trainer), held=trainer.held)


@pb.method("trains-well", needs=TRAINING)
class TrainsWell(pb.Method):
    """No fault."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        return trained(ctx)


# What has been trained


@pb.method("forgets-the-masks", needs=TRAINING)
class ForgetsTheMasks(pb.Method):
    """Prunes after training and returns the dense weights."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        trainer = ctx.trainer()
        trainer.run()
        return pb.Ticket(ctx.keep(magnitudes(ctx)), trainer.weights(), phase=None, spent=taken(trainer))


@pb.method("leaves-out-the-classifier", needs=TRAINING)
class LeavesOutTheClassifier(pb.Method):
    """Trained weights of all layers but the last, which starts from its initialisation."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        ticket = trained(ctx)
        last = list(ctx.weights)[-1]
        return replace(ticket, weights={name: w for name, w in ticket.weights.items() if name != last})


@pb.method("trained-in-name", needs=TRAINING)
class TrainedInName(pb.Method):
    """Keeps the weights from before the training."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        before = {name: value.detach().clone() for name, value in ctx.model.state_dict().items()}
        ticket = trained(ctx)
        return replace(ticket, weights={n: v * ticket.masks[n] if n in ticket.masks else v for n, v in before.items()})


@pb.method("trained-by-reference", needs=TRAINING)
class TrainedByReference(pb.Method):
    """The parameters themselves, in which gradients are recorded."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        ticket = trained(ctx)
        return replace(ticket, weights={**ticket.weights, **dict(ctx.model.named_parameters())})


@pb.method("holds-strangers", needs=TRAINING)
class HoldsStrangers(pb.Method):
    """Counts of filters where tensors of the parameters' shape are held."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        first = next(iter(ctx.weights))
        return replace(trained(ctx), held={f"{first}_filters": torch.ones(3, dtype=torch.bool)})


@pb.method("filters-in-part", needs=TRAINING, traits={"whole"})
class FiltersInPart(pb.Method):
    """Declares whole filters, and prunes single weights."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        return trained(ctx)


# What training makes of it


@pb.method("past-the-end", needs=TRAINING)
class PastTheEnd(pb.Method):
    """Rewinds to an epoch of the paper's recipe, whatever the recipe."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        return replace(trained(ctx), phase=Phase(begin=60.0))


@pb.method("holds-a-layer-open")
class HoldsALayerOpen(pb.Method):
    """Holds all of a layer that it prunes, so that training brings pruned weights back."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        name, weight = next(iter(ctx.weights.items()))
        return pb.Ticket(ctx.keep(magnitudes(ctx)), held={name: torch.ones_like(weight, dtype=torch.bool)})


# What it took


@pb.method("free-training", needs=TRAINING)
class FreeTraining(pb.Method):
    """Does not count the training that its masks come from."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        ctx.trainer().run()
        return pb.Ticket(ctx.keep(magnitudes(ctx)))


@pb.method("counts-epochs", needs=TRAINING)
class CountsEpochs(pb.Method):
    """Epochs where trainings are counted."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        ticket = trained(ctx)
        return replace(ticket, spent=3 * ticket.spent)


@pb.method("spends-nothing-known", needs=TRAINING)
class SpendsNothingKnown(pb.Method):
    """Divides by a budget of zero."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        return replace(trained(ctx), spent=float("nan"))


# What is declared


@pb.method("trains-undeclared", needs={"data", "labels", "gradients"})
class TrainsUndeclared(pb.Method):
    """Asks for a trainer without saying that it trains."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        return trained(ctx)


@pb.method("stages-undeclared", needs={"data", "labels", "gradients"})
class StagesUndeclared(pb.Method):
    """Trains in stages without saying so."""

    def tickets(self, steps, density):
        return steps.cut(steps.train(), density)


@pb.method("own-loop", needs={"data", "labels", "gradients"})
class OwnLoop(pb.Method):
    """A training loop of its own, which no budget knows of."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        data = ctx.scoring_set()
        optimiser = torch.optim.Adam(ctx.model.parameters(), lr=0.01)
        for _ in range(3):
            torch.nn.functional.cross_entropy(ctx.model(data.x), data.y).backward()
            optimiser.step()
            optimiser.zero_grad()
        return ctx.keep(magnitudes(ctx))


@pb.method("claims-training", needs=TRAINING)
class ClaimsTraining(pb.Method):
    """Declares training and makes a mask of inputs."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        shift = float(ctx.data.whole().x.std())
        return ctx.keep({n: (s - shift * s.mean()).abs() for n, s in magnitudes(ctx).items()})


# Stages


@pb.method("two-ways", needs=TRAINING)
class TwoWays(pb.Method):
    """A `prune` beside `tickets`, which goes another way."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        return ctx.steps.cut(ctx.steps.train(), ctx.density, weights=None)

    def tickets(self, steps, density):
        return steps.cut(steps.train(), density)


@pb.method("looks-into-stages", needs=TRAINING)
class LooksIntoStages(pb.Method):
    """Decides by trained weights while it makes stages, which a plan does not have yet."""

    def tickets(self, steps, density):
        network = steps.train()
        largest = max(float(w.abs().max()) for w in network.weights.values())
        return steps.cut(network, density, begin=0.5 if largest > 1e6 else 0.0)


# Seeds, state, traces and the network


@pb.method("draws-before-training", needs=TRAINING)
class DrawsBeforeTraining(pb.Method):
    """Noise on the initial weights, not declared."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        with torch.no_grad():
            for w in ctx.weights.values():
                w.add_(0.1 * torch.randn(w.shape, generator=ctx.generator))
        return trained(ctx)


@pb.method("claims-a-draw", needs=TRAINING, traits={"random"})
class ClaimsADraw(pb.Method):
    """Takes the order of batches for randomness of its own."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        return trained(ctx)


_warm: dict[int, dict[str, torch.Tensor]] = {}


@pb.method("goes-on-training", needs=TRAINING)
class GoesOnTraining(pb.Method):
    """Goes on from the weights that the last call had before it pruned."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        known = _warm.get(ctx.layers.total)
        if known is not None:
            ctx.model.load_state_dict(known, strict=False)
        trainer = ctx.trainer()
        trainer.run()
        _warm[ctx.layers.total] = trainer.weights()
        return pb.Ticket(ctx.keep(magnitudes(ctx)), spent=taken(trainer))


@pb.method("trains-the-original", needs=TRAINING)
class TrainsTheOriginal(pb.Method):
    """Trains the caller's network."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        ctx.model = ctx._subject.model
        return trained(ctx)


@pb.method("trains-a-copy", needs=TRAINING)
class TrainsACopy(pb.Method):
    """Draws new weights before it trains, the same ones each time."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        generator = torch.Generator().manual_seed(0)
        with torch.no_grad():
            for w in ctx.weights.values():
                w.copy_(torch.randn(w.shape, generator=generator) * w.shape[1] ** -0.5)
        return trained(ctx)


@pb.method("cuts-before-training", needs=TRAINING)
class CutsBeforeTraining(pb.Method):
    """Trains, and scores the network that was not trained."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        scores = {name: score.clone() for name, score in magnitudes(ctx).items()}
        trainer = ctx.trainer()
        trainer.run()
        return pb.Ticket(ctx.keep(scores), spent=taken(trainer))


@pb.method("trained-negative-first", needs=TRAINING)
class TrainedNegativeFirst(pb.Method):
    """Trained weights by size with their sign."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        trainer = ctx.trainer()
        trainer.run()
        return pb.Ticket(ctx.keep({n: w.detach() for n, w in ctx.weights.items()}), spent=taken(trainer))


@pb.method("trained-by-threshold", needs=TRAINING)
class TrainedByThreshold(pb.Method):
    """One threshold from one quantile of a sample, so that counts are nearly right."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        trainer = ctx.trainer()
        trainer.run()
        scores = magnitudes(ctx)
        few = torch.cat([s.flatten()[::3] for s in scores.values()])
        threshold = few.quantile(1 - ctx.density)
        return pb.Ticket(Masks({n: s > threshold for n, s in scores.items()}), spent=taken(trainer))
