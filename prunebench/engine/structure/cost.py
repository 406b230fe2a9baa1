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


PASSES = 3
"""Forward passes that one with its backward pass counts as: gradients of inputs and of weights cost one each."""


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
    tally = Tally(model, shape)
    return tally.under(tally.full() if masks is None else masks)


@dataclass(frozen=True, slots=True)
class _Use:
    """One product with a weight, or with a view of it: each of the view's entries is applied at so many places."""

    layer: str
    shape: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int
    places: int

    def kept(self, mask: Tensor) -> int:
        """Kept weights in the view, given a mask in the weight's memory order."""
        return int(mask.as_strided(self.shape, self.stride, self.offset).sum())


class Tally:
    """Where one architecture applies which weights, found by one forward pass; any masks are then a sum."""

    def __init__(self, model: nn.Module, shape: tuple[int, ...]) -> None:
        """Watch a copy of the model, in eval mode, on one input of `shape`."""
        model = private_copy(model).eval().cpu().float().requires_grad_(False)
        self._weights = prunable(model)
        self._parameters = sum(p.numel() for p in model.parameters())
        counter = _Counter(self._weights)
        fast = torch.backends.mha.get_fastpath_enabled()
        torch.backends.mha.set_fastpath_enabled(False)  # one fused call hides the products of attention
        try:
            with torch.no_grad(), torch.random.fork_rng(devices=[]), counter:
                model(torch.ones(1, *shape))
        finally:
            torch.backends.mha.set_fastpath_enabled(fast)
        self._uses, self._others = counter.uses, counter.others

    def full(self) -> Masks:
        """Masks that keep everything."""
        return Masks.full(self._weights)

    def under(self, masks: Masks) -> Cost:
        """Cost under masks.

        Raises:
            PruningError: the masks are not those of this model.
        """
        check_alike(masks, self._weights)
        dense, kept = dict.fromkeys(self._weights, 0), dict.fromkeys(self._weights, 0)
        for layer, weight in self._weights.items():
            placed = torch.empty_strided(weight.shape, weight.stride(), dtype=torch.bool).copy_(masks[layer])
            for use in self._uses:
                if use.layer == layer:
                    dense[layer] += use.places * math.prod(use.shape)
                    kept[layer] += use.places * use.kept(placed)
        layers = {
            name: LayerCost(weight.numel(), int(masks[name].sum()), dense[name], kept[name])
            for name, weight in self._weights.items()
        }
        return Cost(
            parameters=self._parameters,
            prunable=masks.total(),
            kept=masks.kept(),
            macs=self._others + sum(layer.macs for layer in layers.values()),
            kept_macs=self._others + sum(layer.kept_macs for layer in layers.values()),
            layers=layers,
        )


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Sees the contractions that a forward pass comes down to, and knows a weight in any view by its storage."""

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._names = {weight.untyped_storage()._cdata: name for name, weight in weights.items()}
        self._weights = weights
        self.uses: list[_Use] = []
        self.others = 0

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        """Nothing here is ever compiled: torch need not import its compiler, which takes seconds."""
        return False

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        if count := _COUNTS.get(func.overloadpacket):
            self._note(*count(args, result))
        return result

    def _note(self, factors: tuple[Tensor, ...], macs: int) -> None:
        for factor in factors:
            name = self._names.get(factor.untyped_storage()._cdata)
            if name is not None:
                offset = factor.storage_offset() - self._weights[name].storage_offset()
                places = macs // factor.numel()
                self.uses.append(_Use(name, tuple(factor.shape), factor.stride(), int(offset), places))
                return
        self.others += macs


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
