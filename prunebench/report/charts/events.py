"""Accuracy while a network trains and is pruned: before and after every event."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING, Any

from prunebench.analysis.boards.cells import NONE
from prunebench.analysis.boards.pairs import places
from prunebench.analysis.tables import Table
from prunebench.analysis.tradeoff import DENSE
from prunebench.report.charts.axes import linear
from prunebench.report.charts.base import Chart, named, noted
from prunebench.report.charts.insets import draw_mosaic, mosaic
from prunebench.report.charts.panels import SMALL, Axis, Label, Layer, Margins
from prunebench.report.looks import looks, one_line, shortened

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prunebench.analysis.boards.pairs import Place
    from prunebench.analysis.results import Results
    from prunebench.analysis.tradeoff import Cells
    from prunebench.records.presentation import Presentation
    from prunebench.report.looks import Look

MOST = 4
"""Places that have a chart."""
_FEWEST = 2
"""Methods below which there is nothing to compare."""
_PANELS = 12
_COLUMNS = 3
_SIZE = (212.0, 110.0)
_END = "validation_accuracy"
_EPOCHS = 60
"""Of a line."""
_NEAR = 1e-6


@dataclass(frozen=True)
class _Training:
    """One method's events, means over repetitions, in the order of the training."""

    method: str
    positions: tuple[float, ...]
    """Shares of the recipe's length."""
    before: tuple[float, ...]
    after: tuple[float, ...]
    end: float | None
    """After the last epoch."""
    epochs: tuple[tuple[float, float], ...]
    """Share of the training and accuracy after epochs; empty where these were not measured."""
    n: int

    def segments(self) -> Iterator[tuple[tuple[float, float], tuple[float, float]]]:
        """From point to point of what was measured, but across no event; an epoch's end at one is the event's."""
        begins = [None, *zip(self.positions, self.after, strict=True)]
        ends = [*zip(self.positions, self.before, strict=True), None if self.end is None else (1.0, self.end)]
        for begin, end in zip(begins, ends, strict=True):
            low, high = begin[0] if begin else -1.0, end[0] if end else 2.0
            inner = [point for point in self.epochs if low + _NEAR < point[0] < high - _NEAR]
            yield from pairwise([*([begin] if begin else []), *inner, *([end] if end else [])])

    @property
    def drop(self) -> float:
        """Mean over events, in points."""
        return fmean(b - a for b, a in zip(self.before, self.after, strict=True))


def events(suite: str, presentation: Presentation, results: Results) -> list[Chart]:  # noqa: ARG001
    """One chart for each of the first places whose methods prune while they train."""
    every = looks(results)
    found: list[Chart] = []
    own = places(suite, results)
    for place in own:
        if len(found) == MOST:
            break
        trainings = [
            training
            for (method, arm), cells in place.cells.items()
            if arm is None and (training := _training(method, cells, results)) is not None
        ]
        if len(trainings) >= _FEWEST:
            dense = _dense(place, own)
            found.append(_chart(named(suite, "events", str(len(found) + 1)), place, trainings, dense, every))
    known = sum(place.density is not None for place in own) if len(found) == MOST else 0
    return noted(found, MOST, known, "tasks and densities")


def _training(method: str, cells: Cells, results: Results) -> _Training | None:
    """None without events, or where repetitions have them at different positions."""
    runs, ends = [], []
    for _, record in sorted(cells.records.items()):
        if record is None or record.status != "ok":
            continue
        series = results.series(record)
        accuracies = [*series.get("event_accuracy_before", []), *series.get("event_accuracy_after", [])]
        if accuracies and None not in accuracies:
            runs.append(series)
            if (end := record.metrics.get(_END)) is not None:
                ends.append(end)
    if not runs or any(run["event_position"] != runs[0]["event_position"] for run in runs):
        return None
    columns = {
        name: tuple(fmean(values) for values in zip(*(run[f"event_accuracy_{name}"] for run in runs), strict=True))
        for name in ("before", "after")
    }
    positions = tuple(runs[0]["event_position"])
    end = fmean(ends) if ends else None
    return _Training(method, positions, columns["before"], columns["after"], end, _epochs(runs), len(runs))


def _epochs(runs: Sequence[Mapping[str, Any]]) -> tuple[tuple[float, float], ...]:
    """Means over repetitions that have the same epochs; of many, so many at equal distances."""
    places = runs[0].get("epoch") or []
    if not places or any(run.get("epoch") != places or None in run[_END] for run in runs):
        return ()
    means = [fmean(values) for values in zip(*(run[_END] for run in runs), strict=True)]
    stride = -(-len(places) // _EPOCHS)
    return tuple((at / places[-1], mean) for at, mean in list(zip(places, means, strict=True))[::-stride][::-1])


def _dense(place: Place, every: Sequence[Place]) -> float | None:
    """The dense network of the task after its last epoch."""
    for other in every:
        if other.task == place.task and (DENSE, None) in other.cells:
            values = list(other.of(DENSE, None).values(_END).values())
            if values:
                return fmean(values)
    return None


def _chart(
    name: str, place: Place, trainings: Sequence[_Training], dense: float | None, every: Mapping[str, Look]
) -> Chart:
    ordered = sorted(trainings, key=lambda one: (-one.drop, one.method))
    shown = [ordered[i] for i in _chosen(len(ordered))]
    heights = [v for t in shown for v in (*t.before, *t.after, *([] if t.end is None else [t.end]))]
    heights += [accuracy for training in shown for _, accuracy in training.epochs]
    y = linear("", [*heights, *([] if dense is None else [dense])], unit=" %", most=3)
    x = Axis("position in the training, as a share of its length", 0, 1.03, ((0, "0"), (0.5, "½"), (1, "1")))
    found = mosaic(len(shown), x, y, _SIZE, _COLUMNS, (18.0, 36.0))
    lines, drops, dots, labels = [], [], [], []
    for inset, training in zip(found.insets, shown, strict=True):
        look = every[training.method]
        if dense is not None:
            lines.append(inset.rule(0, dense, 1.03, dense, stroke="ink", strokeDash=[1, 3]))
        for (at, start), (stop, end) in training.segments():
            lines.append(inset.rule(at, start, stop, end, stroke=look.colour, strokeWidth=1.5))
        for at, before, after in zip(training.positions, training.before, training.after, strict=True):
            drops.append(inset.rule(at, before, at, after, stroke="ink", strokeWidth=2.2))
            dots += [inset.dot(at, value, stroke=look.colour, strokeWidth=3.4) for value in (before, after)]
        if training.end is not None:
            dots.append(inset.dot(1, training.end, stroke=look.colour, strokeWidth=5))
        drop = f"drop {training.drop:.2f} points".replace("-", "−")
        words = f"{training.method}: mean drop {training.drop:.2f} points over {len(training.positions)} events"
        labels += [
            Label(inset.left, inset.top - 19, shortened(training.method, 42), words, look.index, size=SMALL),
            Label(inset.left, inset.top - 7, drop, words, look.index, "muted", size=9),
        ]
    title = f"Accuracy while pruning · {one_line(place.title)}"
    left = len(ordered) - len(shown)
    followed = (
        "follow the epochs" if all(t.epochs for t in shown) else "lead to what was measured next, events or epochs"
    )
    description = (
        f"Mean validation accuracy just before and just after every pruning event of {len(shown)} methods, joined by "
        f"the dark strokes, those that lose most at once first; coloured lines {followed}. The point at 1 is the end "
        "of training"
        + ("" if dense is None else ", the dotted line that of the dense network")
        + "."
        + (f" {left} of {len(ordered)} methods, at equal distances in that order, are left out." if left else "")
    )
    layers = (
        Layer("rule", tuple(lines), pixels=True), Layer("rule", tuple(drops), pixels=True),
        Layer("dot", tuple(dots), pixels=True),
    )  # fmt: skip
    svg = draw_mosaic(found, layers, labels, Margins(left=46, top=34, right=14, bottom=42), title, description)
    rows = [
        (t.method, f"{at:.3g}", f"{before:.2f}", f"{after:.2f}", NONE if t.end is None else f"{t.end:.2f}", str(t.n))
        for t in shown for at, before, after in zip(t.positions, t.before, t.after, strict=True)
    ]  # fmt: skip
    table = Table(
        title, ("method", "at", "before, %", "after, %", "at the end, %", "n"), tuple(rows), (False, *(True,) * 5),
        dataset=place.dataset, methods=tuple(row[0] for row in rows),
    )  # fmt: skip
    return Chart(name, title, description, svg, table)


def _chosen(count: int) -> list[int]:
    """All places, or so many at equal distances, the first and the last among them."""
    if count <= _PANELS:
        return list(range(count))
    return [round(i * (count - 1) / (_PANELS - 1)) for i in range(_PANELS)]
