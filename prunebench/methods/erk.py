"""Erdős–Rényi densities, and those that count the kernel."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prunebench.engine.selection.scorer import keep_ratios

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prunebench.engine.selection.ratios import Layers

_TRAPS = (
    "Dimensions are those of the weight tensor: in a grouped or depthwise convolution the inputs per group, as in "
    "RigL's code. A layer whose ratio would pass 1 is dense and the factor is solved again for the others; "
    "Vysogorets & Kempe's code gives the surplus to the layer before it. Counts are exact; the Random Pruning code of "
    "Liu et al. 2022 draws Bernoulli masks. `within` ranks inside a layer."
)


@keep_ratios(
    "er",
    paper="Mocanu et al. 2018, Scalable training of artificial neural networks with adaptive sparse connectivity",
    notes=f"A convolution counts by its channels alone. {_TRAPS}",
)
def er(layers: Layers, density: float) -> dict[str, float]:
    """r_l = min(1, ε·(n_in + n_out)/(n_in·n_out)); ε solves Σ r_l·n_l = d·N (Mocanu et al. 2018)."""
    return proportional({layer.name: _crowding(layer.shape[:2]) for layer in layers}, layers, density)


@keep_ratios("erk", paper="Evci et al. 2020, Rigging the lottery: making all tickets winners", notes=_TRAPS)
def erk(layers: Layers, density: float) -> dict[str, float]:
    """r_l = min(1, ε·Σ dims/Π dims) with all dimensions of the weight; ε solves Σ r_l·n_l = d·N (section 3, 1)."""
    return proportional({layer.name: _crowding(layer.shape) for layer in layers}, layers, density)


def _crowding(shape: tuple[int, ...]) -> float:
    """Σ dims/Π dims; 1 of a scalar."""
    return sum(shape) / math.prod(shape) if shape else 1.0


def proportional(parts: Mapping[str, float], layers: Layers, density: float) -> dict[str, float]:
    """Ratios min(1, ε·part) of d·N weights together.

    Args:
        parts: positive, by layer.
        layers: the network's.
        density: d.
    """
    ratios = {layer.name: 1.0 for layer in layers}
    free = list(layers)
    budget = density * layers.total
    while free:
        factor = budget / sum(parts[layer.name] * layer.size for layer in free)
        # Each of these stays past 1: the budget that it gives back raises the factor of the others.
        dense = [layer for layer in free if factor * parts[layer.name] > 1]
        if not dense:
            return ratios | {layer.name: factor * parts[layer.name] for layer in free}
        budget -= sum(layer.size for layer in dense)
        free = [layer for layer in free if layer not in dense]
    return ratios
