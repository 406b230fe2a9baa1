"""What the wiring alone says: shortest paths, layers that cut the network, bounds on compression."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from prunebench.engine.effective import Connectivity
from prunebench.engine.masks import Masks
from prunebench.engine.operators import CONTRACTIONS
from prunebench.engine.prunable import private_copy, prunable
from prunebench.errors import UnsupportedOperatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class _FewestLayers(TorchFunctionMode):
    """Carries with every activation the fewest prunable layers on a path to it, as an attribute of the tensor."""

    def __init__(self, weights: set[int]) -> None:
        super().__init__()
        self._weights = weights

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        operands = [*args, *kwargs.values()]
        operands += [v for group in operands if isinstance(group, tuple | list) for v in group]
        depths = [v._layers for v in operands if isinstance(v, Tensor) and hasattr(v, "_layers")]
        result = func(*args, **kwargs)
        if depths:
            own = func in CONTRACTIONS and any(id(v) in self._weights for v in operands)
            for tensor in result if isinstance(result, tuple | list) else (result,):
                if isinstance(tensor, Tensor):
                    tensor._layers = min(depths) + own  # type: ignore[attr-defined]
        return result


def shortest_path(model: nn.Module, shape: tuple[int, ...]) -> int:
    """The fewest prunable layers on any path from input to output; identity shortcuts cost nothing.

    Raises:
        UnsupportedOperatorError: the model does not return one tensor that depends on its input.
    """
    model = private_copy(model).eval().cpu()
    source = torch.ones(1, *shape)
    source._layers = 0  # type: ignore[attr-defined]
    with torch.no_grad(), _FewestLayers({id(w) for w in prunable(model).values()}):
        output = model(source)
    if not isinstance(output, Tensor) or not hasattr(output, "_layers"):
        raise UnsupportedOperatorError("the model does not return one tensor that depends on its input")
    return int(output._layers)


def cut_layers(model: nn.Module, shape: tuple[int, ...]) -> frozenset[str]:
    """Layers without which no path leads from input to output: all of a chain, few of a residual network."""
    connectivity = Connectivity(model, shape)
    full = connectivity.full()
    without = {name: Masks({**full, name: torch.zeros_like(mask)}) for name, mask in full.items()}
    return frozenset(name for name, masks in without.items() if not connectivity.outputs(masks).any())


def fewest_weights(layers: int, path: int, outputs: int) -> dict[str, int]:
    """The smallest count of kept weights that can avoid each notion of collapse.

    Args:
        layers: prunable layers, L.
        path: prunable layers on the shortest path.
        outputs: classes, K. All of them are reached by one path to the last layer and K weights in it.
    """
    return {
        "dead_layer": layers,
        "dead_effective_layer": layers,
        "no_path": path,
        "classes_unreached": path - 1 + outputs,
    }
