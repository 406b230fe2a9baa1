"""The Hessian of a network's mean loss with respect to its kept weights, by products with vectors."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from scipy.linalg import eigh_tridiagonal
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from prunebench.engine.layout import Layout
from prunebench.engine.masks import check_alike
from prunebench.engine.prunable import one_dtype, prunable
from prunebench.errors import TrainingError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from prunebench.tasks.datasets.base import Split

_TOLERANCE = 1e-4
"""Residual of the eigenpair over its eigenvalue."""
_STEPS = 200
_ROUNDING = {torch.float32: 1e-6, torch.float64: 1e-14}
"""Lengths over the largest eigenvalue below which a vector that is left is rounding, by precision of the products."""
_TOGETHER = 2**22
"""Weights times vectors that are multiplied in one go."""


class Curvature:
    """P H P: H the Hessian of the mean cross-entropy, P the projection on kept weights.

    Vectors have an entry a kept weight, in the order of the prunable tensors; biases, normalisation and pruned weights
    are constants. Where a ReLU has its kink the second derivative is taken as zero.
    """

    def __init__(self, model: nn.Module, masks: Mapping[str, Tensor], batches: list[Split]) -> None:
        """Look at a network in eval mode, on batches that count by their samples.

        Raises:
            PruningError: the masks are another network's; it is neither in single nor in double precision.
        """
        self._rounding = _ROUNDING[one_dtype(model)]
        weights = prunable(model)
        check_alike(masks, weights)
        with differentiating():
            from curvlinops import HessianLinearOperator
        device = next(iter(weights.values())).device
        self.layout = Layout.of(weights)
        self.index = torch.nonzero(self.layout.flat(masks)).flatten().to(device)
        """Flat positions of the kept weights."""
        self._like = next(iter(weights.values())).detach()
        self._hessian = HessianLinearOperator(
            model, nn.CrossEntropyLoss(), list(weights.values()), [(batch.x, batch.y) for batch in batches],
            check_deterministic=False, num_data=sum(len(batch) for batch in batches),
        )  # fmt: skip

    @property
    def size(self) -> int:
        """Kept weights."""
        return len(self.index)

    def restricted(self, values: Mapping[str, Tensor]) -> Tensor:
        """`[kept]`, the entries of kept weights, on the network's device and in its dtype."""
        return self.layout.flat(values).to(self._like)[self.index]

    def times(self, vectors: Tensor) -> Tensor:
        """P H P times the columns of `[kept, n]`."""
        together = max(1, _TOGETHER // self.layout.total)
        with differentiating():
            return torch.cat([self._times(part) for part in torch.split(vectors, together, dim=1)], dim=1)

    def along(self, vectors: Tensor) -> Tensor:
        """vᵀHv of every column of `[kept, n]`, float64; with entries ±1 their mean estimates the trace (Hutchinson)."""
        return (vectors.double() * self.times(vectors).double()).sum(0)

    def top(self, start: Tensor) -> float | None:
        """The largest eigenvalue, by Lanczos with full reorthogonalisation, from a random vector `[kept]`.

        It ends where the eigenpair's residual is `_TOLERANCE` of the eigenvalue, which bounds the eigenvalue's error:
        about its square, where the next eigenvalue is not close. ARPACK fails on Hessians whose Krylov spaces are
        small. None where `_STEPS` products do not suffice.

        Raises:
            TrainingError: a product is not finite.
        """
        vector = start.double()
        basis = vector.new_zeros(0, self.size)
        diagonal: list[float] = []
        beside: list[float] = []
        norm = scale = float(vector.norm())
        while norm > self._rounding * scale:
            if len(basis) == _STEPS:
                return None
            basis = torch.cat([basis, (vector / norm)[None]])
            vector = self._product(basis[-1])
            diagonal.append(float(basis[-1] @ vector))
            for _ in range(2):  # once leaves what cancels
                vector = vector - (basis @ vector) @ basis
            norm = float(vector.norm())
            values, vectors = eigh_tridiagonal(diagonal, beside)
            scale = float(abs(values).max())
            if norm * abs(vectors[-1, -1]) <= _TOLERANCE * abs(values[-1]):
                break
            beside.append(norm)
        return float(values[-1])

    def _product(self, vector: Tensor) -> Tensor:
        found = self.times(vector[:, None].to(self._like))[:, 0].double()
        if not found.isfinite().all():
            raise TrainingError("the curvature of the network's loss is not finite: its weights have diverged")
        return found

    def _times(self, vectors: Tensor) -> Tensor:
        whole = vectors.new_zeros(self.layout.total, vectors.shape[1])
        whole[self.index] = vectors
        found: Tensor = (self._hessian @ whole)[self.index]
        return found


@contextmanager
def differentiating() -> Iterator[None]:
    """Attention has derivatives of any order, and what torch says of its own deprecated parts is not passed on."""
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)
    try:
        # torch.jit.script: a dependency of curvlinops calls it on import, torch before its first forward derivative.
        with sdpa_kernel(SDPBackend.MATH), warnings.catch_warnings():
            warnings.filterwarnings("ignore", message=".*torch.jit.script", category=FutureWarning)
            yield
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
