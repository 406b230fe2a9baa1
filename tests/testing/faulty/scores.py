"""Scorers with one fault each, of kinds that are found in public code."""

import itertools
import random as python_random
import time

import numpy as np
import torch
from torch import nn

import prunebench as pb

DATA = {"data", "labels", "gradients"}


def snip(ctx):
    gradients = ctx.gradients(ctx.loss())
    return {name: (gradients[name] * w).abs() for name, w in ctx.weights.items()}


def magnitude(ctx):
    return {name: w.abs() for name, w in ctx.weights.items()}


# What comes out


@pb.scorer("inverts-by-division")
def inverts_by_division(ctx: pb.Scoring) -> pb.Scores:
    """Synaptic-Flow's --invert divides by the square: a zero becomes NaN."""
    return {name: (w * (w > 0)) / (w * (w > 0)) ** 2 for name, w in ctx.weights.items()}


@pb.scorer("dense-classifier")
def dense_classifier(ctx: pb.Scoring) -> pb.Scores:
    """The last layer is left out, as with a switch for dense classifiers."""
    return dict(list(magnitude(ctx).items())[:-1])


@pb.scorer("counts-biases")
def counts_biases(ctx: pb.Scoring) -> pb.Scores:
    """Scores every parameter, biases and BatchNorm too."""
    return {name: p.abs() for name, p in ctx.model.named_parameters()}


@pb.scorer("counts-votes")
def counts_votes(ctx: pb.Scoring) -> pb.Scores:
    """Integer scores."""
    return {name: (w.abs() * 1000).long() for name, w in ctx.weights.items()}


@pb.scorer("assumes-dense-convolutions")
def assumes_dense_convolutions(ctx: pb.Scoring) -> pb.Scores:
    """Takes for granted that a layer has as many inputs as the layer before has outputs: groups break it."""
    shapes = [w.shape for w in ctx.weights.values()]
    for before, after in itertools.pairwise(shapes):
        if after[1] % before[0]:
            raise ValueError(f"{before[0]} outputs do not fit {after[1]} inputs")
    return magnitude(ctx)


@pb.scorer("quits")
def quits(ctx: pb.Scoring) -> pb.Scores:
    """Ends the process with status 0 when the count is off, as Synaptic-Flow does."""
    if ctx.masks.density() < 1:
        raise SystemExit(0)
    return magnitude(ctx)


@pb.scorer("skips-the-classifier")
def skips_the_classifier(ctx: pb.Scoring) -> pb.Scores:
    """The last layer is protected by a constant score above all others."""
    scores = magnitude(ctx)
    last = list(scores)[-1]
    return {**scores, last: torch.full_like(scores[last], 1e6)}


@pb.scorer("never-prunes-the-first")
def never_prunes_the_first(ctx: pb.Scoring) -> pb.Scores:
    """The first layer is lifted above all others."""
    scores = magnitude(ctx)
    first = next(iter(scores))
    return {**scores, first: scores[first] + 1e3}


@pb.scorer("all-alike")
def all_alike(ctx: pb.Scoring) -> pb.Scores:
    """One score for everything: the order among equals prunes."""
    return {name: torch.ones_like(w) for name, w in ctx.weights.items()}


@pb.scorer("coarse")
def coarse(ctx: pb.Scoring) -> pb.Scores:
    """Scores rounded so far that a threshold ties with many, which `score > threshold` over-prunes."""
    return {name: (w.abs() * 8).round() for name, w in ctx.weights.items()}


@pb.scorer("by-filter")
def by_filter(ctx: pb.Scoring) -> pb.Scores:
    """Filter norms, not declared as structured."""
    return {n: w.abs().flatten(1).mean(1).view(-1, *[1] * (w.dim() - 1)).expand_as(w) for n, w in ctx.weights.items()}


@pb.scorer("claims-filters", traits={"structured"})
def claims_filters(ctx: pb.Scoring) -> pb.Scores:
    """Declares shared scores of filters and has none."""
    return magnitude(ctx)


@pb.scorer("half", needs=DATA, mode="eval")
def half(ctx: pb.Scoring) -> pb.Scores:
    """Scored in the training precision, as TurboPrune's SynFlow."""
    return {name: s.bfloat16().float() for name, s in snip(ctx).items()}


@pb.scorer("single")
def single(ctx: pb.Scoring) -> pb.Scores:
    """Casts to float32, whatever the network."""
    return {name: w.abs().float() for name, w in ctx.weights.items()}


@pb.scorer("single-only")
def single_only(ctx: pb.Scoring) -> pb.Scores:
    """Makes a float32 input of its own."""
    with torch.no_grad():
        ctx.model(torch.ones(2, *ctx.shape))
    return magnitude(ctx)


@pb.scorer("claims-conservation", needs=DATA, traits={"conserves"}, mode="eval")
def claims_conservation(ctx: pb.Scoring) -> pb.Scores:
    """SNIP's absolute value breaks the conservation of g ⊙ θ."""
    return snip(ctx)


# Seeds and state


@pb.scorer("hidden-randomness")
def hidden_randomness(ctx: pb.Scoring) -> pb.Scores:
    """Draws from the stream without declaring it."""
    return {name: w.abs() + torch.rand(w.shape, generator=ctx.generator).to(w.dtype) for name, w in ctx.weights.items()}


@pb.scorer("fixed-randomness", traits={"random"})
def fixed_randomness(ctx: pb.Scoring) -> pb.Scores:
    """Seeds itself with a constant, so that every seed is the same."""
    generator = torch.Generator().manual_seed(914)
    return {name: torch.rand(w.shape, generator=generator) for name, w in ctx.weights.items()}


@pb.scorer("unseeded", traits={"random"})
def unseeded(ctx: pb.Scoring) -> pb.Scores:
    """Draws from NumPy's global generator, which nobody seeded."""
    return {name: torch.from_numpy(np.random.rand(*w.shape)) for name, w in ctx.weights.items()}


@pb.scorer("by-the-clock", traits={"random"})
def by_the_clock(ctx: pb.Scoring) -> pb.Scores:
    """A generator seeded by the time."""
    generator = torch.Generator().manual_seed(time.perf_counter_ns())
    return {name: torch.rand(w.shape, generator=generator) for name, w in ctx.weights.items()}


@pb.scorer("by-hash")
def by_hash(ctx: pb.Scoring) -> pb.Scores:
    """Noise seeded by the hash of a layer's name, which is another one in every process."""
    scores = {}
    for place, (name, w) in enumerate(ctx.weights.items()):
        generator = torch.Generator().manual_seed(hash(f"layer {place}") % 2**31)
        scores[name] = w.abs() * (0.5 + torch.rand(w.shape, generator=generator).to(w.dtype))
    return scores


_total: dict[str, torch.Tensor] = {}


@pb.scorer("accumulates", needs=DATA, mode="eval")
def accumulates(ctx: pb.Scoring) -> pb.Scores:
    """Adds gradients to those of the calls before, as .grad does that nobody set to zero."""
    scores = snip(ctx)
    for name, score in scores.items():
        old = _total.get(name)
        _total[name] = score.detach() + (old if old is not None and old.shape == score.shape else 0)
    return {name: _total[name] for name in scores}


_cache: dict[tuple[str, ...], dict[str, torch.Tensor]] = {}


@pb.scorer("caches-by-name")
def caches_by_name(ctx: pb.Scoring) -> pb.Scores:
    """Keeps the scores of the first network of a kind for all later ones."""
    return _cache.setdefault(tuple(ctx.weights), {name: w.detach().abs().clone() for name, w in ctx.weights.items()})


# Traces


@pb.scorer("seeds-globally", needs=DATA, mode="eval")
def seeds_globally(ctx: pb.Scoring) -> pb.Scores:
    """Sets NumPy's and Python's generators to a constant."""
    np.random.seed(12345)
    python_random.seed(12345)
    return snip(ctx)


@pb.scorer("double-bug")
def double_bug(ctx: pb.Scoring) -> pb.Scores:
    """Switches torch's default dtype and forgets to switch back."""
    torch.set_default_dtype(torch.float64)
    return magnitude(ctx)


@pb.scorer("patches-torch", needs=DATA, mode="eval")
def patches_torch(ctx: pb.Scoring) -> pb.Scores:
    """Replaces the forward pass of all linear layers while it scores; an error leaves it replaced."""
    forward = nn.Linear.forward
    nn.Linear.forward = lambda self, x: nn.functional.linear(x, self.weight, self.bias)
    scores = snip(ctx)
    nn.Linear.forward = forward
    return scores


@pb.scorer("leaves-hooks", needs=DATA, mode="eval")
def leaves_hooks(ctx: pb.Scoring) -> pb.Scores:
    """Counts by hooks that are never removed: each round stacks another set."""
    for module in ctx.model.modules():
        module.register_forward_hook(lambda *_: None)
    return snip(ctx)


@pb.scorer("absolute-in-place", needs=DATA, mode="eval")
def absolute_in_place(ctx: pb.Scoring) -> pb.Scores:
    """Takes absolute values in the stored weights and does not restore the signs."""
    for w in ctx.dense.values():
        w.abs_()
    return snip(ctx)


# Inputs


@pb.scorer("ignores-its-data", needs=DATA)
def ignores_its_data(ctx: pb.Scoring) -> pb.Scores:
    """Declares data and never looks."""
    return magnitude(ctx)


@pb.scorer("scales-by-data", needs={"data"}, mode="eval")
def scales_by_data(ctx: pb.Scoring) -> pb.Scores:
    """Data move all scores by one factor, and no weight past another."""
    spread = sum(float(ctx.model(x).detach().std()) for x, _ in ctx.batches())
    return {name: spread * w.abs() for name, w in ctx.weights.items()}


@pb.scorer("own-labels", needs=DATA, mode="eval")
def own_labels(ctx: pb.Scoring) -> pb.Scores:
    """Declares labels and takes the network's own predictions."""
    x, _ = next(ctx.batches())
    logits = ctx.model(x)
    loss = nn.functional.cross_entropy(logits, logits.argmax(1))
    return {name: (g * ctx.weights[name]).abs() for name, g in ctx.gradients(loss).items()}


@pb.scorer("hidden-labels", needs={"data", "gradients"}, mode="eval")
def hidden_labels(ctx: pb.Scoring) -> pb.Scores:
    """Uses labels and declares inputs only."""
    return snip(ctx)


@pb.scorer("hidden-gradients", needs={"data", "labels"}, mode="eval")
def hidden_gradients(ctx: pb.Scoring) -> pb.Scores:
    """Differentiates without saying so."""
    return snip(ctx)


@pb.scorer("claims-gradients", needs={"gradients"})
def claims_gradients(ctx: pb.Scoring) -> pb.Scores:
    """Declares gradients and needs none."""
    return magnitude(ctx)


@pb.scorer("first-batch", needs=DATA, mode="eval")
def first_batch(ctx: pb.Scoring) -> pb.Scores:
    """Stops after the first batch."""
    x, y = next(ctx.batches())
    found = ctx.gradients(nn.functional.cross_entropy(ctx.model(x), y))
    return {name: (g * ctx.weights[name]).abs() for name, g in found.items()}


@pb.scorer("always-eval", needs=DATA, mode="train")
def always_eval(ctx: pb.Scoring) -> pb.Scores:
    """Declares train mode and scores in eval mode."""
    was = ctx.model.training
    ctx.model.eval()
    try:
        return snip(ctx)
    finally:
        ctx.model.train(was)


# The network


@pb.scorer("scores-a-copy", needs=DATA, mode="eval")
def scores_a_copy(ctx: pb.Scoring) -> pb.Scores:
    """Re-initialises what it scores, as a popular SNIP does: the scored network is not the given one."""
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for w in ctx.weights.values():
            w.copy_(torch.randn(w.shape, generator=generator) * w.shape[1] ** -0.5)
    return snip(ctx)


@pb.scorer("redraws-the-classifier", needs=DATA, mode="eval")
def redraws_the_classifier(ctx: pb.Scoring) -> pb.Scores:
    """Draws the last layer anew, as a popular GraSP does."""
    with torch.no_grad():
        last = list(ctx.weights.values())[-1]
        last.copy_(torch.randn(last.shape, generator=torch.Generator().manual_seed(0)) * 0.1)
    return snip(ctx)


@pb.scorer("negative-first")
def negative_first(ctx: pb.Scoring) -> pb.Scores:
    """θ < ε for |θ| < ε: negative weights go first."""
    return dict(ctx.weights)


@pb.scorer("early-first")
def early_first(ctx: pb.Scoring) -> pb.Scores:
    """Prefers the first entries of a tensor, as indices that break ties do."""
    scores = magnitude(ctx)
    return {n: s * torch.linspace(2, 0.1, s.numel(), dtype=s.dtype).view(s.shape) for n, s in scores.items()}


@pb.scorer("ignores-fc")
def ignores_fc(ctx: pb.Scoring) -> pb.Scores:
    """A list of layer names that count for more."""
    return {name: w.abs() * (100 if name.startswith(("fc", "classifier")) else 1) for name, w in ctx.weights.items()}


@pb.scorer("one-pass", needs={"gradients"}, rounds=20)
def one_pass(ctx: pb.Scoring) -> pb.Scores:
    """Says twenty rounds and scores the dense network in each."""
    flow = torch.ones(1, dtype=next(iter(ctx.weights.values())).dtype)
    del flow
    return {name: w.detach().abs() for name, w in ctx.dense.items()}


@pb.scorer("dead-switch")
def dead_switch(ctx: pb.Scoring, *, shuffle: bool = False, epsilon: float = 1e-3) -> pb.Scores:
    """A switch that is never read."""
    return {name: w.abs() + epsilon for name, w in ctx.weights.items()}


@pb.scorer("dead-number")
def dead_number(ctx: pb.Scoring, *, weight_decay: float = 1e-4) -> pb.Scores:
    """A hyperparameter that is never read."""
    return magnitude(ctx)


@pb.scorer("claims-return", traits={"returns"})
def claims_return(ctx: pb.Scoring) -> pb.Scores:
    """Scores pruned weights zero, so that none comes back."""
    return magnitude(ctx)
