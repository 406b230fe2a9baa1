"""Trainings that networks are pruned in: accuracy around every event, and from epoch to epoch."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from prunebench.analysis.results import Results
    from prunebench.analysis.tradeoff import Cells
    from prunebench.records.schema import Record

    Run = tuple[Record, Mapping[str, Any]]
    """A record with its series."""

END = "validation_accuracy"
_EPOCHS = 60
"""Of a line."""
_NEAR = 1e-6
_WHOLE = 0.01
"""Of a recipe's length: what epochs and trainings may differ by, where these are all of that."""


@dataclass(frozen=True)
class Training:
    """One method's events, means over repetitions, in the order of the training; positions in lengths of the recipe."""

    method: str
    positions: tuple[float, ...]
    before: tuple[float, ...]
    after: tuple[float, ...]
    spent: float
    """Where training ends."""
    end: float | None
    """Accuracy there."""
    epochs: tuple[tuple[float, float], ...]
    """Position and accuracy after epochs; empty where these were not measured, or are not of all of the training."""
    n: int

    def segments(self) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
        """From point to point of what was measured, but across no event; an epoch's end at one is the event's."""
        begins = [None, *zip(self.positions, self.after, strict=True)]
        ends = [*zip(self.positions, self.before, strict=True), None if self.end is None else (self.spent, self.end)]
        for begin, end in zip(begins, ends, strict=True):
            low, high = begin[0] if begin else -1.0, end[0] if end else float("inf")
            inner = [point for point in self.epochs if low + _NEAR < point[0] < high - _NEAR]
            yield from pairwise([*([begin] if begin else []), *inner, *([end] if end else [])])

    @property
    def drop(self) -> float:
        """Mean over events, in points."""
        return fmean(b - a for b, a in zip(self.before, self.after, strict=True))


def runs_of(cells: Cells, results: Results) -> list[Run]:
    """Good records, by repetition."""
    good = [record for _, record in sorted(cells.records.items()) if record is not None and record.status == "ok"]
    return [(record, results.series(record)) for record in good]


def epochs_of_recipe(runs: Iterable[Run]) -> float | None:
    """The epochs of a recipe's length, None where no run has them.

    Epochs count what the weights of a run went through, and `trainings` besides what else finding them took, in lengths
    of the recipe. So one over the other is the length, or less of a run whose weights begin late: as of the dense
    network, the largest is the length.
    """
    ratios = [
        series["epoch"][-1] / trainings
        for record, series in runs
        if series.get("epoch") and (trainings := record.metrics.get("trainings"))
    ]
    return max(ratios, default=None)


def training_of(method: str, runs: Sequence[Run], length: float | None) -> Training | None:
    """None without events, or where repetitions have them at different positions."""
    own = [(record, series) for record, series in runs if _measured(series)]
    if not own or any(series["event_position"] != own[0][1]["event_position"] for _, series in own):
        return None
    columns = {
        name: tuple(fmean(at) for at in zip(*(series[f"event_accuracy_{name}"] for _, series in own), strict=True))
        for name in ("before", "after")
    }
    ends = [end for record, _ in own if (end := record.metrics.get(END)) is not None]
    trainings = [spent for record, _ in own if (spent := record.metrics.get("trainings")) is not None]
    spent = median(trainings) if trainings else 1.0
    epochs = _epochs([series for _, series in own], length, spent) if trainings and length else ()
    return Training(
        method, tuple(own[0][1]["event_position"]), columns["before"], columns["after"], spent,
        fmean(ends) if ends else None, epochs, len(own),
    )  # fmt: skip


def _measured(series: Mapping[str, Any]) -> bool:
    accuracies = [*series.get("event_accuracy_before", []), *series.get("event_accuracy_after", [])]
    return bool(accuracies) and None not in accuracies


def _epochs(runs: Sequence[Mapping[str, Any]], length: float, spent: float) -> tuple[tuple[float, float], ...]:
    """Means over repetitions that have the same epochs; of many, so many at equal distances."""
    places = runs[0].get("epoch") or []
    if not places or any(run.get("epoch") != places or None in run[END] for run in runs):
        return ()
    if abs(places[-1] / length - spent) > _WHOLE:
        return ()
    means = [fmean(values) for values in zip(*(run[END] for run in runs), strict=True)]
    stride = -(-len(places) // _EPOCHS)
    return tuple((at / length, mean) for at, mean in list(zip(places, means, strict=True))[::-stride][::-1])
