"""What the wiring alone says: shortest paths, layers that cut the network, bounds on compression."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import private_copy, prunable
from prunebench.engine.structure.attention import arguments
from prunebench.engine.structure.effective import Connectivity
from prunebench.engine.structure.operators import (
    ACTIVATIONS,
    ADDITIONS,
    BATCH_NORMS,
    CASTS,
    CONTRACTIONS,
    IDENTITIES,
    JOINS,
    PRODUCTS,
    QUOTIENTS,
    RESHAPES,
    operands_of,
)
from prunebench.errors import UnsupportedOperatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_ELEMENTWISE = ACTIVATIONS | BATCH_NORMS | IDENTITIES | CASTS | RESHAPES
_BINARY = ADDITIONS | PRODUCTS | QUOTIENTS
_ROWS = frozenset({F.linear, F.conv1d, F.conv2d, F.conv3d})
"""Contractions whose weight has a row for every output unit."""


@dataclass(frozen=True)
class _Path:
    """What is known of an activation."""

    layers: int
    """The fewest prunable layers on a path to it."""
    rows_of: frozenset[int] | None
    """Weights in which every element has rows that no other element depends on; None where that is not so."""
    elements: int


class _FewestLayers(TorchFunctionMode):
    """Carries a `_Path` with every activation, as an attribute of the tensor."""

    def __init__(self, weights: set[int]) -> None:
        """`weights` are the identities of the prunable tensors."""
        super().__init__()
        self._weights = weights
        self._applied: set[int] = set()

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        operands = operands_of((*args, *kwargs.values()))
        paths: list[_Path] = [v._path for v in operands if hasattr(v, "_path")]
        result = func(*args, **kwargs)
        if paths:
            layers = min(path.layers for path in paths) + self._passed(func, operands, args, kwargs)
            for tensor in operands_of(result if isinstance(result, tuple | list) else (result,)):
                rows_of = self._rows(func, operands, paths, tensor.numel())
                tensor._path = _Path(layers, rows_of, tensor.numel())  # type: ignore[attr-defined]
        return result

    def _passed(
        self, func: Callable[..., Any], operands: list[Tensor], args: tuple[Any, ...], kwargs: Mapping[str, Any]
    ) -> int:
        """Prunable layers on every way through a call; a weight that is applied again may serve a path twice."""
        weights = {id(v) for v in operands} & self._weights
        fresh = weights - self._applied
        if func in CONTRACTIONS:
            found = len(fresh)
        elif func is F.multi_head_attention_forward:
            # A way leads through one of the projections in, whatever their number, and through the projection out.
            out = {id(arguments(args, kwargs)["out_proj_weight"])}
            into = weights - out
            found = (bool(into) and into <= fresh) + (out <= fresh)
        else:
            return 0
        self._applied |= fresh
        return found

    def _rows(
        self, func: Callable[..., Any], operands: list[Tensor], paths: list[_Path], elements: int
    ) -> frozenset[int] | None:
        if func in _ROWS:
            weight = operands[1]
            own = id(weight) in self._weights and elements == weight.shape[0]
            return frozenset({id(weight)}) if own else None
        known = [path.rows_of for path in paths if path.rows_of is not None]
        united: frozenset[int] = frozenset().union(*known)
        if len(known) < len(paths) or len(united) < sum(map(len, known)):
            return None
        if func in JOINS:
            return united if len(paths) == len(operands) else None
        same = all(path.elements == elements for path in paths)
        return united if same and (func in _ELEMENTWISE or func in _BINARY) else None


def _traced(model: nn.Module, shape: tuple[int, ...]) -> _Path:
    source = torch.ones(1, *shape)
    source._path = _Path(0, None, source.numel())  # type: ignore[attr-defined]
    mode = _FewestLayers({id(w) for w in prunable(model).values()})
    with torch.no_grad(), torch.random.fork_rng(devices=[]), mode:
        output = model(source)
    if not isinstance(output, Tensor) or not hasattr(output, "_path"):
        raise UnsupportedOperatorError("the model does not return one tensor that depends on its input")
    found: _Path = output._path
    return found


def shortest_path(model: nn.Module, shape: tuple[int, ...]) -> int:
    """The fewest prunable layers on any path from input to output; identity shortcuts cost nothing.

    A weight that is applied several times counts where it is applied first.

    Raises:
        UnsupportedOperatorError: the model does not return one tensor that depends on its input.
    """
    return _traced(private_copy(model).eval().cpu(), shape).layers


def cut_layers(model: nn.Module, shape: tuple[int, ...]) -> frozenset[str]:
    """Layers without which no path leads from input to output: all of a chain, few of a residual network."""
    connectivity = Connectivity(model, shape)
    full = connectivity.full()
    without = {name: Masks({**full, name: torch.zeros_like(mask)}) for name, mask in full.items()}
    return frozenset(name for name, masks in without.items() if not connectivity.outputs(masks).any())


def fewest_weights(model: nn.Module, shape: tuple[int, ...]) -> dict[str, int]:
    """A count of kept weights below which each notion of collapse is certain.

    No mask with fewer weights avoids it. For unreached classes it is K weights of a last linear layer and one path to
    it, where each of the K outputs is a unit of that layer (or of several that are joined or summed); where the outputs
    are no such units (an identity shortcut ends in them, or a softmax mixes them), it is the weights of one path.

    A bound need not be reached where a slice takes part of an activation: paths are counted to activations as a whole.

    Raises:
        UnsupportedOperatorError: the model does not return one tensor that depends on its input.
    """
    model = private_copy(model).eval().cpu()
    whole = _traced(model, shape)
    layers, path = len(prunable(model)), max(1, whole.layers)
    # The shortest path has one of the last layers: what is cut off behind the first of them is a path as well.
    classes = path if whole.rows_of is None else path - 1 + whole.elements
    return {"dead_layer": layers, "dead_effective_layer": layers, "no_path": path, "classes_unreached": classes}
