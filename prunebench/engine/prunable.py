"""Which tensors a method may prune."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from prunebench.errors import PruningError

if TYPE_CHECKING:
    from collections.abc import Iterator

_LAYERS = (
    nn.Linear,
    nn.Conv1d,
    nn.Conv2d,
    nn.Conv3d,
    nn.ConvTranspose1d,
    nn.ConvTranspose2d,
    nn.ConvTranspose3d,
)

_UNCOUNTED = (nn.RNNBase, nn.RNNCellBase, nn.Bilinear)
"""Layers whose matrices would silently stay out of every density."""

DECLARATION = "prunable_weights"
"""Attribute of a module: names of its own parameters that may be pruned, whatever the type; `()` for none."""


def prunable(model: nn.Module) -> dict[str, Tensor]:
    """Weights that may be pruned, by name in module order; a tied weight counts once, under its first name.

    These are the weights of `Linear`, `Conv*d` and `ConvTranspose*d`, grouped and depthwise ones included, the
    projections of `MultiheadAttention`, and what a module declares:

        class Mixer(nn.Module):
            prunable_weights = ("matrix",)

    First layer, classifier and 1 × 1 shortcuts count. Biases, embeddings, normalisation and other bare parameters are
    neither pruned nor counted.

    Raises:
        PruningError: the model has none, or one that is not initialised yet, not a real floating-point tensor or
            computed from other tensors; a recurrent or bilinear layer that declares nothing.
    """
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        for own in _weights(prefix, module):
            name = f"{prefix}.{own}" if prefix else own
            weight = getattr(module, own, None)
            if not isinstance(weight, nn.Parameter):
                raise PruningError(f"layer {name} is no parameter: make weight norm or torch pruning permanent")
            if id(weight) in seen:
                continue
            if nn.parameter.is_lazy(weight):
                raise PruningError(f"layer {name} is lazy and not initialised: run one batch through the model first")
            if not weight.is_floating_point():
                raise PruningError(f"layer {name} is {weight.dtype}: only real floating-point weights can be pruned")
            seen.add(id(weight))
            found[name] = weight
    if not found:
        raise PruningError(f"{type(model).__name__} has no prunable weights: no Linear or Conv layer")
    return found


def _weights(prefix: str, module: nn.Module) -> Iterator[str]:
    """Names of the module's own prunable parameters."""
    declared = getattr(module, DECLARATION, None)
    if declared is not None:
        if isinstance(declared, str) or not all(isinstance(name, str) for name in declared):
            raise PruningError(f"{type(module).__name__}.{DECLARATION} is a tuple of parameter names, not {declared!r}")
        yield from declared
    elif isinstance(module, _LAYERS):
        yield "weight"
    elif isinstance(module, nn.MultiheadAttention):
        packed = module.in_proj_weight is not None
        yield from ("in_proj_weight",) if packed else ("q_proj_weight", "k_proj_weight", "v_proj_weight")
    elif isinstance(module, _UNCOUNTED):
        raise PruningError(
            f"layer {prefix or type(module).__name__} is {type(module).__name__}, whose weights are not prunable: "
            f"set its {DECLARATION} to () to leave it out of all counts"
        )


def one_device(model: nn.Module) -> torch.device:
    """The device of all parameters and buffers.

    Raises:
        PruningError: they are on several, or have no values.
    """
    found = {tensor.device for tensors in (model.parameters(), model.buffers()) for tensor in tensors}
    if len(found) != 1:
        names = ", ".join(sorted(map(str, found))) or "none"
        raise PruningError(f"{type(model).__name__} is on several devices ({names}): move it to one")
    device = found.pop()
    if device.type == "meta":
        raise PruningError(f"{type(model).__name__} is on the meta device and has no values: initialise it first")
    return device


def one_dtype(model: nn.Module) -> torch.dtype:
    """The dtype of all prunable weights, float32 or float64, for methods that pass data through the network.

    Raises:
        PruningError: half precision, or several dtypes.
    """
    found = {weight.dtype for weight in prunable(model).values()}
    if len(found) == 1 and (dtype := found.pop()) in (torch.float32, torch.float64):
        return dtype
    raise PruningError(f"{type(model).__name__} is not in single or double precision throughout: use model.float()")


def private_copy(model: nn.Module) -> nn.Module:
    """A deep copy that can be changed freely.

    Raises:
        PruningError: the model holds something that cannot be copied.
    """
    try:
        return copy.deepcopy(model)
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        raise PruningError(f"{type(model).__name__} cannot be copied: {error}") from error
