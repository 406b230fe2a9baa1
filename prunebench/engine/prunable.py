"""Which tensors a method may prune."""

from __future__ import annotations

import copy

from torch import Tensor, nn

from prunebench.errors import PruningError

_LAYERS = (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d)


def prunable(model: nn.Module) -> dict[str, Tensor]:
    """Weights of all linear and convolutional layers by name, in module order; a tied weight counts once.

    Biases and normalisation parameters are never prunable. First layer, classifier and 1 × 1 shortcuts are.

    Raises:
        PruningError: the model has none, or one that is not initialised yet or computed from other tensors.
    """
    found: dict[str, Tensor] = {}
    seen: set[int] = set()
    for prefix, module in model.named_modules():
        if not isinstance(module, _LAYERS):
            continue
        name = f"{prefix}.weight" if prefix else "weight"
        if not isinstance(module.weight, nn.Parameter):
            raise PruningError(f"layer {name} is no parameter: make weight norm or torch pruning permanent")
        if id(module.weight) in seen:
            continue
        if nn.parameter.is_lazy(module.weight):
            raise PruningError(f"layer {name} is lazy and not initialised: run one batch through the model first")
        seen.add(id(module.weight))
        found[name] = module.weight
    if not found:
        raise PruningError(f"{type(model).__name__} has no prunable weights: no Linear or Conv layer")
    return found


def private_copy(model: nn.Module) -> nn.Module:
    """A deep copy that can be changed freely.

    Raises:
        PruningError: the model holds something that cannot be copied.
    """
    try:
        return copy.deepcopy(model)
    except (RuntimeError, TypeError, ValueError, NotImplementedError) as error:
        raise PruningError(f"{type(model).__name__} cannot be copied: {error}") from error
