"""How flat the loss on training data is around a network, in the space of its kept weights.

Only kept prunable weights vary: biases, normalisation and pruned weights are constants. The loss is the mean
cross-entropy in eval mode, without augmentation. Directions are drawn by the repetition alone and then restricted to
kept weights, so that networks of one repetition share them as far as their masks allow.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call, grad, vmap
from torch.nn import functional as F

from prunebench.engine.prunable import prunable
from prunebench.engine.structure.filters import by_filter
from prunebench.engine.training.curvature import Curvature, differentiating
from prunebench.errors import TrainingError
from prunebench.seeding import seed_of
from prunebench.tasks.datasets.base import Split

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prunebench.tasks.datasets.base import Samples

SAMPLES = 1000
"""Training samples that flatness is measured on, over all classes."""
DRAWS = 8
"""Directions, or vectors of signs, that each mean is taken over."""
SIZES = {"small": 0.01, "large": 0.1}
"""Relative sizes ε of perturbations; 1 moves every filter by its own norm."""
_ESTIMATES = "hessian_trace", "hessian_trace_relative", "hessian_trace_normalised", *(f"loss_rise_{s}" for s in SIZES)
NAMES = ("hessian_top", "gradient_moment", *_ESTIMATES, *(f"{name}_se" for name in _ESTIMATES))
"""The metrics."""

_ELEMENTS = 2**17
"""Of the inputs that pass through together, as in evaluation."""
_GRADIENTS = 2**23
"""Entries of the gradients of single samples that are held at once."""


def chosen(train: Samples, repetition: int) -> Split:
    """The samples that flatness is measured on: `SAMPLES` over the classes, or what the rarest class has of each."""
    counts = torch.unique(train.y, return_counts=True)[1]
    generator = torch.Generator().manual_seed(seed_of("flatness/samples", repetition))
    return train.balanced(min(max(1, SAMPLES // len(counts)), int(counts.min())), generator)


def flatness(
    model: nn.Module, masks: Mapping[str, Tensor], samples: Samples, repetition: int
) -> dict[str, float | None]:
    """Curvature, gradient moment and rises of the loss by name, as `records.metrics` defines them.

    Without a kept weight, all are None. The network is left in eval mode and measured on its own device, in its own
    precision.

    Args:
        model: whose pruned weights are zero.
        masks: of its kept weights.
        samples: that the loss is the mean over.
        repetition: by which directions are drawn.

    Raises:
        TrainingError: the loss or one of the values is not finite.
        PruningError: the masks are another network's.
    """
    model.eval()
    weights = {name: weight.detach() for name, weight in prunable(model).items()}
    batches = _batches(samples, next(iter(weights.values())))
    curvature = Curvature(model, masks, batches)
    loss = mean_loss(model, weights, batches)
    if not math.isfinite(loss):
        raise TrainingError(f"the network's loss on training data is {loss}: its weights or statistics have diverged")
    if not curvature.size:
        return dict.fromkeys(NAMES)
    kept = {name: mask.to(weights[name].device) for name, mask in masks.items()}
    normal = list(_normal(weights, repetition))
    directions = [filter_normalised(draw, weights, kept, model) for draw in normal]
    signs = torch.stack([curvature.restricted(draw) for draw in _signs(weights, repetition)], dim=1)
    scaled = torch.stack([curvature.restricted(direction) for direction in directions], dim=1)
    vectors = torch.cat([signs, signs * curvature.restricted(weights)[:, None], scaled], dim=1)
    trace, relative, normalised = torch.split(curvature.along(vectors), DRAWS)
    found: dict[str, float | None] = {
        "hessian_top": curvature.top(curvature.restricted(normal[0])),
        "gradient_moment": gradient_moment(model, kept, batches),
        **_estimate("hessian_trace", trace),
        **_estimate("hessian_trace_relative", relative),
        **_estimate("hessian_trace_normalised", normalised),
    }
    for name, epsilon in SIZES.items():
        rises = [loss_around(model, weights, direction, epsilon, batches) - loss for direction in directions]
        found |= _estimate(f"loss_rise_{name}", torch.tensor(rises, dtype=torch.float64))
    for name, value in found.items():
        if value is not None and not math.isfinite(value):
            raise TrainingError(f"{name} of the network is {value}: its weights have diverged")
    return found


def gradient_moment(model: nn.Module, masks: Mapping[str, Tensor], batches: list[Split]) -> float:
    """Mean over samples of the squared norm of a sample's gradient in the kept weights.

    The uncentred second moment: the trace of the gradients' covariance is less by the squared norm of their mean, which
    is small where training has converged.
    """
    weights = {name: weight.detach() for name, weight in prunable(model).items()}
    together = min(256, max(1, _GRADIENTS // sum(weight.numel() for weight in weights.values())))

    def loss(values: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return F.cross_entropy(functional_call(model, values, (x[None],)), y[None])

    gradients = vmap(grad(loss), in_dims=(None, 0, 0))
    total, count = torch.zeros((), dtype=torch.float64), 0
    with torch.no_grad(), differentiating():
        for batch in batches:
            for x, y in zip(torch.split(batch.x, together), torch.split(batch.y, together), strict=True):
                for name, gradient in gradients(weights, x, y).items():
                    squares = gradient.square().sum(0)[masks[name].to(gradient.device)]
                    total += squares.sum(dtype=torch.float64).cpu()
                count += len(y)
    return float(total) / count


def filter_normalised(
    direction: Mapping[str, Tensor], weights: Mapping[str, Tensor], masks: Mapping[str, Tensor], model: nn.Module
) -> dict[str, Tensor]:
    """A direction in the kept weights, each filter of it scaled to the norm of the network's (Li et al. 2018, §4).

    A filter is what an output unit is computed by: a row of a linear layer, an output channel's kernel. The perturbed
    loss does not change when all filters of a layer grow by one factor and the next layer shrinks by it, nor when a
    filter and the running statistics of a BatchNorm behind it grow together. It does when the units of a layer grow by
    different factors: those shift the next layer's weights within its filters.
    """
    own = {name: weight * masks[name] for name, weight in weights.items()}
    norms = by_filter(lambda rows: rows.norm(dim=1, keepdim=True).expand_as(rows).contiguous(), own, model)
    drawn = by_filter(_unit, {name: values * masks[name] for name, values in direction.items()}, model)
    return {name: values * norms[name] for name, values in drawn.items()}


def loss_around(
    model: nn.Module, weights: Mapping[str, Tensor], direction: Mapping[str, Tensor], epsilon: float,
    batches: list[Split],
) -> float:  # fmt: skip
    """The mean loss (nats) at w + εd and at w − εd, averaged.

    A Gaussian direction is as likely as its opposite: the mean over directions is that of one side, without the noise
    of the slope.
    """
    sides = [
        mean_loss(model, {name: weight + by * direction[name] for name, weight in weights.items()}, batches)
        for by in (epsilon, -epsilon)
    ]
    return sum(sides) / 2


def mean_loss(model: nn.Module, weights: Mapping[str, Tensor], batches: list[Split]) -> float:
    """Mean cross-entropy (nats) with these weights, added up in float64."""
    total = torch.zeros((), dtype=torch.float64)
    with torch.no_grad():
        for batch in batches:
            losses = F.cross_entropy(functional_call(model, dict(weights), (batch.x,)), batch.y, reduction="none")
            total += losses.sum(dtype=torch.float64).cpu()
    return float(total) / sum(len(batch) for batch in batches)


def _batches(samples: Samples, like: Tensor) -> list[Split]:
    size = min(max(_ELEMENTS // max(1, math.prod(samples.shape)), 1), 4096)
    return [Split(batch.x.to(like), batch.y.to(like.device)) for batch in samples.batches(size)]


def _normal(weights: Mapping[str, Tensor], repetition: int) -> Iterator[dict[str, Tensor]]:
    """`DRAWS` Gaussian directions, the same values in either precision and on any device."""
    generator = torch.Generator().manual_seed(seed_of("flatness/directions", repetition))
    for _ in range(DRAWS):
        yield {n: torch.randn(w.shape, generator=generator, dtype=torch.float32).to(w) for n, w in weights.items()}


def _signs(weights: Mapping[str, Tensor], repetition: int) -> Iterator[dict[str, Tensor]]:
    """`DRAWS` vectors of ±1."""
    generator = torch.Generator().manual_seed(seed_of("flatness/signs", repetition))
    for _ in range(DRAWS):
        yield {n: torch.randint(2, w.shape, generator=generator).mul_(2).sub_(1).to(w) for n, w in weights.items()}


def _unit(rows: Tensor) -> Tensor:
    """Rows of norm 1; zero rows stay."""
    norms = rows.norm(dim=1, keepdim=True)
    return rows / torch.where(norms == 0, 1.0, norms)


def _estimate(name: str, values: Tensor) -> dict[str, float | None]:
    """The mean over draws, and its standard error."""
    return {name: float(values.mean()), f"{name}_se": float(values.std() / math.sqrt(len(values)))}
