"""Methods of their own kind with one fault each."""

import torch

import prunebench as pb


def magnitudes(ctx):
    return {name: w.detach().abs() for name, w in ctx.weights.items()}


@pb.method("one-too-many")
class OneTooMany(pb.Method):
    """Prunes what is at most sorted[k]: k + 1 weights, as both lottery ticket codes."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        scores = magnitudes(ctx)
        flat = torch.cat([s.flatten() for s in scores.values()]).sort().values
        threshold = flat[len(flat) - ctx.count] if ctx.count < len(flat) else -1
        return pb.Masks({name: s > threshold for name, s in scores.items()})


@pb.method("one-too-few")
class OneTooFew(pb.Method):
    """Keeps the threshold's own weight too: one fewer pruned than asked."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        scores = magnitudes(ctx)
        flat = torch.cat([s.flatten() for s in scores.values()]).sort().values
        return pb.Masks({name: s >= flat[max(0, len(flat) - ctx.count - 1)] for name, s in scores.items()})


@pb.method("coin-flips", traits={"random"})
class CoinFlips(pb.Method):
    """Bernoulli masks: right on average."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        return pb.Masks({n: torch.rand(w.shape, generator=ctx.generator) < ctx.density for n, w in ctx.weights.items()})


@pb.method("compression-for-density")
class CompressionForDensity(pb.Method):
    """Takes the density for the share to remove."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        return ctx.keep(magnitudes(ctx), round((1 - ctx.density) * ctx.layers.total))


@pb.method("every-parameter")
class EveryParameter(pb.Method):
    """Counts biases and BatchNorm in the target and keeps them."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        every = sum(p.numel() for p in ctx.model.parameters())
        return ctx.keep(magnitudes(ctx), min(round(ctx.density * every), ctx.layers.total))


@pb.method("shuffles-a-copy", traits={"random"})
class ShufflesACopy(pb.Method):
    """A layer-wise shuffle that binds a local name, as Synaptic-Flow's --shuffle: nothing is shuffled."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        masks = ctx.keep(magnitudes(ctx))
        for mask in masks.values():
            order = torch.randperm(mask.numel(), generator=ctx.generator)
            mask = mask.flatten()[order].view(mask.shape)  # noqa: PLW2901
        return masks


@pb.method("not-nested", traits={"nested"})
class NotNested(pb.Method):
    """Declares nested masks, and lets the density decide what is scored."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        return ctx.keep({n: (s - ctx.density * s.mean() * 4).abs() for n, s in magnitudes(ctx).items()})


@pb.method("prunes-the-original")
class PrunesTheOriginal(pb.Method):
    """Writes into the caller's network."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        masks = ctx.keep(magnitudes(ctx))
        masks.apply(ctx._subject.model)
        return masks


@pb.method("switches-the-mode")
class SwitchesTheMode(pb.Method):
    """Puts the caller's network into eval mode."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        ctx._subject.model.eval()
        return ctx.keep(magnitudes(ctx))


@pb.method("trains-batch-norm", needs={"data"})
class TrainsBatchNorm(pb.Method):
    """Scores in train mode on the caller's network: BatchNorm statistics move."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        ctx._subject.model.train()
        logits = ctx._subject.model(ctx.data.whole().x)
        weight = float(logits.std())
        return ctx.keep({n: s + weight * s.mean() * (s > s.mean() * weight) for n, s in magnitudes(ctx).items()})


@pb.method("no-grad-for-good")
class NoGradForGood(pb.Method):
    """Turns gradients off for the whole process."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        torch.set_num_threads(2 if torch.get_num_threads() == 1 else 1)
        torch.use_deterministic_algorithms(not torch.are_deterministic_algorithms_enabled())
        return ctx.keep(magnitudes(ctx))


@pb.method("peeks-at-data")
class PeeksAtData(pb.Method):
    """Goes round the context to inputs that it did not declare."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        shift = float(ctx._subject.train.whole().x.sum()) % 1
        return ctx.keep({n: (s - shift * s.mean()).abs() for n, s in magnitudes(ctx).items()})


@pb.method("reads-the-test-split")
class ReadsTheTestSplit(pb.Method):
    """Loads a dataset by itself, and with it the test split."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        from prunebench.spec import Spec
        from prunebench.tasks.build import load_dataset

        load_dataset(Spec("digits")).test.whole()
        return ctx.keep(magnitudes(ctx))


@pb.method("opens-files-of-data")
class OpensFilesOfData(pb.Method):
    """Reads a dataset's files past every loader."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        from sklearn.datasets import load_digits

        load_digits()
        return ctx.keep(magnitudes(ctx))


_buffers: dict[int, dict[str, torch.Tensor]] = {}


@pb.method("reuses-masks")
class ReusesMasks(pb.Method):
    """Writes every answer into the same tensors."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        masks = ctx.keep(magnitudes(ctx))
        kept = _buffers.setdefault(ctx.layers.total, {n: m.clone() for n, m in masks.items()})
        for name, mask in masks.items():
            kept[name].copy_(mask)
        return pb.Masks(kept)


_previous: list[pb.Masks] = []


@pb.method("goes-on-pruning")
class GoesOnPruning(pb.Method):
    """Starts from the masks of the last call where they fit."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        scores = magnitudes(ctx)
        if _previous and [m.shape for m in _previous[-1].values()] == [s.shape for s in scores.values()]:
            last = list(_previous[-1].values())
            scores = {name: s + 0.05 * last[i].to(s.dtype) for i, (name, s) in enumerate(scores.items())}
        _previous[:] = [ctx.keep(scores)]
        return _previous[-1]


@pb.method("ticket-of-strangers")
class TicketOfStrangers(pb.Method):
    """Weights under names of a wrapped network."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        weights = {f"module.{name}": w.detach().clone() for name, w in ctx.weights.items()}
        return pb.Ticket(ctx.keep(magnitudes(ctx)), weights)


@pb.method("ticket-by-reference")
class TicketByReference(pb.Method):
    """Rewinds to tensors that training will change."""

    def prune(self, ctx: pb.Pruning) -> pb.Ticket:
        weights = {name: p.detach() for name, p in ctx._subject.model.named_parameters()}
        return pb.Ticket(ctx.keep(magnitudes(ctx)), weights)


@pb.method("needs-a-file")
class NeedsAFile(pb.Method):
    """Depends on what this process has and no other."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        if "pytest" not in __import__("sys").modules:
            raise RuntimeError("no prepared state in this process")
        return ctx.keep(magnitudes(ctx))


@pb.method("fixed-pattern")
class FixedPattern(pb.Method):
    """Decides by place alone, whatever the weights."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        return ctx.keep({n: torch.linspace(0, 1, w.numel()).sin().view(w.shape) for n, w in ctx.weights.items()})


@pb.method("scales-inputs", needs={"data", "labels", "gradients"})
class ScalesInputs(pb.Method):
    """Corrupts the scoring set in place, and with it the data of everybody else."""

    def prune(self, ctx: pb.Pruning) -> pb.Masks:
        ctx.scoring_set().x.mul_(0.5)
        return ctx.keep(ctx.scores("snip"))
