"""The linearised network: |θ| for θ, no activation functions, BatchNorm folded to its positive slope and shift.

The model itself is not rewritten. A torch function mode sees every call of its forward pass and replaces those that
are not linear and positive, so that any module can be linearised, with activations in modules or in functions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from prunebench.engine.operators import ACTIVATIONS, BATCH_NORMS, CONTRACTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


class Linearised(TorchFunctionMode):
    """While active, forward passes compute the network with |θ| for every parameter, without activations.

    In eval mode BatchNorm is the affine map s·x + t with s = γ/√(σ² + ε) and t = β − s·μ; here it is |s|·x + |t|. At
    initialisation (μ = β = 0) that is a multiplication. In train mode it stays nonlinear, with |γ| and |β|. Pooling and
    residual sums are positive as they are.
    """

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Replace contractions, BatchNorm and activations; pass all else through."""
        kwargs = kwargs or {}
        if func in CONTRACTIONS:
            return _positive_contraction(func, *args, **kwargs)
        if func in BATCH_NORMS:
            return _positive_batch_norm(*args, **kwargs)
        if func in ACTIVATIONS:
            return args[0] if args else kwargs["input"]
        return func(*args, **kwargs)


_LEAST, _MOST = 1e-30, 1e30
"""Where float32 holds R and its gradients, which are of the size of R over a weight."""


def synaptic_flow(model: nn.Module, shape: tuple[int, ...]) -> Tensor:
    """R = sum of all outputs of the linearised network on one input of ones (Tanaka et al. 2020, eq. 2).

    Differentiable in the parameters: θ ⊙ ∂R/∂θ = |θ| ⊙ ∂R/∂|θ|. Biases take part, as |b|. R that leaves the range of
    float32, as that of ResNet-110 or of 50 layers does, is computed in float64 and divided by its own value.
    """
    reference = next(model.parameters())
    ones = torch.ones(1, *shape, device=reference.device, dtype=reference.dtype)
    with Linearised():
        flow: Tensor = model(ones).sum()
    if ones.dtype == torch.float64 or _LEAST < flow < _MOST:
        return flow
    state = {**dict(model.named_parameters()), **dict(model.named_buffers())}
    wide = {name: value.double() if value.is_floating_point() else value for name, value in state.items()}
    with Linearised():
        flow = torch.func.functional_call(model, wide, ones.double()).sum()
    return flow / flow.detach() if flow > 0 else flow


def _positive_contraction(
    func: Callable[..., Tensor], input: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kwargs: Any
) -> Tensor:
    return func(input, weight.abs(), None if bias is None else bias.abs(), *args, **kwargs)


def _positive_batch_norm(
    input: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
    *_: Any,
) -> Tensor:
    gamma = None if weight is None else weight.abs()
    beta = None if bias is None else bias.abs()
    if training or running_mean is None or running_var is None:
        return F.batch_norm(input, running_mean, running_var, gamma, beta, training, momentum, eps)
    slope = torch.rsqrt(running_var + eps)
    if gamma is not None:
        slope = slope * gamma
    signed = slope if weight is None else slope * weight.sign()
    shift = -signed * running_mean if bias is None else bias - signed * running_mean
    per_channel = (1, -1) + (1,) * (input.dim() - 2)
    return input * slope.view(per_channel) + shift.abs().view(per_channel)
