"""Where training moves the squares of weights, seen from the law of a conserved score: equal totals of all layers."""

from __future__ import annotations

from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING

from prunebench.analysis.boards import cells as texts
from prunebench.analysis.boards.cells import NONE, mean_text
from prunebench.analysis.boards.conservation import AS_EXPECTED, NOT_AS_EXPECTED
from prunebench.analysis.boards.grid import places
from prunebench.analysis.statistics.verdicts import Comparison, verdicts
from prunebench.analysis.tables import Table
from prunebench.analysis.tradeoff import DENSE
from prunebench.records.expected import expectation_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from prunebench.analysis.boards.grid import Place
    from prunebench.analysis.results import Results
    from prunebench.analysis.statistics.verdicts import Verdict
    from prunebench.analysis.tradeoff import Cells
    from prunebench.records.presentation import Expectation, Presentation

_ALPHA = 0.05
_ERROR = "square_slope_error"
_OPEN = "cannot tell"
"""Of a movement that is not established."""


@dataclass(frozen=True)
class _Quantity:
    """A number that is 0 where the law holds, or −1 of a slope, before and after the trainings."""

    begin: str
    end: str
    change: str
    """Metric of how its distance from the law changes; below 0 is towards it."""
    text: Callable[[float], str]
    digits: int = 2
    """Decimals of the change."""


_QUANTITIES = (
    _Quantity("square_slope_begin", "square_slope", "square_slope_error_change", "{:.2f}".format),
    _Quantity("square_spread_begin", "square_spread", "square_spread_change", texts.number),
    _Quantity("square_imbalance_begin", "square_imbalance", "square_imbalance_change", "{:.2f}".format, 3),
)
_HEADERS = (
    "method", "slope of w²", "distance from −1", "slope moves", "max/min total", "decades", "totals move", "imbalance",
    "change", "units move", "beyond dense", "slope by theory", "slope agrees", "n",
)  # fmt: skip
_LEGEND = (
    ("method", "with the density that it was asked for; w² is that of the weights that are left, pruned ones being 0"),
    (
        "slope of w²",
        "of log mean w² against log size, layer by layer: mean over repetitions at initialisation → after the last "
        "training; −1 is the inverse-size law",
    ),
    (
        "distance from −1",
        "mean change of |slope + 1| over repetitions, begin and end paired, ± half its 95 % t interval",
    ),
    (
        "slope moves",
        "towards or away from the law: the change is other than 0 (paired t test, 5 % for all methods of the table "
        "together, Holm); 'cannot tell' where that is not established. 'totals move' and 'units move' likewise",
    ),
    ("max/min total", "largest over smallest layer total of w², begin → end, means of repetitions; 1 is the law"),
    ("decades", "mean change of log10 of max/min total, likewise"),
    (
        "imbalance",
        "median over hidden units of |in − out| / (in + out), w² of the weights that feed a unit and that read it, "
        "begin → end; 0 is the law",
    ),
    ("change", "mean change of imbalance, likewise"),
    (
        "beyond dense",
        "distance of the slope from −1 at the end less that of the dense network of the same repetition, trained "
        "alike: mean ± half its 95 % t interval; below 0 is what pruning adds",
    ),
    ("slope by theory", "where the slope moves by theory; the number is that of the reason"),
    ("n", "repetitions with a value, of how many planned where those are more"),
)


def drift(suite: str, presentation: Presentation, results: Results) -> list[Table]:
    """One table a task: every method and density, from initialisation to the end of training."""
    groups: dict[tuple[str, str, str | None, str], list[Place]] = {}
    for place in places(suite, results):
        if place.recipe is not None:
            groups.setdefault((place.model, place.dataset, place.recipe, place.scale), []).append(place)
    tables = (_table(group, presentation.expectation) for group in groups.values())
    return [table for table in tables if table.rows]


def _table(group: Sequence[Place], expectations: Sequence[Expectation]) -> Table:
    found = {
        f"{method}{'' if place.density is None else f' · density {place.density:g}'}": cells
        for place in group
        for (method, _), cells in place.cells.items()
        if any(cells.records.values())
    }
    moves = [
        [_move(verdict) for verdict in verdicts([Comparison(_values(c, q.change)) for c in found.values()], margin=1.0)]
        for q in _QUANTITIES
    ]
    dense = next((cells for name, cells in found.items() if name == DENSE), None)
    rows, reasons, methods, holes = [], {}, [], []
    for place, (name, cells) in enumerate(found.items()):
        known = next(record for record in cells.records.values() if record is not None)
        fitting = expectation_of(known.row, expectations)
        theory, agreement = NONE, NONE
        if fitting is not None:
            number, expectation = fitting
            theory = f"{expectation.drift} ({number + 1})"
            reasons[f"({number + 1})"] = expectation.why
            agreement = _agreement(moves[0][place], str(expectation.drift))
        shown = [
            text
            for quantity, words in zip(_QUANTITIES, moves, strict=True)
            for text in (*_shown(cells, quantity), words[place])
        ]
        n = len(_values(cells, "square_slope"))
        planned = len(cells.records)
        count = str(n) if n == planned else f"{n}/{planned}"
        methods.append(known.row.method)
        holes.append(n < planned)
        rows.append((name, *shown, _beyond(cells, dense), theory, agreement, count))
    return Table(
        f"drift of w² while training · {replace(group[0], density=None).title}", _HEADERS, tuple(rows),
        (False, *(True, True, False) * 3, True, False, False, True), whole=True,
        legend=(*_LEGEND, *sorted(reasons.items())), dataset=group[0].dataset, methods=tuple(methods),
        holes=tuple(holes),
    )  # fmt: skip


def _beyond(cells: Cells, dense: Cells | None) -> str:
    """What the slope is closer to the law than that of the dense network."""
    if dense is None or cells is dense:
        return NONE
    mine, theirs = _measured(cells, _ERROR), _measured(dense, _ERROR)
    found = [mine[n] - theirs[n] for n in mine if n in theirs]
    return mean_text(found, signed=True) if found else NONE


def _agreement(word: str, theory: str) -> str:
    """What a movement says of theory: nothing where it is not established."""
    if word == _OPEN:
        return _OPEN
    return AS_EXPECTED if word == theory else NOT_AS_EXPECTED


def _move(verdict: Verdict) -> str:
    if verdict.p_difference is None or verdict.p_difference > _ALPHA or not verdict.mean:
        return _OPEN
    return "towards" if verdict.mean < 0 else "away"


def _shown(cells: Cells, quantity: _Quantity) -> tuple[str, str]:
    begin, end, changes = (_values(cells, name) for name in (quantity.begin, quantity.end, quantity.change))
    ends = f"{quantity.text(fmean(begin))} → {quantity.text(fmean(end))}" if begin and end else NONE
    return ends, mean_text(changes, quantity.digits, signed=True) if changes else NONE


def _values(cells: Cells, metric: str) -> tuple[float, ...]:
    return tuple(_measured(cells, metric).values())


def _measured(cells: Cells, metric: str) -> dict[int, float]:
    """By repetition, of all that were measured: what is dead in a network is in its numbers."""
    good = {n: record for n, record in sorted(cells.records.items()) if record is not None and record.status == "ok"}
    return {n: value for n, record in good.items() if (value := record.metrics.get(metric)) is not None}
