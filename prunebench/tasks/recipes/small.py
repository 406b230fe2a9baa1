"""Recipes for the embedded data."""

from __future__ import annotations

from prunebench.tasks.recipes.base import Recipe, recipe


@recipe("small-sgd", notes="20 epochs decide most questions on mnist1d; a training takes about half a second.")
def small_sgd() -> Recipe:
    """SGD with momentum, one epoch of warm-up and a cosine, for small networks on mnist1d and digits."""
    return Recipe(
        lr=0.1, weight_decay=5e-4, batch=100, epochs=20, schedule="cosine", warmup=0.05, rewind=(0.1,)
    )  # fmt: skip


@recipe("small-stability", notes="Long enough for a network to recover from pruning between events, and to overfit.")
def small_stability() -> Recipe:
    """SGD with momentum, 40 epochs, a tenth from 32 on, no regularisation, to see what pruning alone does."""
    return Recipe(lr=0.03, batch=100, epochs=40, schedule="step", milestones=(0.8,))
