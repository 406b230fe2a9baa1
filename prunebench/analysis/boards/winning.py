"""When a ticket wins: the conditions of Ma et al. 2021, Sanity checks for lottery tickets, section 3, as tests."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from prunebench.analysis.statistics.holm import adjusted
from prunebench.analysis.statistics.verdicts import moments

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

Answer = Literal["yes", "no", "cannot tell"]
_ALPHA = 0.05


@dataclass(frozen=True)
class Side:
    """One way of training one kind of network; without a recipe where there is none, or none could be chosen."""

    recipe: str | None
    values: Mapping[int, float]
    """By repetition, of networks that have a path."""
    planned: int = 0
    """Repetitions."""
    collapsed: int = 0
    """How many of them have no path."""
    why: str = ""
    """Why there is none."""


@dataclass(frozen=True)
class Condition:
    """A ticket against another network: whether the mean difference exceeds a threshold."""

    number: int | None
    """None of what is no condition of theirs."""
    recipe: str | None
    """The ticket's."""
    text: str
    ticket: Side
    other: Side
    threshold: float

    @cached_property
    def pairs(self) -> list[tuple[float, float]]:
        """Ticket and other, of the repetitions that both have."""
        return [(self.ticket.values[n], self.other.values[n]) for n in self.ticket.values if n in self.other.values]

    @cached_property
    def differences(self) -> tuple[float, ...]:
        """Ticket − other, by repetition."""
        return tuple(ticket - other for ticket, other in self.pairs)


@dataclass(frozen=True)
class Judged:
    """A condition, its answer, and the adjusted p-value of the nearer one of yes and no."""

    condition: Condition
    answer: Answer
    p: float | None


def judge(conditions: Sequence[Condition]) -> list[Judged]:
    """One-sided t tests on either side of each threshold, Holm's procedure at 5 % for each side by itself.

    `yes` is that the mean is established to exceed the threshold, `no` that it is established to be below. Conditions
    that are the same test count once. A single difference settles nothing; differences that are all equal are taken as
    exact.
    """
    tests = list(dict.fromkeys((c.differences, c.threshold) for c in conditions if len(c.differences) > 1))
    if not tests:
        return [Judged(condition, "cannot tell", None) for condition in conditions]
    upper = _exceed([differences for differences, _ in tests], [threshold for _, threshold in tests])
    yes, no = (adjusted(p).tolist() for p in (upper, 1 - upper))
    known: dict[tuple[tuple[float, ...], float], tuple[Answer, float]] = {}
    for test, p_yes, p_no in zip(tests, yes, no, strict=True):
        answer: Answer = "yes" if p_yes <= _ALPHA else "no" if p_no <= _ALPHA else "cannot tell"
        known[test] = answer, min(p_yes, p_no)
    return [Judged(c, *known.get((c.differences, c.threshold), ("cannot tell", None))) for c in conditions]


def _exceed(samples: Sequence[Sequence[float]], thresholds: Sequence[float]) -> NDArray[np.float64]:
    """p-values `[tests]` of the tests that each mean is at most its threshold."""
    import numpy as np
    from scipy.special import stdtr

    mean, spread = moments(samples)
    n, gap = np.array([len(sample) for sample in samples]), mean - np.array(thresholds)
    exact = 0.5 - np.sign(gap) / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(spread == 0, exact, stdtr(n - 1, -gap / (spread / np.sqrt(n)))))


def prize(answers: Mapping[int, Answer]) -> str:
    """What the answers to conditions 2 to 5 make of a ticket."""
    first = [answers[number] for number in (2, 3, 4)]
    if "no" in first:
        return "neither"
    if any(answer != "yes" for answer in first):
        return "cannot tell"
    return {"yes": "jackpot", "no": "secondary prize", "cannot tell": "secondary prize or jackpot"}[answers[5]]


def best_prize(prizes: Sequence[str]) -> str:
    """What a method wins with the recipe that suits it best: the highest that is established."""
    if "jackpot" in prizes:
        return "jackpot"
    if "secondary prize or jackpot" in prizes or {"secondary prize", "cannot tell"} <= set(prizes):
        return "secondary prize or jackpot"
    return next((known for known in ("secondary prize", "cannot tell") if known in prizes), "neither")
