"""What can become of a number between two runs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from prunebench.records.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prunebench.records.baseline import Task


class State(Enum):
    """A mark, and the word beside it."""

    WORSE = "-", "worse"
    CHANGED = "≠", "changed"
    FAILING = "!", "newly failing"
    MISSING = "?", "missing"
    APART = "x", "not comparable"
    DRIFT = "~", "drift"
    BETTER = "+", "better"
    FIXED = "*", "fixed"
    NEW = "n", "new"
    SAME = "=", "same"

    @property
    def mark(self) -> str:
        """One character."""
        return self.value[0]

    @property
    def word(self) -> str:
        """For those who do not know the marks."""
        return self.value[1]


@dataclass(frozen=True, slots=True)
class Item:
    """A metric, or the statuses, of one method and arm on one task: all densities and repetitions together."""

    task: Task
    method: str
    arm: str | None
    what: str
    """A metric, `status`, `cells`, `verdict` or `cpu seconds`."""
    state: State
    gates: bool = False
    """Whether it is a regression."""
    old: float | None = None
    """Mean over what was compared."""
    new: float | None = None
    detail: str = ""

    @property
    def difference(self) -> float | None:
        """New less old."""
        return None if self.old is None or self.new is None else self.new - self.old


def judged(metric: str, differences: Sequence[float]) -> State:
    """What real differences, new − old and none of them zero, are: one for the worse makes all of them worse."""
    direction = METRICS[metric].direction if metric in METRICS else "none"
    if direction == "none":
        return State.CHANGED
    worse = any(d < 0 if direction == "higher" else d > 0 for d in differences)
    return State.WORSE if worse else State.BETTER


def gating(state: State) -> bool:
    """Whether a real change of that kind is a regression."""
    return state in {State.WORSE, State.CHANGED}


def place(density: float | None, repetition: int) -> str:
    """A cell in short."""
    return f"#{repetition}" if density is None else f"d={density:g} #{repetition}"


def listed(parts: Sequence[str], most: int = 3) -> str:
    """The first few, and how many more there are."""
    more = f" and {len(parts) - most} more" if len(parts) > most else ""
    return f"{', '.join(parts[:most])}{more}"


def number(value: float) -> str:
    """Whole numbers whole, others to five digits."""
    return f"{value:.0f}" if abs(value) < 1e15 and value == int(value) else f"{value:.5g}"


def numbers(old: float, new: float) -> tuple[str, str]:
    """Two values as `number` has them, or with as many digits as tell them apart."""
    texts = number(old), number(new)
    for digits in range(6, 18):
        if texts[0] != texts[1] or old == new:
            break
        texts = f"{old:.{digits}g}", f"{new:.{digits}g}"
    return texts


def arrow(old: float, new: float) -> str:
    """From one value to another."""
    return " → ".join(numbers(old, new))
