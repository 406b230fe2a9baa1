"""A forward pass through virtual weights: calls with biases, BatchNorm and sums become others, see `instrumented`.

The network's own code is not rewritten. A torch function mode sees every call of its forward pass, as in `linearised`,
and makes others of those; a mode around it sees the calls that it makes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, Protocol

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode

from prunebench.engine.structure.operators import (
    ADDITIONS,
    BATCH_NORMS,
    CONTRACTIONS,
    operands_of,
    title,
    writes_in_place,
)
from prunebench.errors import UnsupportedOperatorError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Kind = Literal["bias", "folded", "affine", "sum"]
"""Of a place in the forward pass: a layer's bias, BatchNorm as a slope and a shift, its γ and β, a sum's operands."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """One virtual weight of a place."""

    value: Callable[[], Tensor]
    """`[channels]`."""
    own: Tensor | None = None
    """The parameter that it stands for."""
    shift: bool = False
    """Is it a bias, and not a factor?"""


class Modules(Protocol):
    """Where the modules of virtual weights come from."""

    def folds(self, possible: bool) -> bool:
        """Is the next place a BatchNorm that is to be a slope and a shift? It is `possible` with running statistics."""
        ...

    def at(self, kind: Kind, wanted: Sequence[Wanted | None]) -> list[nn.Module | None]:
        """The next place's."""
        ...


class Rewired(TorchFunctionMode):
    """While active, a forward pass from `source` goes through virtual weights."""

    def __init__(self, source: Tensor, modules: Modules) -> None:
        """Follow the activations that are computed from `source`."""
        super().__init__()
        self._modules = modules
        # Activations are known by identity; holding them keeps an identity from being used again.
        self._tracked = {id(source): source}
        self._instead: dict[int, Tensor] = {}
        """What an activation is after a sum that was to be written to it."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        args, kwargs = tuple(map(self.now, args)), {key: self.now(value) for key, value in (kwargs or {}).items()}
        given = [self._tracks(value) for value in operands_of((*args, *kwargs.values()))]
        if not any(given):
            return func(*args, **kwargs)
        if func in CONTRACTIONS:
            result: Any = self._contraction(func, *args, **kwargs)
        elif func in BATCH_NORMS:
            result = self._batch_norm(*args, **kwargs)
        elif func in ADDITIONS and sum(given) == 2:
            result = self._sum(func, *args, **kwargs)
        else:
            result = func(*args, **kwargs)
        for tensor in operands_of((result,)):
            self._tracked[id(tensor)] = tensor
        return result

    def now(self, value: Any) -> Any:
        """An argument with the sums that were to be written to it."""
        if type(value) in (tuple, list):
            return type(value)(map(self.now, value))
        while isinstance(value, Tensor) and id(value) in self._instead:
            value = self._instead[id(value)]
        return value

    def _tracks(self, value: Tensor) -> bool:
        return id(value) in self._tracked

    def _contraction(
        self, func: Callable[..., Tensor], input: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any,
        **kwargs: Any,
    ) -> Tensor:  # fmt: skip
        result = func(input, weight, None, *args, **kwargs)
        if bias is None:
            return result
        (module,) = self._modules.at("bias", [Wanted(lambda: bias, bias, shift=True)])
        return result + _shift(module, result, -1 if func is F.linear else 1)

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
    ) -> Tensor:
        if self._modules.folds(not training and running_mean is not None):
            assert running_mean is not None
            assert running_var is not None
            mean, variance = running_mean, running_var

            def slope() -> Tensor:
                return torch.rsqrt(variance + eps) * (1 if weight is None else weight)

            def rest() -> Tensor:
                return -mean * slope() + (0 if bias is None else bias)

            own = variance if weight is None else weight, mean if bias is None else bias
            wanted: list[Wanted | None] = [Wanted(slope, own[0]), Wanted(rest, own[1], shift=True)]
            scale, shift = self._modules.at("folded", wanted)
            result = _scaled(scale, input)
            return result + _shift(shift, result)
        result = F.batch_norm(input, running_mean, running_var, None, None, training, momentum, eps)
        wanted = [None, None]
        if weight is not None:
            wanted[0] = Wanted(lambda: weight, weight)
        if bias is not None:
            wanted[1] = Wanted(lambda: bias, bias, shift=True)
        scale, shift = self._modules.at("affine", wanted)
        result = result if scale is None else _scaled(scale, result)
        return result if shift is None else result + _shift(shift, result)

    def _sum(self, func: Callable[..., Tensor], input: Tensor, other: Tensor, **kwargs: Any) -> Tensor:
        if "out" in kwargs or (writes_in_place(func) and input._is_view()):
            raise UnsupportedOperatorError(f"{title(func)!r} writes a sum into a view: its operands cannot be counted")
        if min(input.dim(), other.dim()) < 2:
            raise UnsupportedOperatorError("a sum of activations without channels: its operands cannot be counted")
        first, second = self._modules.at("sum", [Wanted(partial(_ones, operand)) for operand in (input, other)])
        result = _OUT_OF_PLACE.get(func, func)(_scaled(first, input), _scaled(second, other), **kwargs)
        if func in _OUT_OF_PLACE:
            # The operand is needed for the derivative by its weight, so that it cannot be written to.
            self._instead[id(input)] = result
        return result


_OUT_OF_PLACE: Mapping[Any, Callable[..., Tensor]] = {
    Tensor.add_: torch.add, Tensor.sub_: torch.sub, Tensor.__iadd__: torch.add, Tensor.__isub__: torch.sub
}  # fmt: skip


def _ones(like: Tensor) -> Tensor:
    """`[channels]`."""
    return torch.ones(like.shape[1], dtype=like.dtype, device=like.device)


def _scaled(module: nn.Module | None, value: Tensor) -> Tensor:
    """`[n, channels, …]` times the weight of each channel."""
    assert module is not None
    scaled: Tensor = module(value.reshape(*value.shape[:2], -1))
    return scaled.reshape(value.shape)


def _shift(module: nn.Module | None, like: Tensor, axis: int = 1) -> Tensor:
    """The bias of each channel along `axis`, at every position of an activation.

    The constant 1 is cut from a join with the activation, so that modes that follow activations see one.
    """
    assert module is not None
    part = like.narrow(axis, 0, 1)
    one = torch.cat([part, torch.ones(part.shape, dtype=like.dtype, device=like.device)], axis).narrow(axis, 1, 1)
    shifted: Tensor = module(one.movedim(axis, -1))
    return shifted.movedim(-1, axis)
