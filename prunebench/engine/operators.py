"""Which torch functions are what: the rules of the linearised network and of reachability read these tables."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

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
        torch.sigmoid, torch.sigmoid_, Tensor.sigmoid, Tensor.sigmoid_, F.sigmoid,
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

POSITIVE: _Functions = frozenset(
    {
        F.avg_pool1d, F.avg_pool2d, F.avg_pool3d,
        F.adaptive_avg_pool1d, F.adaptive_avg_pool2d, F.adaptive_avg_pool3d,
        F.interpolate, torch.mean, Tensor.mean, torch.sum, Tensor.sum,
        torch.flatten, Tensor.flatten, torch.unflatten, Tensor.unflatten, Tensor.view, Tensor.reshape, torch.reshape,
        Tensor.permute, torch.permute, Tensor.transpose, torch.transpose, Tensor.contiguous, Tensor.squeeze,
        torch.squeeze, Tensor.unsqueeze, torch.unsqueeze, Tensor.__getitem__, Tensor.expand, Tensor.chunk,
        torch.chunk, Tensor.split, torch.split, F.pixel_shuffle, F.pixel_unshuffle, F.unfold, Tensor.to, Tensor.float,
        Tensor.clone, torch.clone,
    }
)  # fmt: skip
"""Sums with non-negative coefficients: positive where any of their inputs is."""

JOINS: _Functions = frozenset({torch.cat, torch.concat, torch.concatenate, torch.stack})

ADDITIONS: _Functions = frozenset(
    {torch.add, Tensor.add, Tensor.add_, Tensor.__add__, Tensor.__radd__, Tensor.__iadd__}
    | {torch.sub, Tensor.sub, Tensor.sub_, Tensor.__sub__, Tensor.__rsub__, Tensor.__isub__}
)
"""Both operands reach the result, whatever the sign."""

SCALINGS: _Functions = frozenset(
    {torch.mul, Tensor.mul, Tensor.mul_, Tensor.__mul__, Tensor.__rmul__, Tensor.__imul__}
    | {torch.div, Tensor.div, Tensor.div_, Tensor.__truediv__, Tensor.__itruediv__}
)
"""Paths go through where one operand is no activation."""

IDENTITIES: _Functions = frozenset(
    {F.dropout, F.dropout1d, F.dropout2d, F.dropout3d, F.alpha_dropout, F.feature_alpha_dropout}
)
