"""Smart ratios: random tickets by depth."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Literal

from prunebench.engine.selection.ratios import KeepRatios
from prunebench.engine.selection.scorer import keep_ratios
from prunebench.errors import PruningError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prunebench.engine.selection.ratios import Layer, Layers

Profile = Literal["quadratic", "linear", "cubic", "ascending", "uniform"]
Decay = Literal["auto", "none", "square"]

_PROFILES: Mapping[Profile, Callable[[int, int], float]] = {
    "quadratic": lambda _, left: left**2 + left,
    "linear": lambda _, left: left,
    "cubic": lambda _, left: left**3,
    "ascending": lambda place, _: place**2 + place,
    "uniform": lambda _place, _left: 1,
}
"""r_l of l and k = L − l + 1, up to a factor."""


@keep_ratios(
    "smart-ratio",
    paper="Su et al. 2020, Sanity-checking pruning methods: random tickets can win the jackpot",
    notes=(
        "l counts all layers but the classifier in module order, 1 × 1 shortcuts and hidden linear layers included, "
        "and the classifier is number L: 17 of VGG-19, 34 of a ResNet-32 with two projections. The classifier is the "
        "last linear layer; without one, all layers follow the profile. decay=square divides by l², as the authors' "
        "code does for every architecture that is not called resnet. decay=auto sees shapes only: it divides the "
        "quadratic profile where every layer takes what the one before puts out, as in VGG and MLPs, and the ticket "
        "says which it was; a ResNet without projections has such shapes too, so say decay=none there. The other "
        "profiles are the ablation's. What a layer cannot hold goes to the next, past the last to the first with "
        "room, and once all are dense to the classifier; the authors' code loses the last two. The classifier gives "
        "way where the others would be left less than one weight each, and the ticket says so. Public replications "
        "number L as 16, 19 or 33. `within=magnitude` on trained weights gives the masks of hybrid tickets."
    ),
)
def smart_ratio(
    layers: Layers, density: float, *, profile: Profile = "quadratic", decay: Decay = "auto", classifier: float = 0.3
) -> KeepRatios:
    """r_l ∝ (L − l + 1)² + (L − l + 1), with `decay` over l², for all layers but the classifier.

    Args:
        layers: the network's.
        density: d.
        profile: r_l with k = L − l + 1: `quadratic` k² + k, `linear` k, `cubic` k³, `ascending` l² + l, `uniform` 1.
        decay: whether r_l is divided by l².
        classifier: ratio of the last linear layer.

    Raises:
        PruningError: `classifier` is outside [0, 1].
    """
    if not 0 <= classifier <= 1:
        raise PruningError(f"smart-ratio: classifier={classifier:g} is outside [0, 1]")
    budget = density * layers.total
    head = next((layer for layer in reversed(layers) if layer.linear), None)
    others = [layer for layer in layers if layer is not head]
    notes: list[str] = []
    kept: dict[str, float] = {}
    if head is not None:
        claim = classifier * head.size
        # One weight for each of the others, or their share of a budget that does not hold so many.
        room = budget - min(1.0, budget / len(layers)) * len(others)
        if claim > room:
            claim = room
            notes.append(f"classifier keeps {claim / head.size:.3g} instead of {classifier:g}: density {density:g}")
        capacity = sum(layer.size for layer in others)
        if budget - claim > capacity:
            claim = budget - capacity
            notes.append(f"classifier keeps {claim / head.size:.3g} instead of {classifier:g}: all others are dense")
        kept[head.name] = claim
        budget -= claim
    divided = decay == "square" or (decay == "auto" and profile == "quadratic" and chained(layers))
    if decay == "auto" and profile == "quadratic":
        notes.append(f"decay=auto is decay={'square' if divided else 'none'} for these layers")
    count = len(layers)
    wanted = {
        layer.name: _PROFILES[profile](place, count - place + 1) / (place**2 if divided else 1) * layer.size
        for place, layer in enumerate(others, start=1)
    }
    kept |= _poured(others, wanted, budget)
    return KeepRatios({layer.name: kept[layer.name] / layer.size for layer in layers}, tuple(notes))


def chained(layers: Layers) -> bool:
    """Could every layer take what the one before puts out: as many inputs, or a multiple of it after flattening?

    A depthwise convolution has one input a group and may follow anything.
    """

    def follows(before: Layer, layer: Layer) -> bool:
        inputs = layer.shape[1] if len(layer.shape) > 1 else 1
        return inputs == before.shape[0] or (layer.linear and inputs % before.shape[0] == 0) or inputs == 1

    return all(follows(before, layer) for before, layer in pairwise(layers) if before.shape)


def _poured(layers: list[Layer], wanted: Mapping[str, float], budget: float) -> dict[str, float]:
    """Weights of each layer: its part of the budget, and what the layers before it could not hold."""
    total = sum(wanted.values())
    kept: dict[str, float] = {}
    over = 0.0
    for layer in layers:
        asked = budget * wanted[layer.name] / total + over
        kept[layer.name] = min(asked, float(layer.size))
        over = asked - kept[layer.name]
    for layer in layers:
        more = min(over, layer.size - kept[layer.name])
        kept[layer.name] += more
        over -= more
    return kept
