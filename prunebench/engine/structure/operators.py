"""Which torch functions are what: the rules of the linearised network and of reachability read these tables."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn import functional as F

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_Functions = frozenset[Any]

CONTRACTIONS: _Functions = frozenset(
    {
        F.linear,
        F.conv1d,
        F.conv2d,
        F.conv3d,
        F.conv_transpose1d,
        F.conv_transpose2d,
        F.conv_transpose3d,
    }
)
"""(input, weight, bias, …): linear in each."""

BATCH_NORMS: _Functions = frozenset({F.batch_norm})
"""(input, running mean, running variance, weight, bias, …); `torch.batch_norm` has another order."""

ACTIVATIONS: _Functions = frozenset(
    {
        F.relu, torch.relu, torch.relu_, Tensor.relu, Tensor.relu_, F.relu_, F.relu6, F.leaky_relu, F.leaky_relu_,
        F.gelu, F.silu, F.mish, F.elu, F.elu_, F.selu, torch.selu, torch.selu_, F.celu, torch.celu, torch.celu_,
        F.hardswish, F.hardtanh, F.hardtanh_, F.hardsigmoid, F.softplus, F.softsign, F.tanhshrink, F.logsigmoid,
        F.prelu, F.rrelu, torch.rrelu, torch.rrelu_, F.threshold, F.hardshrink, F.softshrink,
        torch.clamp, Tensor.clamp, Tensor.clamp_, torch.clamp_min, Tensor.clamp_min, Tensor.clamp_min_,
        torch.tanh, torch.tanh_, Tensor.tanh, Tensor.tanh_, F.tanh,
        torch.sigmoid, torch.sigmoid_, Tensor.sigmoid, Tensor.sigmoid_, F.sigmoid, torch.prelu, Tensor.prelu,
    }
)  # fmt: skip
"""Elementwise: an output position depends on its own input position."""

MAX_POOLS = {
    F.max_pool1d: F.avg_pool1d,
    F.max_pool2d: F.avg_pool2d,
    F.max_pool3d: F.avg_pool3d,
}
"""Max pooling, and the average pooling over the same windows."""

ADAPTIVE_MAX_POOLS = {
    F.adaptive_max_pool1d: F.adaptive_avg_pool1d,
    F.adaptive_max_pool2d: F.adaptive_avg_pool2d,
    F.adaptive_max_pool3d: F.adaptive_avg_pool3d,
}

RESHAPES: _Functions = frozenset(
    {
        torch.flatten, Tensor.flatten, torch.unflatten, Tensor.unflatten, Tensor.view, Tensor.view_as, Tensor.reshape,
        Tensor.reshape_as, torch.reshape, torch.ravel, Tensor.ravel, Tensor.permute, torch.permute,
        Tensor.transpose, torch.transpose, Tensor.swapaxes, torch.swapaxes, Tensor.swapdims, torch.swapdims,
        Tensor.movedim, torch.movedim, Tensor.t, torch.t, Tensor.T.__get__, Tensor.mT.__get__,  # type: ignore[attr-defined]
        Tensor.contiguous, Tensor.squeeze, torch.squeeze, Tensor.unsqueeze, torch.unsqueeze, Tensor.clone, torch.clone,
    }
)  # fmt: skip
"""Every element stays one element."""

POSITIVE: _Functions = frozenset(
    {
        F.avg_pool1d, F.avg_pool2d, F.avg_pool3d,
        F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d,
        F.interpolate, torch.mean, Tensor.mean, torch.sum, Tensor.sum,
        Tensor.__getitem__, Tensor.narrow, torch.narrow, Tensor.select, torch.select,
        Tensor.index_select, torch.index_select,
        Tensor.expand, Tensor.expand_as, Tensor.repeat, torch.tile, Tensor.repeat_interleave, torch.repeat_interleave,
        Tensor.flip, torch.flip, Tensor.roll, torch.roll, Tensor.unbind, torch.unbind, Tensor.chunk, torch.chunk,
        Tensor.split, torch.split, F.pixel_shuffle, F.pixel_unshuffle, F.channel_shuffle, torch.channel_shuffle,
        F.unfold, F.fold,
    }
    | RESHAPES
)  # fmt: skip
"""Sums with non-negative coefficients: positive where any of their inputs is. `F.interpolate` only in some modes."""

SIGNED_INTERPOLATION = frozenset({"bicubic"})
"""Modes of `F.interpolate` with negative coefficients."""

CASTS: _Functions = frozenset(
    {Tensor.to, Tensor.type, Tensor.type_as, Tensor.float, Tensor.double, Tensor.half, Tensor.bfloat16}
)

JOINS: _Functions = frozenset({torch.cat, torch.concat, torch.concatenate, torch.stack})

SUBTRACTIONS: dict[Any, Callable[..., Any]] = {
    torch.sub: torch.add,
    torch.subtract: torch.add,
    Tensor.sub: Tensor.add,
    Tensor.sub_: Tensor.add_,
    Tensor.__sub__: Tensor.__add__,
    Tensor.__rsub__: Tensor.__radd__,
    Tensor.__isub__: Tensor.__iadd__,
}
"""Subtraction, and the addition of the same form."""

ADDITIONS: _Functions = frozenset(
    {torch.add, Tensor.add, Tensor.add_, Tensor.__add__, Tensor.__radd__, Tensor.__iadd__} | set(SUBTRACTIONS)
)
"""Both operands reach the result, whatever the sign."""

PRODUCTS: _Functions = frozenset(
    {torch.mul, torch.multiply, Tensor.mul, Tensor.mul_, Tensor.__mul__, Tensor.__rmul__, Tensor.__imul__}
)

QUOTIENTS: _Functions = frozenset(
    {torch.div, torch.divide, torch.true_divide, Tensor.div, Tensor.div_, Tensor.__truediv__, Tensor.__itruediv__}
)

IDENTITIES: _Functions = frozenset(
    {F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout}
    | {torch.dropout, torch.alpha_dropout, torch.feature_dropout}
)

SOFTMAXES: _Functions = frozenset(
    {F.softmax, torch.softmax, Tensor.softmax, F.log_softmax, torch.log_softmax, Tensor.log_softmax, F.softmin}
)
"""(input, dim): every position depends on all along `dim`."""


def operands_of(args: Iterable[Any]) -> list[Tensor]:
    """Tensors among the arguments of a torch function, one level of lists and tuples included."""
    found: list[Tensor] = []
    for value in args:
        if isinstance(value, Tensor):
            found.append(value)
        elif isinstance(value, tuple | list):
            found += [v for v in value if isinstance(v, Tensor)]
    return found


def writes_in_place(func: Callable[..., Any]) -> bool:
    """Torch's naming rule: `add_`, but not `__add__`; `__iadd__` is rebound by the caller."""
    name = getattr(func, "__name__", "")
    return name.endswith("_") and not name.endswith("__")


def title(func: Callable[..., Any]) -> str:
    """What an error calls a torch function; `T` for the getter of `Tensor.T`."""
    name = getattr(func, "__name__", str(func))
    owner = getattr(func, "__self__", None)
    return str(getattr(owner, "__name__", name)) if name == "__get__" else name
