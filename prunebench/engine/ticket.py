"""The outcome of pruning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from torch import Tensor

    from prunebench.engine.masks import Masks


@dataclass(frozen=True)
class Ticket:
    """Masks, and the weights that sparse training starts from."""

    masks: Masks
    weights: Mapping[str, Tensor] | None = None
    """By parameter name; None: those of the network that was given."""
    notes: tuple[str, ...] = ()
    """What a reader of the record should know, such as a ratio that had to be scaled down."""
