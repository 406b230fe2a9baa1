"""What pruning cost at once and what became of the network, configuration by configuration."""

from __future__ import annotations

from functools import cache
from statistics import fmean, median
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE, decimals, digits, in_points, mean_text, number, without_record
from prunebench.analysis.boards.contrasts import own_densities
from prunebench.analysis.boards.grid import places
from prunebench.analysis.tables import Table
from prunebench.records.facets import is_control
from prunebench.records.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from prunebench.analysis.boards.grid import Place
    from prunebench.analysis.results import Results
    from prunebench.analysis.tradeoff import Cells
    from prunebench.records.presentation import Association, Presentation

CONTROL = " (control)"
_EVENTS = "events"


def configurations(suite: str, presentation: Presentation, results: Results) -> list[Table]:
    """One table a task and density, the most stable configuration first, controls below.

    It has the association's metrics, and between them those of the suite's columns.

    Methods whose density is their outcome, as the dense network, stand in the tables of all densities; where a task has
    no density, in one of their own.
    """
    asked = presentation.association
    assert asked is not None, "the section needs [association]"
    every = places(suite, results)
    beside_of = own_densities(every)
    with_density = {place.task for place in every if place.density is not None}
    columns = [column.metric for column in presentation.column if column.metric is not None]
    controls = cache(lambda method: is_control(method, asked.exclude))
    found = []
    for place in every:
        methods = shown_at(place, beside_of(place))
        recorded = any(any(cells.records.values()) for cells in methods.values())
        if recorded and (place.density is not None or place.task not in with_density):
            found.append(_table(place, methods, asked, columns, controls))
    return found


def shown_at(place: Place, beside: Mapping[str, Cells]) -> dict[str, Cells]:
    """Methods without arm at a place, and those of the task whose density is their outcome."""
    return {**place.methods, **beside}


def measured_values(cells: Cells, metrics: Iterable[str]) -> dict[str, list[float]]:
    """Values by metric, over repetitions."""
    return {metric: list(cells.values(metric).values()) for metric in metrics}


def _table(
    place: Place,
    methods: Mapping[str, Cells],
    asked: Association,
    columns: Sequence[str],
    is_one: Callable[[str], bool],
) -> Table:
    metrics = dict.fromkeys((*asked.x, *columns, *asked.y))
    measured = {
        method: measured_values(cells, (_EVENTS, *metrics))
        for method, cells in methods.items()
        if any(record is not None for record in cells.records.values())
    }
    shown = [metric for metric in metrics if any(values[metric] for values in measured.values())]
    sizes = {
        metric: digits(metric)
        if in_points(metric)
        else decimals([fmean(values[metric]) for values in measured.values() if values[metric]])
        for metric in shown
    }
    events = any(values[_EVENTS] for values in measured.values())
    controls = set(filter(is_one, measured))

    def order(method: str) -> tuple[bool, bool, float, str]:
        values = measured[method][asked.x[0]]
        return method in controls, not values, fmean(values) if values else 0.0, method

    rows = []
    ordered = sorted(measured, key=order)
    for method in ordered:
        values, cells = measured[method], methods[method]
        rows.append((
            method + CONTROL * (method in controls),
            *([number(median(values[_EVENTS])) if values[_EVENTS] else NONE] if events else []),
            *(mean_text(values[metric], sizes[metric]) if values[metric] else NONE for metric in shown),
            _n(cells),
        ))  # fmt: skip
    later = without_record(len(methods) - len(measured))
    return Table(
        " ".join(part for part in (f"configurations · {place.title}", later) if part),
        ("configuration", *([_EVENTS] if events else []), *(header(metric) for metric in shown), "n"),
        tuple(rows),
        (False, *([True] if events else []), *(True,) * len(shown), True),
        dataset=place.dataset,
        methods=tuple(ordered),
        holes=tuple(methods[method].count("alive") < len(methods[method].records) for method in ordered),
        legend=(
            (
                "configuration",
                f"method and parameters, ordered by {header(asked.x[0])}; (control): not among the configurations of "
                "associations. Columns are means ± 95 % t interval over repetitions that have a value and a path from "
                "input to output",
            ),
            *([(_EVENTS, "median over repetitions of how often the training was interrupted")] if events else []),
            *((header(metric), METRICS[metric].definition) for metric in shown),
        ),
    )


def header(metric: str) -> str:
    """A metric in words."""
    return metric.replace("_", " ")


def _n(cells: Cells) -> str:
    """Repetitions that count, of how many planned where those are more, and why."""
    alive, planned = cells.count("alive"), len(cells.records)
    dead = cells.count("collapsed")
    text = str(alive) if alive == planned else f"{alive}/{planned}"
    return f"{text}, {dead} collapsed" if dead else text
