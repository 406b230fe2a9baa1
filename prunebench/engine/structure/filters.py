"""Weights by output unit: the rows of a matrix, the filters of a convolution."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


def by_filter(
    function: Callable[[Tensor], Tensor], values: Mapping[str, Tensor], model: nn.Module
) -> dict[str, Tensor]:
    """A function of every layer's values as rows, one an output unit.

    Args:
        function: from `[units, weights of a unit]` to the same shape.
        values: of the prunable weights, by name.
        model: whose weights they are; it tells where a layer's outputs are.
    """
    found: dict[str, Tensor] = {}
    for name, value in values.items():
        module = model.get_submodule(name.rpartition(".")[0])
        if isinstance(module, _TRANSPOSED):
            # [in, out per group, kernel…]: the inputs of a group are next to each other.
            groups, inputs, outputs = module.groups, value.shape[0] // module.groups, value.shape[1]
            grouped = value.reshape(groups, inputs, outputs, -1).transpose(1, 2)
            rows = function(grouped.reshape(groups * outputs, -1))
            found[name] = rows.view(grouped.shape).transpose(1, 2).reshape(value.shape)
        else:
            found[name] = function(value.reshape(value.shape[0] if value.dim() else 1, -1)).view(value.shape)
    return found
