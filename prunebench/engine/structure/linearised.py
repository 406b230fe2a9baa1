"""The linearised network: |θ|^p for θ, no activation functions, BatchNorm folded to its positive slope and shift.

The model itself is not rewritten. A torch function mode sees every call of its forward pass and replaces those that
are not linear and positive, so that any module can be linearised, with activations in modules or in functions. A call
on activations that has no rule is an error: a normalisation or an attention that passed through would make R a number
without meaning.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from prunebench.engine.masks import Masks
from prunebench.engine.prunable import one_device, prunable
from prunebench.engine.structure.effective import Connectivity
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
    SUBTRACTIONS,
    operands_of,
    title,
)
from prunebench.errors import PruningError, UnsupportedOperatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Power = Literal[1, 2]

_LEAST, _MOST = 1e-250, 1e250
"""Where float64 holds R with its gradients, which are of the size of R over a weight, and the activations before it."""

_SINGLE = 1e30
"""What float32 holds with room for a weight; R and 1/R."""


def synaptic_flow(model: nn.Module, shape: tuple[int, ...], *, power: Power = 1) -> Tensor:
    """R = sum of all outputs of the linearised network on one input of ones (Tanaka et al. 2020, eq. 2).

    Differentiable in the parameters: θ ⊙ ∂R/∂θ = p·|θ|^p ⊙ ∂R/∂|θ|^p. Biases take part. R is computed in float64, but
    gradients have the dtype of the parameters: where they could not hold them, R is divided by its own value. For
    selection, `flow_scores` is exact.

    Args:
        model: in the mode that decides what BatchNorm does.
        shape: of one input.
        power: 1 for |θ|; 2 for θ², SynFlow-L2 (Patil & Dovrolis 2021, PHEW).

    Raises:
        UnsupportedOperatorError: the forward pass uses an operator that cannot be linearised.
        PruningError: R leaves the range of float64, or BatchNorm in train mode sees a single value per channel.
    """
    flow = _flow(model, shape, power, _wide(model))
    if flow == 0 or 1 / _SINGLE < flow < _SINGLE:
        return flow
    return flow / flow.detach()


def flow_scores(model: nn.Module, shape: tuple[int, ...], *, power: Power = 1) -> dict[str, Tensor]:
    """θ ⊙ ∂R/∂θ of every prunable weight, in float64 from end to end; raises as `synaptic_flow` does.

    Single precision is not enough, even where R fits: scores of a large network lie so densely that rounding swaps
    some across the threshold.

    Raises:
        PruningError: also where a prunable layer takes no part in the output.
    """
    wide = _wide(model)
    weights = {name: wide[name].detach().requires_grad_() for name in prunable(model)}
    with torch.enable_grad():
        flow = _flow(model, shape, power, {**wide, **weights})
        gradients = torch.autograd.grad(flow, list(weights.values()), allow_unused=True)
    scores: dict[str, Tensor] = {}
    for (name, weight), gradient in zip(weights.items(), gradients, strict=True):
        if gradient is None:
            raise PruningError(f"layer {name} takes no part in the network's output, so it has no gradient")
        scores[name] = gradient * weight.detach()
    return scores


def _wide(model: nn.Module) -> dict[str, Tensor]:
    """Parameters and copies of the buffers in float64; on the CPU where the device has no float64."""
    device = one_device(model)
    target = torch.device("cpu") if device.type == "mps" else device
    state = {**dict(model.named_parameters()), **{name: b.clone() for name, b in model.named_buffers()}}
    return {
        name: value.to(target, torch.float64) if value.is_floating_point() else value.to(target)
        for name, value in state.items()
    }


def _flow(model: nn.Module, shape: tuple[int, ...], power: Power, wide: dict[str, Tensor]) -> Tensor:
    """R with parameters and buffers `wide`."""
    device = next(iter(wide.values())).device
    ones = torch.ones(1, *shape, device=device, dtype=torch.float64)
    # Models may write to their input: the mode knows the copy, which is no leaf of the graph.
    with Linearised(ones, power) as mode:
        output = torch.func.functional_call(model, wide, (ones,))
    if not isinstance(output, Tensor) or not mode.tracks(output):
        raise UnsupportedOperatorError("the model does not return one tensor that depends on its input")
    flow: Tensor = output.sum()
    value = float(flow.detach())
    if value == 0 and not _has_path(model, shape):
        return flow
    if not _LEAST < value < _MOST:
        raise PruningError(
            f"synaptic flow of {type(model).__name__} is {value:g}, outside the range of float64: "
            "the network is too deep for its weights, scale their initialisation"
        )
    return flow


def _has_path(model: nn.Module, shape: tuple[int, ...]) -> bool:
    """Does a path of non-zero weights lead to an output? Then a flow of zero is one that was lost to rounding."""
    masks = Masks({name: (weight != 0).cpu() for name, weight in prunable(model).items()})
    return bool(Connectivity(model, shape).outputs(masks).any())


class Linearised(TorchFunctionMode):
    """While active, forward passes from `source` compute the network with |θ|^p for θ, without activations.

    - In eval mode BatchNorm is the affine map s·x + t with s = γ/√(σ² + ε) and t = β − s·μ; here it is |s|^p·x + |t|^p.
      At initialisation (μ = β = 0) that is a multiplication. In train mode it stays nonlinear, with |γ|^p and |β|^p.
    - Fixed tensors that scale, shift or join activations count as parameters do, fixed numbers with their absolute
      value, and a difference is a sum.
    - Sums, pooling, concatenation and reshapes are positive as they are. The maximum of a window is not linear, but
      positively homogeneous, so that flow is conserved through it.
    - Dropout is left out. Products of activations, softmax, attention and normalisation by the input are refused.
    """

    def __init__(self, source: Tensor, power: Power = 1) -> None:
        """Follow the activations that are computed from `source`."""
        super().__init__()
        self._power = power
        self._tracked = {id(source): source}
        # Activations are known by identity; holding them keeps an identity from being used again.

    def tracks(self, value: Tensor) -> bool:
        """Is it an activation, that is, computed from the input?"""
        return id(value) in self._tracked

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        active = any(self.tracks(t) for t in operands_of((*args, *kwargs.values())))
        if not active and func not in CONTRACTIONS:
            return func(*args, **kwargs)
        args, kwargs = tuple(map(self._widened, args)), {k: self._widened(v) for k, v in kwargs.items()}
        if func in CONTRACTIONS:
            result: Any = self._contraction(func, *args, **kwargs)
        else:
            result = self._rule(func, args, kwargs)
        if active:
            for tensor in operands_of((result,)):
                self._tracked[id(tensor)] = tensor
        return result

    def _widened(self, value: Any) -> Any:
        """Constants that the forward pass makes, in the dtype of the activations."""
        if isinstance(value, Tensor):
            return value.double() if value.is_floating_point() and not self.tracks(value) else value
        return type(value)(map(self._widened, value)) if type(value) in (tuple, list) else value

    def _rule(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if func in ACTIVATIONS or func in IDENTITIES or func in CASTS:
            return args[0] if args else kwargs["input"]
        if func in BATCH_NORMS:
            return self._batch_norm(*args, **kwargs)
        if func in MAX_POOLS or func in ADAPTIVE_MAX_POOLS:
            return func(*args, **kwargs)
        if func is F.pad or func in ADDITIONS or func in JOINS or (func in POSITIVE and _positive(func, args, kwargs)):
            return self._positively(SUBTRACTIONS.get(func, func), args, kwargs)
        factors = [*args[:2], *(kwargs[k] for k in ("input", "other") if k in kwargs)]
        active = [isinstance(v, Tensor) and self.tracks(v) for v in factors]
        if (func in PRODUCTS and sum(active) == 1) or (func in QUOTIENTS and active == [True, False]):
            return self._positively(func, args, kwargs)
        result = func(*args, **kwargs)
        if result is None or operands_of((result,)):
            raise UnsupportedOperatorError(
                f"operator {title(func)!r} cannot be linearised: synaptic flow of this network is not defined"
            )
        return result

    def _positively(self, func: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """The function with every fixed tensor, coefficient and shift made positive."""
        if func in ADDITIONS or func in PRODUCTS or func in QUOTIENTS:
            return func(*map(self._magnitude, args), **{k: self._magnitude(v) for k, v in kwargs.items()})
        if func in JOINS:
            name = "tensors" if "tensors" in kwargs else None
            parts = [self._magnitude(t) for t in (kwargs.pop(name) if name else args[0])]
            return func(parts, *args[1:], **kwargs)
        if func is F.pad:
            return _padded(*args, **kwargs)
        return func(*args, **kwargs)

    def _magnitude(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            return value if self.tracks(value) or not value.is_floating_point() else self._raised(value)
        return abs(value) if isinstance(value, int | float) and not isinstance(value, bool) else value

    def _raised(self, value: Tensor) -> Tensor:
        """|θ|^p."""
        return value.abs() if self._power == 1 else value.square()

    def _contraction(
        self, func: Callable[..., Tensor], input: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any,
        **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        if self.tracks(weight) or (bias is not None and self.tracks(bias)):
            raise UnsupportedOperatorError(
                f"operator {title(func)!r} on a weight that depends on the input cannot be linearised"
            )
        return func(
            self._magnitude(input), self._raised(weight), None if bias is None else self._raised(bias), *args, **kwargs
        )

    def _batch_norm(
        self,
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
        if training or running_mean is None or running_var is None:
            if math.prod(input.shape) == input.shape[1]:
                raise PruningError(
                    "BatchNorm in train mode has one value per channel on a single input of ones: use mode=eval"
                )
            gamma, beta = (None if value is None else self._raised(value) for value in (weight, bias))
            return F.batch_norm(input, running_mean, running_var, gamma, beta, training, momentum, eps)
        slope = torch.rsqrt(running_var + eps)
        if weight is not None:
            slope = slope * weight
        shift = -slope * running_mean if bias is None else bias - slope * running_mean
        per_channel = (1, -1) + (1,) * (input.dim() - 2)
        return input * self._raised(slope).view(per_channel) + self._raised(shift).view(per_channel)


def _padded(input: Tensor, pad: Any, mode: str = "constant", value: float | None = None) -> Tensor:
    """A constant border of a negative value counts with its absolute value."""
    return F.pad(input, pad, mode, None if value is None else abs(value))


def _positive(func: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
    """Has this call non-negative coefficients only?"""
    if func is not F.interpolate:
        return True
    mode = kwargs.get("mode", args[3] if len(args) > 3 else "nearest")
    return mode not in SIGNED_INTERPOLATION
