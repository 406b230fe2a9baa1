"""Counting a method's optimiser steps, whoever takes them."""

from __future__ import annotations

import functools
import hashlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from torch.optim.optimizer import register_optimizer_step_post_hook

from prunebench.engine.prunable import prunable
from prunebench.testing.networks import GROUNDS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor
    from torch.optim import Optimizer


@dataclass
class Steps:
    """Steps of torch's optimisers that move all prunable weights of a ground's network."""

    taken: int = 0
    _seen: set[bytes] = field(default_factory=set, repr=False)

    @property
    def distinct(self) -> int:
        """Those that do not repeat an earlier one to the bit, as a run does that is taken up from its beginning."""
        return len(self._seen)

    def note(self, optimiser: Optimizer, *_: Any) -> None:
        """Count a step that has been taken."""
        parameters = [parameter for group in optimiser.param_groups for parameter in group["params"]]
        shapes = Counter(tuple(parameter.shape) for parameter in parameters)
        if not any(layers <= shapes for layers in _networks()):
            return
        self.taken += 1
        digest = hashlib.blake2b(digest_size=16)
        for parameter in parameters:
            momenta = [v for v in optimiser.state.get(parameter, {}).values() if hasattr(v, "detach")]
            for tensor in (parameter, *momenta):
                digest.update(_bytes(tensor))
        self._seen.add(digest.digest())


@contextmanager
def counted(steps: Steps) -> Iterator[Steps]:
    """Count what is done meanwhile."""
    hook = register_optimizer_step_post_hook(steps.note)
    try:
        yield steps
    finally:
        hook.remove()


@functools.cache
def _networks() -> tuple[Counter[tuple[int, ...]], ...]:
    """Shapes of the prunable weights of every ground."""
    return tuple(Counter(tuple(w.shape) for w in prunable(ground.model()).values()) for ground in GROUNDS)


def _bytes(tensor: Tensor) -> bytes:
    return tensor.detach().cpu().contiguous().numpy().tobytes()
