"""Keep ratios: how many weights each layer keeps, decided before any weight is looked at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunebench.errors import PruningError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prunebench.engine.layout import Layout


@dataclass(frozen=True, slots=True)
class Layer:
    """What a rule of ratios knows of a layer: nothing but its shape."""

    name: str
    shape: tuple[int, ...]
    """Of the weight: outputs, inputs (per group), kernel."""

    @property
    def size(self) -> int:
        """Its weights, n_l."""
        return math.prod(self.shape)

    @property
    def linear(self) -> bool:
        """Without a kernel."""
        return len(self.shape) == 2


class Layers(tuple[Layer, ...]):
    """The prunable layers in forward order."""

    __slots__ = ()

    @classmethod
    def of(cls, layout: Layout) -> Layers:
        """Those of a flat view."""
        return cls(Layer(name, tuple(shape)) for name, shape in layout.shapes.items())

    @property
    def total(self) -> int:
        """N."""
        return sum(layer.size for layer in self)


@dataclass(frozen=True)
class KeepRatios:
    """Share of each layer's weights that is kept, in [0, 1]; Σ r_l·n_l is d·N."""

    by_layer: Mapping[str, float]
    notes: tuple[str, ...] = ()
    """What had to be done to meet the density."""


_SLACK = 1.0
"""Weights by which the ratios of all layers together may miss d·N: rules may round, the engine counts exactly."""


def quotas(rule: Callable[[Layers, float], KeepRatios | Mapping[str, float]], layout: Layout, density: float,
           name: str) -> tuple[dict[str, float], tuple[str, ...]]:  # fmt: skip
    """Weights r_l·n_l of every layer at a density, not yet whole, and the rule's notes.

    Raises:
        PruningError: a layer is missing or unknown, a ratio is outside [0, 1], or the sum is not d·N.
    """
    layers = Layers.of(layout)
    found = rule(layers, density)
    ratios = found if isinstance(found, KeepRatios) else KeepRatios(found)
    if not hasattr(ratios.by_layer, "keys"):
        raise PruningError(f"{name}: keep ratios are a mapping by layer, not {type(ratios.by_layer).__name__}")
    for unknown in ratios.by_layer.keys() - layout.shapes.keys():
        raise PruningError(f"{name}: a keep ratio for {unknown!r}, which is no prunable tensor")
    wanted: dict[str, float] = {}
    for layer in layers:
        if layer.name not in ratios.by_layer:
            raise PruningError(f"{name}: no keep ratio for layer {layer.name}")
        ratio = float(ratios.by_layer[layer.name])
        if not -1e-9 <= ratio <= 1 + 1e-9:
            raise PruningError(f"{name}: keep ratio {ratio:g} of layer {layer.name} is outside [0, 1]")
        wanted[layer.name] = min(max(ratio, 0.0), 1.0) * layer.size
    total, asked = sum(wanted.values()), density * layers.total
    if abs(total - asked) > _SLACK:
        raise PruningError(f"{name}: the keep ratios sum to {total:.1f} weights where the density asks for {asked:.1f}")
    return wanted, ratios.notes
