"""The comparison of a run with a baseline, or with another run."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prunebench.analysis.comparison.cells import common, presence, statuses, values
from prunebench.analysis.comparison.exact import beyond_rounding, to_rounding, to_the_bit
from prunebench.analysis.comparison.judgements import changed_verdicts
from prunebench.analysis.comparison.sampled import Sample, gating_metrics, tested
from prunebench.analysis.comparison.states import Item, State
from prunebench.analysis.comparison.times import Time, times, untimed
from prunebench.analysis.comparison.tolerances import fixed, size
from prunebench.errors import NothingToDoError, StoreError
from prunebench.records.baseline import gate_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prunebench.analysis.comparison.cells import Pair
    from prunebench.analysis.comparison.sides import Group, Side
    from prunebench.records.baseline import Task
    from prunebench.records.presentation import Presentation
    from prunebench.records.schema import Record


@dataclass(frozen=True)
class SuiteComparison:
    """One suite of two sides."""

    suite: str
    scale: str
    old: str
    """What it is compared with."""
    new: str
    items: tuple[Item, ...]
    times: tuple[Time, ...]
    compared: int
    """Values that both sides have and that can be compared."""
    skipped: int = 0
    """Cells that both sides skipped: no values."""
    apart: tuple[str, ...] = ()
    """What makes the sides two platforms: equality to the bit is not asked for then."""
    incomparable: str = ""
    """Why no cell of the suite compares; empty if some may."""
    asked: bool = True
    """Whether a comparison was asked for: not of a suite that only the new side has."""
    notes: tuple[str, ...] = ()
    """What limits the comparison."""

    @property
    def counts(self) -> Counter[State]:
        """Items by state."""
        return Counter(item.state for item in self.items)

    @property
    def regressions(self) -> list[Item]:
        """Items that gate."""
        return [item for item in self.items if item.gates]


@dataclass(frozen=True)
class Comparison:
    """What became of every number, suite by suite."""

    suites: tuple[SuiteComparison, ...]

    @property
    def regressed(self) -> bool:
        """Whether anything is a regression."""
        return any(found.regressions for found in self.suites)

    @property
    def compared(self) -> int:
        """Values that could be compared; with none, nothing is known."""
        return sum(found.compared for found in self.suites)

    @property
    def unanswered(self) -> list[SuiteComparison]:
        """Suites that should compare, and of which no value could be."""
        return [found for found in self.suites if found.asked and not found.compared]

    @property
    def counts(self) -> Counter[str]:
        """Items by the word for their state."""
        counts = Counter[str]()
        for found in self.suites:
            counts.update({state.word: n for state, n in found.counts.items()})
        return counts

    def table(self, format: str = "table", *, everything: bool = False, width: int | None = None) -> str:
        """The comparison as text: `table`, `md`, `csv` or `json`; with `everything`, what is the same as well."""
        from prunebench.analysis.comparison.showing import shown

        return shown(self, format, everything=everything, width=width)


def compare(pairs: Sequence[tuple[str, Side, Side]], max_slowdown: float | None = None) -> Comparison:
    """Compare suites.

    Args:
        pairs: suite, old side and new side; one that a side does not have compares with nothing.
        max_slowdown: CPU seconds that are more than so many times the old ones are a regression; None of none.

    Raises:
        NothingToDoError: no suite.
        StoreError: numbers so large that a side's means or differences overflow, or what a suite shows is damaged.
    """
    if not pairs:
        raise NothingToDoError("nothing to compare: the two have no suite in common")
    try:
        return Comparison(tuple(_suite(name, old, new, max_slowdown) for name, old, new in pairs))
    except OverflowError as error:
        names = " and ".join(dict.fromkeys(side.name for _, *sides in pairs for side in sides))
        raise StoreError(f"{names} hold numbers that are too large to compare: {error}") from error


def _suite(suite: str, old: Side, new: Side, max_slowdown: float | None) -> SuiteComparison:
    if suite not in new.records or suite not in old.records:
        return _alone(suite, old, new)
    told, asked = old.about(suite), new.about(suite)
    about = SuiteComparison(suite, new.scale(suite), old.name, new.name, (), (), 0)
    for what, a, b in (
        ("version", told["version"], asked["version"]),
        ("scale", old.scale(suite), new.scale(suite)),
    ):
        if a != b:
            why = f"{what} of the suite: {a} → {b}"
            return replace(about, incomparable=why, items=tuple(_items(suite, new, State.APART, why)))
    presentation = new.presentation(suite)
    apart = tuple(old.origin.apart(new.origin))
    work = _Work(suite, old, new, presentation, not apart)
    groups = dict.fromkeys((*old.records[suite], *new.records[suite]))
    for group in groups:
        work.add(group)
    items = [*work.items, *tested(work.samples, presentation), *changed_verdicts(suite, presentation, old, new)]
    spent = times(suite, old, new)
    items += [
        Item(time.task, time.method, None, "cpu seconds", State.WORSE, True, time.old_seconds, time.new_seconds,
             f"{time.ratio:.2f} times as long, more than {max_slowdown:g}")
        for time in spent
        if time.too_slow(max_slowdown)
    ]  # fmt: skip
    order = {group: place for place, group in enumerate(groups)}
    items.sort(key=lambda item: order.get((item.task, item.method, item.arm), -1))
    notes = [*work.notes, *untimed(suite, old, new, spent, max_slowdown)]
    return replace(
        about, items=tuple(items), times=tuple(spent), compared=work.compared, skipped=work.skipped, apart=apart,
        notes=tuple(notes),
    )  # fmt: skip


class _Work:
    """What the groups of a suite come to, one after the other."""

    def __init__(self, suite: str, old: Side, new: Side, presentation: Presentation, same: bool) -> None:
        self.suite, self.old, self.new, self.same = suite, old, new, same
        self.gates = set(gating_metrics(presentation))
        self.devices = old.origin.device, new.origin.device
        self.items: list[Item] = []
        self.samples: list[Sample] = []
        self.compared = self.skipped = 0
        self._sizes: dict[Task, float | None] = {}

    def add(self, group: Group) -> None:
        """Compare the cells of one task, method and arm."""
        self.items += presence(group, self.suite, self.old, self.new)
        cells = common(self.old.records[self.suite].get(group, {}), self.new.records[self.suite].get(group, {}))
        changes = statuses(group, cells)
        pairs, valueless = values(group, cells)
        self.items += [*changes, *valueless]
        bare = Counter(old.status for _, old, new in cells if old.status == new.status != "ok")
        if bare and not changes and not pairs:
            told = ", ".join(f"{count} × {status}" for status, count in bare.items())
            self.items.append(Item(*group, "status", State.SAME, detail=told))
        self.skipped += bare["skipped"]
        self.compared += sum(map(len, pairs.values()))
        exact = self.same and self._unchanged(group)
        apart = []
        for metric, found in pairs.items():
            if exact:
                self.items.append(to_the_bit(group, metric, found))
            elif not self._sort_out(group, metric, found):
                apart.append(metric)
                self.compared -= len(found)
        if apart:
            why = f"{len(apart)} metrics that a draw decides: {self.devices[0]} against {self.devices[1]}"
            self.items.append(Item(*group, "values", State.APART, detail=why))

    @property
    def notes(self) -> list[str]:
        """What is wrong with the samples."""
        once = any(len(sample.differences) == 1 and not sample.structural for sample in self.samples)
        return ["one repetition: accuracies cannot be tested"] if once else []

    def _sort_out(self, group: Group, metric: str, pairs: list[Pair]) -> bool:
        """Compare a metric as its kind asks; False where it cannot be compared."""
        structural, trained = gate_of(metric) == "structural", group[0][3] is not None
        if self.devices[0] != self.devices[1] and (trained or not structural):
            return False
        if trained:
            self.samples.append(Sample(group, metric, pairs))
        elif structural and self.same:
            self.items.append(to_the_bit(group, metric, pairs))
        elif structural and not fixed(metric) and beyond_rounding(metric, pairs, self._size(group)):
            self.samples.append(Sample(group, metric, pairs, structural=True))
        else:
            gates = structural or metric in self.gates
            self.items.append(to_rounding(group, metric, pairs, self._size(group), gates=gates))
        return True

    def _unchanged(self, group: Group) -> bool:
        """Whether code and arguments of all repetitions that both sides have are the same."""
        task, method, _ = group
        mine, theirs = self.old.digests.get((task, method), ()), self.new.digests.get((task, method), ())
        both = [(a, b) for a, b in zip(mine, theirs, strict=False) if a is not None and b is not None]
        return bool(both) and all(a == b for a, b in both)

    def _size(self, group: Group) -> float | None:
        """Prunable weights of the task's network."""
        task = group[0]
        if task not in self._sizes:
            own: list[Record | None] = [
                record for (other, *_), cells in self.old.records[self.suite].items() if other == task
                for record in cells.values()
            ]  # fmt: skip
            self._sizes[task] = size(own)
        return self._sizes[task]


def _alone(suite: str, old: Side, new: Side) -> SuiteComparison:
    """A suite of which one side has nothing; it is no comparison that was asked for if only the old one lacks it."""
    if suite in old.records:
        why = new.absent or f"the suite is not in {new.name}"
        found = SuiteComparison(suite, old.scale(suite), old.name, new.name, (), (), 0, incomparable=why)
        return replace(found, items=tuple(_items(suite, old, State.APART, why)))
    why = old.absent or f"the suite is not in {old.name}"
    found = SuiteComparison(suite, new.scale(suite), old.name, new.name, (), (), 0, incomparable=why)
    state = State.APART if old.absent else State.NEW
    return replace(found, items=tuple(_items(suite, new, state, why)), asked=bool(old.absent))


def _items(suite: str, side: Side, state: State, why: str) -> list[Item]:
    return [Item(*group, "values", state, detail=why) for group in side.records[suite]]
