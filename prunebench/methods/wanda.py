"""Wanda: pruning by weights and activations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from prunebench.engine.selection.scorer import scorer
from prunebench.engine.structure.filters import by_filter
from prunebench.engine.structure.operators import CONTRACTIONS
from prunebench.errors import PruningError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prunebench.engine.selection.scoring import Scores, Scoring


@scorer(
    "wanda",
    paper="Sun et al. 2024, A simple and effective pruning approach for large language models",
    needs={"data"},
    mode="eval",
    notes=(
        "group=row is the paper's: weights compete with those of their own output unit. Every layer keeps the same "
        "share, rounded, and every row of a layer the same number or one less, the largest score first, where the "
        "authors' code rounds up in each row; scores are places, so scope changes rounding only. group=none compares "
        "|θ|·‖x‖ in the engine's scope; scope=layer is the paper's ablation. All norms are of one pass through the "
        "network as it is; the authors' code prunes block by block, with the norms behind the pruned blocks. In a "
        "convolution x_j is what the kernel's entry j meets at all positions, zero padding included. Weights of "
        "multi-head attention have no such norm here."
    ),
)
def wanda(ctx: Scoring, *, group: Literal["row", "none"] = "row") -> Scores:
    """|θ_ij|·‖x_j‖₂ with all inputs x_j that the weight meets (eq. 1), or its place in its row by that.

    Args:
        ctx: the network and its scoring set.
        group: what a weight competes with before the scope: its output unit's weights, or nothing.

    Raises:
        PruningError: a prunable weight is in no linear or convolution call of the forward pass.
    """
    with torch.no_grad(), _InputNorms(ctx.weights) as norms:
        for x, _ in ctx.batches():
            ctx.model(x)
    missing = ctx.weights.keys() - norms.squares.keys()
    if missing:
        raise PruningError(f"wanda: layer {min(missing)} is in no linear or convolution call, so it has no input norm")
    scores = {name: w.detach().abs() * norms.squares[name].sqrt() for name, w in ctx.weights.items()}
    if group == "none":
        return scores
    # Pruned weights come after all others of their row, even after those that meet zeros only.
    ranked = {name: score.masked_fill(~ctx.masks[name].to(score.device), -1) for name, score in scores.items()}
    return by_filter(_places, ranked, ctx.model)


def _places(rows: Tensor) -> Tensor:
    """Webster's places 1 − (p − ½)/n of a layer of n weights: first the best of every row, then the second best.

    In a global selection the layer gets its share and deals it out to its rows, to the row with the largest score
    first. Equals, such as the weights of a unit that is never active, come in a shuffled order that is the same for
    every seed: it is part of the score, which the seed does not decide.
    """
    units, count = rows.shape
    generator = torch.Generator().manual_seed(0)
    columns = torch.randperm(count, generator=generator).to(rows.device)
    lines = torch.randperm(units, generator=generator).to(rows.device)
    best, order = rows[lines][:, columns].sort(dim=1, descending=True, stable=True)
    turn = best.argsort(dim=0, descending=True, stable=True).argsort(dim=0)
    place = torch.arange(count, device=rows.device) * units + turn
    scores = 1 - (place.double() + 0.5) / (units * count)
    shuffled = torch.empty_like(scores).scatter_(1, columns[order], scores)
    return torch.empty_like(scores).index_copy_(0, lines, shuffled)


class _InputNorms(TorchFunctionMode):
    """While active, adds up for every weight the squares of the inputs that it meets.

    A contraction is linear in its weight W: the derivative of the sum of contraction(x², W) with respect to an entry
    of W is the sum of x² over all that the entry meets, whatever the padding, stride, dilation or groups.
    """

    def __init__(self, weights: Mapping[str, Tensor]) -> None:
        super().__init__()
        self._names = {id(weight): name for name, weight in weights.items()}
        self.squares: dict[str, Tensor] = {}

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if func in CONTRACTIONS:
            self._add(func, *args, **kwargs)
        return func(*args, **kwargs)

    def _add(
        self, func: Callable[..., Tensor], input: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any,
        **kwargs: Any,
    ) -> None:  # fmt: skip
        name = self._names.get(id(weight))
        if name is None:
            return
        with torch.enable_grad():
            probe = torch.zeros_like(weight, requires_grad=True)
            met = func(input.detach().square(), probe, bias, *args, **kwargs).sum()
            found = torch.autograd.grad(met, probe)[0]
        self.squares[name] = self.squares[name] + found if name in self.squares else found
