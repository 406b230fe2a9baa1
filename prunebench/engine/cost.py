"""What a network costs: parameters, and multiply-accumulates of one forward pass, dense and under masks.

A kept weight costs one multiply-accumulate (MAC) wherever it is applied: at every output position of a convolution,
zero padding included, at every input position of a transposed one, at every position of a sequence. So 2 × MAC of a
dense network is what `torch.utils.flop_counter` counts. Biases, normalisation, activations and pooling cost nothing.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from prunebench.engine.masks import Masks, check_alike
from prunebench.engine.prunable import private_copy, prunable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@dataclass(frozen=True, slots=True)
class LayerCost:
    """Weights and MACs of one prunable tensor."""

    weights: int
    kept: int
    macs: int
    """Of the dense layer, over all places where it is applied."""
    kept_macs: int


@dataclass(frozen=True, slots=True)
class Cost:
    """Parameters and MACs of a network on one input."""

    parameters: int
    """All, biases and normalisation included."""
    prunable: int
    kept: int
    macs: int
    """Of the dense network."""
    kept_macs: int
    """Under the masks; what no mask covers, such as the products of attention, counts in full."""
    layers: Mapping[str, LayerCost]

    def plain(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


def cost_of(model: nn.Module, shape: tuple[int, ...], masks: Masks | None = None) -> Cost:
    """Cost of one forward pass in eval mode, on one input of `shape`; masks of effective weights give effective MACs.

    Raises:
        PruningError: the masks are not those of this model.
    """
    model = private_copy(model).eval().cpu().float().requires_grad_(False)
    weights = prunable(model)
    masks = Masks.full(weights) if masks is None else masks
    check_alike(masks, weights)
    counter = _Counter(weights, masks)
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # one fused call hides the products of attention
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]), counter:
            model(torch.ones(1, *shape))
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
    layers = {
        name: LayerCost(weight.numel(), int(masks[name].sum()), *counter.by_layer[name])
        for name, weight in weights.items()
    }
    return Cost(
        parameters=sum(p.numel() for p in model.parameters()),
        prunable=masks.total(),
        kept=masks.kept(),
        macs=counter.others + sum(layer.macs for layer in layers.values()),
        kept_macs=counter.others + sum(layer.kept_macs for layer in layers.values()),
        layers=layers,
    )


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees the contractions that a forward pass comes down to, and knows a weight in any view by its storage."""

    def __init__(self, weights: Mapping[str, Tensor], masks: Masks) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._names = {weight.untyped_storage()._cdata: name for name, weight in weights.items()}
        self._weights = weights
        self._masks = masks
        self.by_layer = dict.fromkeys(weights, (0, 0))
        self.others = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if count := _COUNTS.get(func.overloadpacket):
            factors, macs = count(args, result)
            self._charge(factors, macs)
        return result

    def _charge(self, factors: tuple[Tensor, ...], macs: int) -> None:
        for factor in factors:
            name = self._names.get(factor.untyped_storage()._cdata)
            if name is not None:
                dense, kept = self.by_layer[name]
                share = self._mask_like(name, factor)
                self.by_layer[name] = dense + macs, kept + macs // share.numel() * int(share.sum())
                return
        self.others += macs

    def _mask_like(self, name: str, view: Tensor) -> Tensor:
        """The part of a mask that a view of its weight shows."""
        weight, mask = self._weights[name], self._masks[name]
        placed = torch.empty_strided(weight.shape, weight.stride(), dtype=torch.bool).copy_(mask)
        return placed.as_strided(view.shape, view.stride(), view.storage_offset() - weight.storage_offset())


_Count = tuple[tuple[Tensor, ...], int]
"""The factors that may be weights, and the MACs of their product."""


def _convolution(args: tuple[Any, ...], result: Tensor) -> _Count:
    """Every weight is applied at every position: of the output, or of the input where transposed."""
    input, weight, transposed = args[0], args[1], args[6]
    places = input if transposed else result
    return (weight,), places.shape[0] * math.prod(places.shape[2:]) * weight.numel()


def _product(first: int) -> Callable[[tuple[Any, ...], Tensor], _Count]:
    """`[…, n, k]` by `[…, k, m]`, which are the arguments from `first` on."""

    def count(args: tuple[Any, ...], result: Tensor) -> _Count:
        left, right = args[first : first + 2]
        return (right, left), result.numel() * left.shape[-1]

    return count


def _attention(args: tuple[Any, ...], _result: Any) -> _Count:
    """Queries `[…, l, d]` by keys `[…, s, d]`, and the weights `[…, l, s]` by values `[…, s, d_v]`."""
    query, key, value = args[:3]
    return (), math.prod(query.shape[:-1]) * key.shape[-2] * (query.shape[-1] + value.shape[-1])


_aten = torch.ops.aten
_COUNTS: dict[Any, Callable[[tuple[Any, ...], Any], _Count]] = {
    _aten.convolution: _convolution,
    _aten.mm: _product(0),
    _aten.bmm: _product(0),
    _aten.addmm: _product(1),
    _aten.baddbmm: _product(1),
    _aten._scaled_dot_product_flash_attention_for_cpu: _attention,
}
