"""Weights that stay zero in a training loop that knows nothing of masks."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch.utils.hooks import RemovableHandle


class Holding:
    """Masks at work on a network; `remove`, or the end of a `with`, lets its weights go.

    A pruned weight is zero, and so is its gradient whenever a backward pass has added to it. Zero weights with zero
    gradients stay zero where the step is made of gradients, earlier gradients and the weight itself, value by value or
    in linear combinations: SGD with momentum and any weight decay, Adam and its kin, RMSprop, Adagrad, L-BFGS.

    With the optimiser, what it already knows of pruned weights becomes zero as well, and they are set to zero once
    more after each of its steps, whatever it does in them.
    """

    def __init__(
        self, model: nn.Module, masks: Mapping[str, Tensor], optimiser: torch.optim.Optimizer | None = None
    ) -> None:
        """Zero a model's parameters where the mask of their name is False, and keep them so."""
        self._pruned = _gone(model, masks)
        self._handles: list[RemovableHandle] = []
        _zero(self._pruned)
        for parameter, gone in self._pruned:
            if parameter.grad is not None:
                parameter.grad.masked_fill_(gone.to(parameter.grad.device), 0)
            # A hook needs a gradient; it stays while a frozen weight is thawed.
            frozen = not parameter.requires_grad
            if frozen:
                parameter.requires_grad_(True)
            hook = parameter.register_post_accumulate_grad_hook(partial(_without, gone))  # type: ignore[no-untyped-call]
            self._handles.append(hook)
            if frozen:
                parameter.requires_grad_(False)
        if optimiser is not None:
            self._forget(optimiser)
            self._handles.append(optimiser.register_step_post_hook(self._after_step))

    def remove(self) -> None:
        """Let the weights go: they are zero now, and what comes next may change them."""
        for handle in self._handles:
            handle.remove()

    def __enter__(self) -> Holding:
        return self

    def __exit__(self, *exception: object) -> None:
        self.remove()

    def _forget(self, optimiser: torch.optim.Optimizer) -> None:
        """Zero what an optimiser keeps value by value; what it keeps of the network as a whole starts anew."""
        if not self._pruned:
            return
        if isinstance(optimiser, torch.optim.LBFGS):
            optimiser.state.clear()
        for parameter, gone in self._pruned:
            for value in optimiser.state.get(parameter, {}).values():
                if isinstance(value, Tensor) and value.shape == parameter.shape:
                    value.masked_fill_(gone.to(value.device), 0)

    def _after_step(self, optimiser: torch.optim.Optimizer, arguments: tuple[Any, ...], named: dict[str, Any]) -> None:
        del optimiser, arguments, named
        _zero(self._pruned)


def zero(model: nn.Module, masks: Mapping[str, Tensor]) -> None:
    """Set a model's parameters to zero where the mask of their name is False."""
    _zero(_gone(model, masks))


def _gone(model: nn.Module, masks: Mapping[str, Tensor]) -> list[tuple[nn.Parameter, Tensor]]:
    """The parameters that lose something, each with what it loses."""
    # A tied weight has all of its names: the prunable one need not be the first.
    parameters = dict(model.named_parameters(remove_duplicate=False))
    return [(parameters[name], (~mask).to(parameters[name].device)) for name, mask in masks.items() if not mask.all()]


def _zero(pruned: list[tuple[nn.Parameter, Tensor]]) -> None:
    with torch.no_grad():
        for parameter, gone in pruned:
            parameter.masked_fill_(gone.to(parameter.device), 0)


def _without(gone: Tensor, parameter: Tensor) -> None:
    if parameter.grad is not None:
        parameter.grad.masked_fill_(gone.to(parameter.grad.device), 0)
