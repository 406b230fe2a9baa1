"""Uniform density, and uniform+."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.engine.selection.ratios import KeepRatios
from prunebench.engine.selection.scorer import keep_ratios
from prunebench.errors import PruningError

if TYPE_CHECKING:
    from prunebench.engine.selection.ratios import Layers


@keep_ratios(
    "uniform",
    paper="Zhu & Gupta 2017, To prune, or not to prune; uniform+: Gale et al. 2019, The state of sparsity",
    notes=(
        "uniform+ is uniform(first_dense=true, last_min=0.2): what the first and the last layer keep beyond the "
        "others is taken from all others alike. First and last are meant in module order. A budget that would leave "
        "the other layers less than one weight each scales down what the two are granted, and the ticket says so. "
        "`random` with scope=layer is this method too; `within` ranks by another score."
    ),
)
def uniform(layers: Layers, density: float, *, first_dense: bool = False, last_min: float = 0.0) -> KeepRatios:
    """r_l = d in every layer, apart from what the first and the last layer are granted.

    Args:
        layers: the network's.
        density: d.
        first_dense: keep all of the first layer.
        last_min: least ratio of the last layer; it has that of the others where theirs is larger.

    Raises:
        PruningError: `last_min` is outside [0, 1].
    """
    if not 0 <= last_min <= 1:
        raise PruningError(f"uniform: last_min={last_min:g} is outside [0, 1]")
    first, last = layers[0], layers[-1]
    budget = density * layers.total
    granted = {first.name: 1.0} if first_dense else {}
    free = layers.total - (first.size if first_dense else 0)
    # One weight a layer, or its share of a budget that does not hold so many.
    least = min(1.0, budget / len(layers))
    if last_min and last.name not in granted and budget - (layers.total - free) < last_min * free:
        granted[last.name] = last_min
        free -= last.size
    sizes = {layer.name: layer.size for layer in layers}
    claim = sum(ratio * sizes[name] for name, ratio in granted.items())
    room = budget - least * (len(layers) - len(granted))
    notes: list[str] = []
    if claim > room:
        scale = room / claim
        granted = {name: ratio * scale for name, ratio in granted.items()}
        claim = room
        told = ", ".join(f"{name} keeps {ratio:.3g}" for name, ratio in granted.items())
        notes.append(f"density {density:g} cannot hold the layers that were granted more: scaled down, {told}")
    others = (budget - claim) / free if free else 0.0
    return KeepRatios({layer.name: granted.get(layer.name, others) for layer in layers}, tuple(notes))
