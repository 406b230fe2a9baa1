"""ProsPr: prospect pruning."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.func import functional_call
from torch.nn.functional import cross_entropy

from prunebench.engine.selection.scorer import scorer
from prunebench.errors import PruningError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prunebench.engine.selection.scoring import Scores, Scoring


@scorer(
    "prospr",
    paper="Alizadeh et al. 2022, Prospect pruning: finding trainable weights at initialization using meta-gradients",
    needs={"data", "labels", "gradients"},
    mode="train",
    notes=(
        "steps=0 is snip. The scoring set is dealt out into steps + 1 parts, one for every step and one for the last "
        "loss, so that each sees other samples, as in the authors' code, which takes a training batch for each: raise "
        "samples_per_class for parts of that size. lr=0.1 and momentum=0 are the defaults of their command line; their "
        "example has 0.5 and 0.9. Their momentum starts from a detached first gradient, which leaves out part of the "
        "second order; here it is not detached. Biases and BatchNorm's parameters take the steps too. "
        "first_order=true is |θ ⊙ g| with g after the steps. Memory holds the graphs of all steps."
    ),
)
def prospr(
    ctx: Scoring, *, steps: int = 3, lr: float = 0.1, momentum: float = 0.0, first_order: bool = False
) -> Scores:
    """|∂L(w_K)/∂c| at c = 1 for w_0 = c ⊙ θ and K steps of SGD from there (Alizadeh et al. 2022).

    Args:
        ctx: the network and its scoring set.
        steps: K.
        lr: of the steps.
        momentum: of the steps: v ← μv + g, w ← w − lr·v.
        first_order: take the gradients of the steps for constants.

    Raises:
        PruningError: steps or momentum are negative, the learning rate is not positive, there are fewer samples than
            steps + 1, or a prunable layer takes no part in the output.
    """
    if steps < 0 or lr <= 0 or momentum < 0:
        raise PruningError(f"prospr: steps={steps}, lr={lr:g}, momentum={momentum:g}: steps ≥ 0, lr > 0, momentum ≥ 0")
    gates = {name: torch.ones_like(w).requires_grad_() for name, w in ctx.weights.items()}
    kept = {name: ctx.masks[name].to(w.device) for name, w in ctx.weights.items()}
    current = {name: p.detach().clone().requires_grad_() for name, p in ctx.model.named_parameters()}
    current.update({name: gates[name] * w.detach() for name, w in ctx.weights.items()})
    velocity: dict[str, Tensor] = {}
    losses = _losses(ctx, steps + 1)
    for _ in range(steps):
        gradients: tuple[Tensor | None, ...] = torch.autograd.grad(
            next(losses)(current), list(current.values()), create_graph=not first_order, allow_unused=True
        )
        for name, gradient in zip(list(current), gradients, strict=True):
            if gradient is None:
                continue
            # A weight that an earlier round pruned takes no step.
            step = gradient * kept[name] if name in kept else gradient
            velocity[name] = momentum * velocity[name] + step if name in velocity else step
            current[name] = current[name] - lr * velocity[name]
    last: tuple[Tensor | None, ...] = torch.autograd.grad(
        next(losses)(current), list(gates.values()), allow_unused=True
    )
    scores: dict[str, Tensor] = {}
    for name, gradient in zip(gates, last, strict=True):
        if gradient is None:
            raise PruningError(f"layer {name} takes no part in the network's output, so it has no gradient")
        scores[name] = gradient.abs()
    return scores


def _losses(ctx: Scoring, parts: int) -> Iterator[Callable[[dict[str, Tensor]], Tensor]]:
    """The mean cross-entropy of each part of the scoring set, as a function of the network's parameters."""
    # BatchNorm's statistics move from step to step, and not those of the network.
    buffers = {name: value.clone() for name, value in ctx.model.named_buffers()}
    batches = ctx.batches(parts)
    for part in range(parts):
        size = len(range(part, ctx.samples, parts))

        def loss(parameters: dict[str, Tensor], size: int = size) -> Tensor:
            seen, total = 0, torch.zeros((), device=next(iter(parameters.values())).device)
            while seen < size:
                x, y = next(batches)
                logits = functional_call(ctx.model, (parameters, buffers), (x,))
                total = total + cross_entropy(logits, y, reduction="sum") / size
                seen += len(y)
            return total

        yield loss
