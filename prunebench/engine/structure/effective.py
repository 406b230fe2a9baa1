"""Effective weights: kept weights on some path from input to output through kept weights, exact by position.

A boolean map over channels and positions goes through the network's own forward pass with the weights replaced by
their masks: through true padding, stride, dilation, groups, pooling, residual sums and reshapes. Its backward pass
finds what reaches an output. Every value is clamped to 0 or 1 after every operation, so that no depth overflows and
each sum of non-negative terms is exact in its sign. Biases feed no path (Vysogorets & Kempe 2023).

What has no weights passes paths by its wiring, whatever the values:

- activations and BatchNorm pass their own position;
- a sum, a difference or a product passes the paths of each operand: a gate reaches what it gates;
- layer, group, instance and RMS norm and softmax pass from any position to any other that they normalise together;
- attention passes from its query's position and from every key's and value's, within a head.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from prunebench.engine.masks import Masks, check_alike
from prunebench.engine.prunable import private_copy, prunable
from prunebench.engine.structure.attention import arguments, multi_head, scaled_dot_product
from prunebench.engine.structure.operators import (
    ACTIVATIONS,
    ADAPTIVE_MAX_POOLS,
    ADDITIONS,
    BATCH_NORMS,
    CASTS,
    CONTRACTIONS,
    IDENTITIES,
    JOINS,
    MAX_POOLS,
    POSITIVE,
    PRODUCTS,
    QUOTIENTS,
    SIGNED_INTERPOLATION,
    SOFTMAXES,
    operands_of,
    title,
    writes_in_place,
)
from prunebench.errors import UnsupportedOperatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence


class Connectivity:
    """Reachability questions about one network under many masks."""

    def __init__(self, model: nn.Module, shape: tuple[int, ...]) -> None:
        """Copy a model that takes inputs of `shape`, the batch left out; its values do not matter."""
        self._model = private_copy(model).eval().cpu().requires_grad_(False)
        self._weights = prunable(self._model)
        self._shape = shape

    def full(self) -> Masks:
        """Masks of this network that keep everything."""
        return Masks.full(self._weights)

    def outputs(self, masks: Masks) -> Tensor:
        """Boolean, one per output (or output position): does a path of kept weights lead there?

        Raises:
            UnsupportedOperatorError: the forward pass uses an operator without a rule.
            PruningError: the masks are not those of this model.
        """
        with torch.no_grad():
            return self._forward(masks, gradients=False)[0].flatten() > 0

    def effective(self, masks: Masks) -> tuple[Masks, Tensor]:
        """The kept weights that lie on a path, and the outputs as `outputs` gives them.

        Raises:
            UnsupportedOperatorError: the forward pass uses an operator without a rule.
            PruningError: the masks are not those of this model.
        """
        with torch.enable_grad():
            reached, leaves = self._forward(masks, gradients=True)
            gradients = torch.autograd.grad(reached.sum(), list(leaves.values()), allow_unused=True)
        found = {
            name: mask & (gradient > 0) if gradient is not None else torch.zeros_like(mask)
            for (name, mask), gradient in zip(masks.items(), gradients, strict=True)
        }
        return Masks(found), reached.detach().flatten() > 0

    def _forward(self, masks: Masks, *, gradients: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """Reached outputs, and the leaf that stood for each mask."""
        check_alike(masks, self._weights)
        leaves = {name: masks[name].float().requires_grad_(gradients) for name in masks}
        by_weight = {id(weight): leaves[name] for name, weight in self._weights.items()}
        ones = torch.ones(1, *self._shape, requires_grad=gradients).clone()  # no leaf: models may write to their input
        with torch.random.fork_rng(devices=[]), _Reachability(by_weight, ones) as reachability:
            output = self._model(ones)
        if not isinstance(output, Tensor) or not reachability.tracks(output):
            raise UnsupportedOperatorError("the model does not return one tensor that depends on its input")
        return output, leaves


class _Clamp(torch.autograd.Function):
    """1 where positive; backward, 1 where positive and some reached path continues."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        reached = value > 0
        ctx.save_for_backward(reached)
        return reached.to(torch.float32)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        reached: Tensor = ctx.saved_tensors[0]
        return ((gradients[0] > 0) & reached).to(torch.float32)


class _Reachability(TorchFunctionMode):
    """Replaces every operation on activations by its reachability rule."""

    def __init__(self, masks: Mapping[int, Tensor], source: Tensor) -> None:
        super().__init__()
        self._masks = masks
        self._tracked = {id(source): source}
        # Activations are known by identity; holding them keeps an identity from being used again.

    def tracks(self, value: Tensor) -> bool:
        """Is it an activation, that is, computed from the input?"""
        return id(value) in self._tracked

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        given = operands_of((*args, *kwargs.values()))
        operands = [t for t in given if self.tracks(t)]
        if not operands:
            result = func(*args, **kwargs)
            if func not in CONTRACTIONS and any(id(t) in self._masks for t in given) and operands_of((result,)):
                raise _unsupported(func, " on a prunable weight")
            return result
        result = self._rule(func, args, kwargs, operands)
        if writes_in_place(func) and result is not args[0]:
            result = args[0].copy_(result)
        for tensor in operands_of((result,)):
            self._tracked[id(tensor)] = tensor
        return result

    def _rule(
        self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], operands: list[Tensor]
    ) -> Any:
        if func in CONTRACTIONS:
            return self._contraction(func, *args, **kwargs)
        if func in ACTIVATIONS or func in BATCH_NORMS or func in IDENTITIES or func in CASTS:
            return args[0] if args else kwargs["input"]
        if func in MAX_POOLS:
            return _clamped(_pooled(func, *args, **kwargs))
        if func in ADAPTIVE_MAX_POOLS:
            return _clamped(_adaptively_pooled(func, *args, **kwargs))
        if func is F.pad:
            return _clamped(_padded(*args, **kwargs))
        if func is F.interpolate:
            return _clamped(_resized(*args, **kwargs))
        if func in JOINS:
            return _clamped(self._joined(func, *args, **kwargs))
        if func in POSITIVE:
            return _clamped(func(*args, **kwargs))
        if func in ADDITIONS or func in PRODUCTS or (func in QUOTIENTS and len(operands) == 1):
            # Broadcast as the operation would; operands that are no activation reach nothing.
            given = operands_of((*args, *kwargs.values()))
            shape = torch.broadcast_shapes(*(t.shape for t in given))  # type: ignore[no-untyped-call]
            return _clamped(sum(t.expand(shape) for t in operands))
        if func in NORMALISATIONS or func in SOFTMAXES:
            rule: Callable[..., Tensor] = NORMALISATIONS.get(func, _along)
            return _clamped(rule(*args, **kwargs))
        if func is F.multi_head_attention_forward:
            return multi_head(self._mask_of, _clamped, arguments(args, kwargs))
        if func is F.scaled_dot_product_attention:
            return _clamped(scaled_dot_product(*args, **kwargs))
        result = func(*args, **kwargs)
        if result is None or operands_of((result,)):
            raise _unsupported(func)
        return result

    def _mask_of(self, weight: Tensor) -> Tensor:
        """The mask of a prunable weight; ones for any other."""
        mask = self._masks.get(id(weight))
        return torch.ones_like(weight, dtype=torch.float32) if mask is None else mask

    def _contraction(
        self, func: Callable[..., Tensor], input: Tensor, weight: Tensor, _bias: Tensor | None = None, *args: Any,
        **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        kwargs.pop("bias", None)
        if not self.tracks(input) or self.tracks(weight):
            raise _unsupported(func, " on a weight that depends on the input")
        reached: Tensor = _clamped(func(input, self._mask_of(weight), None, *args, **kwargs))
        return reached

    def _joined(self, func: Callable[..., Tensor], tensors: Sequence[Tensor], *args: Any, **kwargs: Any) -> Tensor:
        """Concatenated or stacked; operands that are no activation reach nothing."""
        return func([t if self.tracks(t) else torch.zeros_like(t) for t in tensors], *args, **kwargs)


def _unsupported(func: Callable[..., Any], where: str = "") -> UnsupportedOperatorError:
    return UnsupportedOperatorError(
        f"no reachability rule for operator {title(func)!r}{where}: effective density is unknown"
    )


def _clamped(value: Any) -> Any:
    if isinstance(value, Tensor):
        return _Clamp.apply(value)
    if isinstance(value, tuple | list):
        return type(value)(_clamped(v) for v in value)
    return value


def _pooled(
    func: Callable[..., Any],
    input: Tensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Tensor:
    """Average over max pooling's windows: positive where any position of the window is."""
    dilated = dilation != 1 and any(d != 1 for d in (dilation if isinstance(dilation, tuple) else (dilation,)))
    if dilated or return_indices:
        raise UnsupportedOperatorError("no reachability rule for max pooling with dilation or indices")
    return MAX_POOLS[func](input, kernel_size, stride, padding, ceil_mode)


def _adaptively_pooled(
    func: Callable[..., Any], input: Tensor, output_size: Any, return_indices: bool = False
) -> Tensor:
    if return_indices:
        raise UnsupportedOperatorError("no reachability rule for max pooling with dilation or indices")
    return ADAPTIVE_MAX_POOLS[func](input, output_size)


def _padded(input: Tensor, pad: Sequence[int], mode: str = "constant", _value: float | None = None, **_: Any) -> Tensor:
    """A constant border reaches nothing, whatever its value."""
    return F.pad(input, pad, mode)


def _resized(
    input: Tensor, size: Any = None, scale_factor: Any = None, mode: str = "nearest", *args: Any, **kwargs: Any
) -> Tensor:
    if mode in SIGNED_INTERPOLATION:
        raise UnsupportedOperatorError(f"no reachability rule for interpolation of mode {mode!r}")
    return F.interpolate(input, size, scale_factor, mode, *args, **kwargs)


def _along(input: Tensor, dim: int | None = None, *_: Any, **__: Any) -> Tensor:
    """Softmax: every position from all along one dimension."""
    if dim is None:
        raise UnsupportedOperatorError("no reachability rule for a softmax over no given dimension")
    return input.sum(dim, keepdim=True).expand_as(input)


def _layer_norm(input: Tensor, normalized_shape: Sequence[int], *_: Any, **__: Any) -> Tensor:
    return input.sum(tuple(range(-len(normalized_shape), 0)), keepdim=True).expand_as(input)


def _group_norm(input: Tensor, num_groups: int, *_: Any, **__: Any) -> Tensor:
    grouped = input.reshape(input.shape[0], num_groups, -1)
    return grouped.sum(-1, keepdim=True).expand_as(grouped).reshape(input.shape)


def _instance_norm(input: Tensor, *args: Any, **kwargs: Any) -> Tensor:
    if not kwargs.get("use_input_stats", args[4] if len(args) > 4 else True):
        return input
    return input.sum(tuple(range(2, input.dim())), keepdim=True).expand_as(input)


def _unit_norm(input: Tensor, _p: float = 2.0, dim: int = 1, *_: Any, **__: Any) -> Tensor:
    return input.sum(dim, keepdim=True).expand_as(input)


NORMALISATIONS: dict[Callable[..., Any], Callable[..., Tensor]] = {
    F.layer_norm: _layer_norm,
    F.rms_norm: _layer_norm,
    F.group_norm: _group_norm,
    F.instance_norm: _instance_norm,
    F.normalize: _unit_norm,
}
"""Normalisations by their own input, and what reaches each position of their output."""
