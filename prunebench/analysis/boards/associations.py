"""Does what pruning costs at once go with what becomes of the network? Over configurations of one task and density."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE, p_text
from prunebench.analysis.boards.configurations import header
from prunebench.analysis.boards.grid import places
from prunebench.analysis.statistics import association as statistics
from prunebench.analysis.statistics.association import FEWEST, mean
from prunebench.analysis.statistics.holm import adjusted
from prunebench.analysis.tables import Table
from prunebench.records.facets import is_control

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from prunebench.analysis.boards.grid import Place
    from prunebench.analysis.results import Results
    from prunebench.analysis.statistics.association import Association, Means
    from prunebench.analysis.statistics.resampling import Bootstrap
    from prunebench.analysis.tradeoff import Cells
    from prunebench.records.presentation import Association as Asked
    from prunebench.records.presentation import Presentation

_NO_WIDTH = 1e-12
"""Of the interval of points that lie on a line, apart from rounding."""
_HEADERS = ("association", "τ 95%", "p", "p, Holm", "Spearman 95%", "Pearson, linear", "configs")
_LEGEND = (
    (
        "association",
        "x ~ y, over means of configurations: methods with their parameters that are no controls, at one density; "
        "whole filters end with at most its count of weights. Equal networks count once. Runs are no points of their "
        "own: they are alike within a configuration",
    ),
    (
        "τ 95%",
        "Kendall's τ-b, pairs of configurations that agree in order less those that do not over all, ties apart; "
        "[percentile interval, 1000 resamples of configurations with all of their runs]. No interval where all agree",
    ),
    ("p", "chance of such a τ if there is no association (exact without ties), not adjusted"),
    (
        "p, Holm",
        "the first row is the suite's question and stands by itself; the others are adjusted by Holm over each other",
    ),
    ("Spearman 95%", "correlation of ranks, with its interval likewise"),
    ("Pearson, linear", "correlation, of a linear association only, with its interval likewise"),
    ("configs", f"configurations with both values, of how many measured where those are more; below {FEWEST} none"),
)


def associations(suite: str, presentation: Presentation, results: Results) -> list[Table]:
    """One table a task and density that has configurations: every x with every y.

    Methods whose density is their outcome have counts of their own and are no configurations.
    """
    asked = presentation.association
    assert asked is not None, "the section needs [association]"
    controls = cache(lambda method: is_control(method, asked.exclude))
    tables = []
    for place in places(suite, results):
        if place.density is None:
            continue
        if found := configured(place, asked, controls):
            tables.append(_table(place, found, asked))
    return tables


def configured(place: Place, asked: Asked, controls: Callable[[str], bool]) -> dict[str, Cells]:
    """The configurations of a place: methods that have records and are no `controls`, equal ones once."""
    found = {
        method: cells for method, cells in place.methods.items() if not controls(method) and any(cells.records.values())
    }
    return _different(found, (*asked.x, *asked.y))


def _different(methods: Mapping[str, Cells], metrics: Sequence[str]) -> dict[str, Cells]:
    """Methods whose runs are not those of one before, as of filters at random whatever says which are important."""
    found: dict[str, Cells] = {}
    seen: list[list[Mapping[int, float]]] = []
    for method, cells in methods.items():
        runs = [cells.values(metric) for metric in metrics]
        if not (all(runs) and runs in seen):
            seen.append(runs)
            found[method] = cells
    return found


def _table(place: Place, methods: Mapping[str, Cells], asked: Asked) -> Table:
    if len(methods) < FEWEST:
        few = f"{len(methods)} configuration{'s' * (len(methods) != 1)}: fewer than {FEWEST} decide nothing"
        return Table(f"associations · {place.title} — {few}", ("association",), ())
    pairs = _means(list(methods.values()), asked)
    found = dict(zip(pairs, statistics.associations(list(pairs.values())), strict=True))
    p = [one.p for one in found.values()]
    p = [*p[:1], *_adjusted(p[1:])] if next(iter(found), None) == (asked.x[0], asked.y[0]) else _adjusted(p)
    rows = [_row(pair, one, p_all, len(methods)) for (pair, one), p_all in zip(found.items(), p, strict=True)]
    noted = any(one.reason for one in found.values())
    many = f"{len(methods)} configuration{'s' * (len(methods) != 1)}"
    return Table(
        f"associations · {place.title} — {many}" + ("" if rows else ", none with both values of any pair"),
        (*_HEADERS, *(["note"] if noted else [])),
        tuple(row if noted else row[:-1] for row in rows),
        (False, *(True,) * (len(_HEADERS) - 1), *([False] if noted else [])),
        whole=True,
        legend=_LEGEND,
        dataset=place.dataset,
    )


def _means(configurations: Sequence[Cells], asked: Asked) -> dict[tuple[str, str], tuple[Means, Means]]:
    """By pair of metrics, x and y by configuration: means over the runs that have both, where some have."""
    values = [{metric: cells.values(metric) for metric in (*asked.x, *asked.y)} for cells in configurations]
    known = [{metric: _mean(own, own) for metric, own in of.items() if own} for of in values]

    def both(i: int, x: str, y: str) -> tuple[float, float] | None:
        of_x, of_y = values[i][x], values[i][y]
        if of_x.keys() == of_y.keys():
            return (known[i][x], known[i][y]) if of_x else None
        shared = of_x.keys() & of_y.keys()
        return (_mean(of_x, shared), _mean(of_y, shared)) if shared else None

    found = {}
    for x in asked.x:
        for y in asked.y:
            if means := [pair for i in range(len(configurations)) if (pair := both(i, x, y))]:
                of_x, of_y = zip(*means, strict=True)
                found[x, y] = of_x, of_y
    return found


def _mean(values: Mapping[int, float], repetitions: Iterable[int]) -> float:
    return mean(values[n] for n in sorted(repetitions))


def runs_of(configurations: Sequence[Cells], x: str, y: str) -> list[list[tuple[float, float]]]:
    """The runs of each configuration that have both values."""
    pairs = ((cells.values(x), cells.values(y)) for cells in configurations)
    runs = ([(of_x[n], of_y[n]) for n in sorted(of_x) if n in of_y] for of_x, of_y in pairs)
    return [cluster for cluster in runs if cluster]


def _adjusted(p: Sequence[float | None]) -> list[float | None]:
    """Holm over those that there are."""
    import numpy as np

    known = iter(adjusted(np.array([value for value in p if value is not None])).tolist())
    return [None if value is None else next(known) for value in p]


def _row(pair: tuple[str, str], found: Association, p_all: float | None, measured: int) -> tuple[str, ...]:
    return (
        " ~ ".join(header(metric) for metric in pair),
        _interval(found.tau),
        p_text(found.p),
        p_text(p_all),
        _interval(found.spearman),
        _interval(found.pearson),
        str(found.n) if found.n == measured else f"{found.n}/{measured}",
        _note(pair, found.reason),
    )


def _interval(found: Bootstrap | None) -> str:
    if found is None:
        return NONE
    shown = [f"{round(value, 2) + 0.0:.2f}" for value in (found.value, found.low, found.high)]
    return shown[0] if found.high - found.low < _NO_WIDTH else f"{shown[0]} [{shown[1]}, {shown[2]}]"


def _note(pair: tuple[str, str], reason: str) -> str:
    for place, metric in zip(("first", "second"), pair, strict=True):
        reason = reason.replace(f"the {place} is", f"{header(metric)} is")
    return reason
