"""Small networks and data, and training as a plain loop: torch's single-tensor optimisers and its schedulers."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.optim import lr_scheduler as schedulers

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import prunable
from prunebench.engine.training.trainer import Trainer
from prunebench.tasks.datasets.base import Split
from prunebench.tasks.datasets.images import Images, Scale

if TYPE_CHECKING:
    from prunebench.tasks.recipes.base import Recipe

CPU = torch.device("cpu")
FEATURES, CLASSES = 6, 3


def vectors(n=22, dtype=torch.float32, seed=0):
    """Inputs whose class depends on them."""
    x = torch.randn(n, FEATURES, generator=torch.Generator().manual_seed(seed), dtype=dtype)
    return Split(x, x[:, :CLASSES].argmax(1))


def pictures(n=22, side=6, seed=0):
    """Uint8 images `[n, 2, side, side]`, standardised by channel."""
    generator = torch.Generator().manual_seed(seed)
    pixels = torch.randint(0, 256, (n, 2, side, side), generator=generator, dtype=torch.uint8)
    scale = Scale(torch.tensor([100.0, 130.0]), torch.tensor([70.0, 50.0]))
    return Images(pixels, torch.arange(n) % CLASSES, scale)


def mlp(seed=0, dtype=torch.float32):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(FEATURES, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, CLASSES)).to(
            dtype
        )


def conv(seed=0, dtype=torch.float32, side=6):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return nn.Sequential(
            nn.Conv2d(2, 3, 3, padding=1, bias=False), nn.BatchNorm2d(3), nn.ReLU(), nn.Conv2d(3, 4, 3, bias=False),
            nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * (side - 2) ** 2, CLASSES),
        ).to(dtype)  # fmt: skip


def trainer(model, recipe, data, **more):
    return Trainer(model, recipe, data, repetition=more.pop("repetition", 0), device=CPU, **more)


def random_masks(model, density, seed=0):
    """Every weight is kept with probability `density`."""
    generator = torch.Generator().manual_seed(seed)
    return Masks({n: torch.rand(w.shape, generator=generator) < density for n, w in prunable(model).items()})


def same(first, second):
    """Equal names, and equal values to the bit."""
    assert first.keys() == second.keys()
    return all(torch.equal(first[name], second[name]) for name in first)


@dataclass(frozen=True)
class Seen(Split):
    """A split that remembers which of its samples were asked for, batch by batch."""

    asked: list[torch.Tensor] = field(default_factory=list)

    def take(self, index):
        self.asked.append(index.clone())
        return Split(self.x[index], self.y[index])

    def to(self, device):
        return self


def seen(data):
    return Seen(data.x, data.y)


def _optimiser(recipe, model):
    plain = {"lr": recipe.lr, "weight_decay": recipe.weight_decay, "foreach": False, "fused": False}
    if recipe.optimiser == "sgd":
        return torch.optim.SGD(model.parameters(), momentum=recipe.momentum, nesterov=recipe.nesterov, **plain)
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimiser]
    return kind(model.parameters(), betas=recipe.betas, **plain)


def _scheduler(recipe, optimiser, total, per_epoch):
    rise = round(recipe.warmup * (total if recipe.warmup < 1 else per_epoch))
    if recipe.schedule == "cosine":
        after = schedulers.CosineAnnealingLR(optimiser, T_max=total - rise)
    elif recipe.schedule == "step":
        after = schedulers.MultiStepLR(optimiser, [round(m * total) for m in recipe.milestones], gamma=recipe.factor)
    else:
        after = schedulers.ConstantLR(optimiser, factor=1)
    if not rise:
        return after
    assert recipe.schedule != "step"
    before = schedulers.LinearLR(optimiser, start_factor=1 / rise, total_iters=max(1, rise - 1))
    return schedulers.SequentialLR(optimiser, [before, after], milestones=[rise])


def plain_loop(model: nn.Module, recipe: Recipe, batches, total, per_epoch, held=()):
    """Train in place on given batches `(x, y)`; the loss at every step.

    `held` has masks by the step before which they come: weights are multiplied by them in the forward pass, so that
    autograd makes the gradients, and what they take away is set to zero by hand.
    """
    optimiser = _optimiser(recipe, model)
    walked = _scheduler(recipe, optimiser, total, per_epoch)
    smooth = recipe.label_smoothing
    masks, losses = {}, []
    model.train()
    for step, (x, y) in enumerate(batches):
        for when, new in held:
            if when == step:
                masks = {} if new is None else dict(new)
                for name, mask in masks.items():
                    parameter = model.get_parameter(name)
                    parameter.data[~mask] = 0.0
                    for value in optimiser.state[parameter].values():
                        if isinstance(value, torch.Tensor) and value.shape == mask.shape:
                            value[~mask] = 0.0
        effective = {name: model.get_parameter(name) * mask for name, mask in masks.items()}
        logits = torch.func.functional_call(model, effective, (x,))
        chances = logits.log_softmax(1)
        loss = -(1 - smooth) * chances[torch.arange(len(y)), y].mean()
        if smooth:
            loss = loss - smooth * chances.mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        with warnings.catch_warnings():
            # SequentialLR itself passes the epoch that it warns of.
            warnings.filterwarnings("ignore", message="The epoch parameter in `scheduler.step", category=UserWarning)
            walked.step()
        losses.append(float(loss.detach()))
    return losses
