"""What the definition of a metric is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["higher", "lower", "none"]


@dataclass(frozen=True, slots=True)
class Metric:
    """Definition of one metric; `none` marks a characteristic, which is neither good nor bad."""

    name: str
    unit: str
    direction: Direction
    definition: str
    version: int = 1
