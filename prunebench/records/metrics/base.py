"""What the definition of a metric is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["higher", "lower", "none"]
Gate = Literal["structural", "sampled", "shown"]


@dataclass(frozen=True, slots=True)
class Metric:
    """Definition of one metric; `none` marks a characteristic, which is neither good nor bad."""

    name: str
    unit: str
    direction: Direction
    gate: Gate
    """How it is compared with a baseline. `structural`: a count, or a ratio of counts, that masks and schedule alone
    determine; `sampled`: comes out of a training, or of arithmetic on drawn data; `shown`: never compared, as chance
    levels, standard errors, and what was needed to find something."""
    definition: str
    version: int = 1
    residual: bool = False
    """A distance from a law, of which what is below the arithmetic's precision is nothing."""
