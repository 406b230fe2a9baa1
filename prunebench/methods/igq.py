"""Ideal gas quotas."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.engine.selection.scorer import keep_ratios

if TYPE_CHECKING:
    from prunebench.engine.selection.ratios import Layers


@keep_ratios(
    "igq",
    paper=(
        "Vysogorets & Kempe 2023, Connectivity matters: neural network pruning through the lens of effective sparsity"
    ),
    notes=(
        "Layers are compressed as gases under one pressure F: large ones most, no layer past dense or down to nothing. "
        "F is solved to float precision; the published code bisects it. `within` ranks inside a layer."
    ),
)
def igq(layers: Layers, density: float) -> dict[str, float]:
    """r_l = 1/(F·n_l + 1); F solves Σ r_l·n_l = d·N (Vysogorets & Kempe 2023)."""
    from scipy.optimize import brentq

    budget = density * layers.total
    sizes = [layer.size for layer in layers]

    def excess(pressure: float) -> float:
        return sum(n / (pressure * n + 1) for n in sizes) - budget

    # Every layer keeps less than 1/F weights, so that F is below L/(d·N).
    pressure = brentq(excess, 0.0, 2 * len(sizes) / budget, xtol=1e-300, maxiter=2000) if excess(0.0) > 0 else 0.0
    return {layer.name: 1 / (pressure * layer.size + 1) for layer in layers}
