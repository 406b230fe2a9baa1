"""How important weights, and channels with all that belongs to them, are to a network as it is now."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from prunebench.engine.prunable import prunable
from prunebench.engine.structure.coupling import FIXED, Coupling
from prunebench.engine.structure.filters import by_filter
from prunebench.engine.structure.operators import ACTIVATIONS
from prunebench.errors import InapplicableError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from prunebench.engine.layout import Index
    from prunebench.engine.structure.channels import Channels
    from prunebench.tasks.datasets.base import Split

Importance = Literal["l1", "l2", "ebn", "activations"]
"""Of channels."""

_TAIL = -2.0
"""Standard deviations of β below which |γ|φ + βΦ loses digits."""
_TERMS = 60
"""Of the continued fraction of the tail: its error is below exp(−2·|x|·√(2·terms)), 1e-19 at the least |x|."""


def of_weights(model: nn.Module) -> dict[str, Tensor]:
    """|w| of all prunable weights; the ℓ1 and ℓ2 norm of a single weight are the same."""
    return {name: weight.detach().abs() for name, weight in prunable(model).items()}


def of_channels(
    by: Importance, model: nn.Module, channels: Channels, groups: Iterable[str], shape: tuple[int, ...],
    batch: Callable[[], Split],
) -> dict[str, Tensor]:  # fmt: skip
    """The importance of every channel, by group, `[size]` float64: the sum over the members of its group.

    - `l1`, `l2`: norm of the filters that give the channel. Incoming weights only; no bias.
    - `ebn`: `expected_relu` of the BatchNorms of the channel. Where a shortcut is added before the activation, each
      BatchNorm is taken as if its own output were activated: the sum is not the mean of what the block puts out.
    - `activations`: mean |pre-activation| over a class-balanced batch and the map, in eval mode, with the weights as
      they are. The value is taken where the activation function reads it: after BatchNorm and shortcut. The paper's
      public code keeps a running average instead, 0.1 of every tenth training batch's sum, in train mode and over
      weights that move.

    Args:
        by: which.
        model: whose channels they are.
        channels: of that model.
        groups: names of the groups that are wanted.
        shape: of one input.
        batch: gives the class-balanced batch, where one is needed.

    Raises:
        InapplicableError: `ebn` of a group without BatchNorm's γ and β, `activations` of one that no activation reads.
    """
    if by == "ebn":
        return {name: _ebn(model, channels, name) for name in groups}
    if by == "activations":
        return _activations(model, channels, groups, shape, batch())
    return {name: _norms(model, channels, name, 1 if by == "l1" else 2) for name in groups}


def expected_relu(mean: Tensor, deviation: Tensor) -> Tensor:
    """E[max(0, M)] of M ~ N(β, γ²), float64: βΦ(β/|γ|) + |γ|φ(β/|γ|) (Bartoldson et al. 2020, appendix B).

    γ is the standard deviation, whatever its sign; γ = 0 gives max(0, β). With BatchNorm's β and γ this is E[BN], the
    mean of a ReLU on inputs that are standardised exactly: ε and running statistics depart from that a little.
    In the tail, where both terms nearly cancel, Laplace's continued fraction of the Mills ratio takes their place.

    Args:
        mean: β.
        deviation: γ, of the same shape.
    """
    beta, gamma = mean.detach().double(), deviation.detach().double().abs()
    flat = gamma == 0
    x = beta / torch.where(flat, 1.0, gamma)
    density = torch.exp(-x * x / 2) / math.sqrt(2 * math.pi)
    plain = gamma * density + beta * torch.special.ndtr(x)
    far = x.clamp(max=_TAIL).neg()
    rest = torch.zeros_like(far)
    for term in range(_TERMS, 0, -1):
        rest = term / (far + rest)
    # Φ(−t)/φ(t) = 1/(t + rest), so that φ(t) − tΦ(−t) = φ(t)·rest/(t + rest).
    tail = gamma * density * rest / (far + rest)
    return torch.where(flat, beta.clamp(min=0), torch.where(x < _TAIL, tail, plain))


def _norms(model: nn.Module, channels: Channels, group: str, power: int) -> Tensor:
    found = torch.zeros(channels.groups[group].size, dtype=torch.float64)
    weights = prunable(model)
    for layer, numbers in channels.groups[group].channels.items():
        rows: list[Tensor] = []

        def norm(values: Tensor, rows: list[Tensor] = rows) -> Tensor:
            rows.append(torch.linalg.vector_norm(values, power, dim=1))
            return values

        by_filter(norm, {layer: weights[layer].detach().double()}, model)
        _add(found, numbers, rows[0])
    return found


def _ebn(model: nn.Module, channels: Channels, group: str) -> Tensor:
    found = torch.zeros(channels.groups[group].size, dtype=torch.float64)
    norms = [(name, model.get_submodule(name)) for name in channels.groups[group].norms]
    kept = [(name, m) for name, m in norms if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.affine]
    if not kept:
        raise InapplicableError(f"importance=ebn needs BatchNorm with γ and β, and the channels of {group} have none")
    for name, norm in kept:
        _add(found, channels.channels_of(f"{name}.weight", group), expected_relu(norm.bias, norm.weight))
    return found


def _add(total: Tensor, numbers: Tensor, values: Tensor) -> None:
    """Add each value to the total of its number, those of −1 to none."""
    own = numbers >= 0
    total.index_add_(0, numbers[own], values.cpu()[own])


class _Read(Coupling):
    """Notes, call by call, which units' values an activation function is given."""

    def __init__(self, model: nn.Module, source: Tensor) -> None:
        super().__init__(model, source)
        self.read: list[Tensor | None] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in ACTIVATIONS:
            operand = _operand(args, kwargs)
            self.read.append(self._sets_of(operand)[0] if self.tracks(operand) else None)
        return super().__torch_function__(func, types, args, kwargs)

    def of_sets(self, sets: Tensor, classes: Index) -> Index:
        """The class of every set; all units of a set are of one."""
        found: Index = classes[[min((u for u in units if u >= 0), default=-1) for units in self._sets]]
        untied = [not any(u >= 0 for u in units) for units in self._sets]
        found[untied] = FIXED
        of_elements: Index = found[sets.long().numpy()]
        return of_elements


class _Sizes(TorchFunctionMode):
    """Mean absolute values over the batch of what activation functions are given, call by call."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Tensor] = []

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        if func in ACTIVATIONS:
            self.found.append(_operand(args, kwargs).detach().double().abs().mean(0).cpu())
        return func(*args, **(kwargs or {}))


def _operand(args: tuple[Any, ...], kwargs: Mapping[str, Any] | None) -> Tensor:
    found: Tensor = args[0] if args else (kwargs or {})["input"]
    return found


def _activations(
    model: nn.Module, channels: Channels, groups: Iterable[str], shape: tuple[int, ...], batch: Split
) -> dict[str, Tensor]:
    trace, classes = _Read.of(model, shape)
    sizes = _sizes(model, batch)
    found = {name: torch.zeros(channels.groups[name].size, dtype=torch.float64) for name in groups}
    read = dict.fromkeys(found, 0)
    assert isinstance(trace, _Read), "a class method makes its own class"
    for sets, size in zip(trace.read, sizes, strict=True):
        if sets is None:
            continue
        of = trace.of_sets(sets, classes).reshape(-1)
        for name, total in found.items():
            places = channels.places(name, of)
            own = places >= 0
            many = torch.bincount(places[own], minlength=len(total)).double()
            total.index_add_(0, places[own], size.reshape(-1)[own] / many[places[own]])
            read[name] += int(own.sum())
    for name, number in read.items():
        if not number:
            raise InapplicableError(f"importance=activations: no activation function reads the channels of {name}")
    return found


def _sizes(model: nn.Module, batch: Split) -> list[Tensor]:
    device = next(model.parameters()).device
    modes = {name: module.training for name, module in model.named_modules()}
    model.eval()
    seen = _Sizes()
    with torch.no_grad(), seen:
        model(batch.to(device).x)
    for name, module in model.named_modules():
        module.training = modes[name]
    return seen.found
