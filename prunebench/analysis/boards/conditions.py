"""Does a ticket win? The conditions of Ma et al. 2021, Sanity checks for lottery tickets, section 3.

Condition 1, a sparsity and a length of training that are of interest, is the reader's to judge; 2 to 5 are tested.
Where a comparison is with the best of several recipes, that is chosen on validation accuracy, never on test data.
"""

from __future__ import annotations

from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE
from prunebench.analysis.boards.pairs import digits, measured, p_text, places, spread_text
from prunebench.analysis.boards.winning import Condition, Side, best_prize, judge, prize
from prunebench.analysis.statistics.intervals import mean_interval
from prunebench.analysis.tables import Table
from prunebench.analysis.tuning import CRITERION, best_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prunebench.analysis.boards.pairs import Place
    from prunebench.analysis.boards.winning import Judged
    from prunebench.analysis.results import Results
    from prunebench.analysis.tradeoff import Cells
    from prunebench.records.suite import Presentation

DENSE, SMALL, FRESH = "dense", "small-dense", "reinit"
"""Methods, and the arm, that a ticket is compared with."""

_ANY = "any recipe"


def conditions(suite: str, presentation: Presentation, results: Results) -> list[Table]:
    """One table a model, dataset, density and method with re-initialised tickets, where dense networks are there."""
    assert presentation.verdicts is not None, "the section needs [verdicts]"
    metric = presentation.verdicts.metric
    groups: dict[tuple[str, str, str], list[Place]] = {}
    for place in places(suite, results):
        groups.setdefault((place.model, place.dataset, place.scale), []).append(place)
    found = []
    for (_, dataset, _), group in groups.items():
        dense = [place.of(DENSE, None) for place in group if (DENSE, None) in place.cells]
        for density in dict.fromkeys(place.density for place in group if place.density is not None):
            here = [place for place in group if place.density == density]
            small = [place.of(SMALL, None) for place in here if (SMALL, None) in place.cells]
            if not dense and not small:
                continue
            for method in dict.fromkeys(m for place in here for m, arm in place.cells if arm == FRESH):
                tickets = [place.of(method, None) for place in here if (method, None) in place.cells]
                fresh = [place.of(method, FRESH) for place in here if (method, FRESH) in place.cells]
                margin = presentation.verdicts.margin_of(dataset)
                asked = list(_asked(tickets, fresh, small, dense, metric, margin))
                if asked:
                    title = f"{method} · {here[0].model} · {dataset} · density {density:g} (sparsity {1 - density:.1%})"
                    found.append(_table(title, judge(asked), metric, margin))
    return found


def _asked(
    tickets: Sequence[Cells],
    fresh: Sequence[Cells],
    small: Sequence[Cells],
    dense: Sequence[Cells],
    metric: str,
    margin: float,
) -> Iterator[Condition]:
    """Conditions 2 to 5 of every recipe by which the ticket is trained."""
    thin, new, full = (_best(cells, metric) for cells in (small, fresh, dense))
    for cells in tickets:
        ticket = _side(cells, metric)
        same = next((_side(c, metric) for c in dense if c.recipe == cells.recipe), None)
        none = Side(None, {}, why="not in this run")
        yield Condition(2, cells.recipe, "beats small-dense", ticket, thin, margin)
        yield Condition(3, cells.recipe, "beats re-initialised", ticket, new, margin)
        yield Condition(4, cells.recipe, "matches dense", ticket, same or none, -margin)
        yield Condition(5, cells.recipe, "matches the best dense", ticket, full, -margin)


def _best(candidates: Sequence[Cells], metric: str) -> Side:
    """The candidate with the best mean validation accuracy."""
    if not candidates:
        return Side(None, {}, why="not in this run")
    measured = {r.row: r for cells in candidates for r in cells.records.values() if r is not None}
    if not measured:
        return Side(None, {}, why="not measured yet")
    any_row = next(iter(measured))
    rows = [replace(any_row, recipe=cells.recipe, repetition=n) for cells in candidates for n in cells.records]
    recipe = best_recipe(rows, measured)
    chosen = next(cells for cells in candidates if cells.recipe == recipe)
    judged = any(r is not None and r.metrics.get(CRITERION) is not None for r in chosen.records.values())
    if len(candidates) > 1 and not judged:
        return Side(None, {}, why="no validation accuracy to choose a recipe by")
    return _side(chosen, metric)


def _side(cells: Cells, metric: str) -> Side:
    return Side(cells.recipe, cells.values(metric), len(cells.records), cells.count("collapsed"))


def _table(title: str, judged: Sequence[Judged], metric: str, margin: float) -> Table:
    size = digits(metric)
    rows: list[tuple[str, ...]] = []
    prizes = []
    for recipe in dict.fromkeys(one.condition.recipe for one in judged):
        own = [one for one in judged if one.condition.recipe == recipe]
        rows += [_row(one, size) for one in own]
        prizes.append(prize({one.condition.number: one.answer for one in own}))
        rows.append((f"{recipe} · together", *[NONE] * 5, prizes[-1]))
    if len(prizes) > 1:
        rows.append((f"{_ANY} · together", *[NONE] * 5, best_prize(prizes)))
    return Table(
        f"does the ticket win? · {title} — {measured(metric)}, margin {margin:g}",
        ("condition", "ticket", "other", "gap 90%", "p", "n", "answer"),
        tuple(rows),
        (False, True, True, True, True, True, False),
        whole=True,
        legend=_LEGEND,
    )


_LEGEND = (
    (
        "condition",
        "the ticket's recipe · what is asked of it, and by which recipe the other network was trained: of several, the "
        "one with the highest mean validation accuracy, but for 4, which is about the ticket's own. Numbers are those "
        "of Ma et al. 2021, section 3; their 1, a sparsity (60 % and more) and a number of epochs that are of "
        "interest, is for the reader to judge. 'beats': the mean gap exceeds the margin. 'matches': it is above "
        "−margin (non-inferiority). Their margins: 0.5 points for CIFAR-10, 1 for CIFAR-100 and Tiny-ImageNet, 1.5 for "
        "ImageNet",
    ),
    (
        "gap 90%",
        "mean of ticket − other over the repetitions that both have ± half its 90 % t interval, not adjusted",
    ),
    (
        "p",
        "of the answer, or of the nearer one: one-sided t tests above and below the threshold, adjusted by Holm "
        "over the table, each side by itself",
    ),
    (
        "answer",
        "at 5 % familywise. together: jackpot, conditions 2 to 5 hold with one recipe; secondary prize, all but "
        "the best dense network; neither, one of 2 to 4 does not hold",
    ),
)


def _row(one: Judged, size: int) -> tuple[str, ...]:
    condition, pairs = one.condition, one.condition.pairs
    mean = mean_interval(condition.differences, 0.9) if pairs else None
    half = mean.half_width if mean else None
    interval = (mean.value - half, mean.value + half) if mean and half is not None else None
    against = f" by {condition.other.recipe}" if condition.other.recipe else ""
    planned = condition.ticket.planned
    dead = condition.ticket.collapsed or condition.other.collapsed
    if pairs:
        answer = f"{one.answer}, where it has a path" if dead else one.answer
    else:
        answer = condition.other.why or ("no pair: networks collapsed" if dead else "not measured yet")
    return (
        f"{condition.recipe} · {condition.number} {condition.text}{against}",
        *((f"{fmean(side):.{size}f}" for side in zip(*pairs, strict=True)) if pairs else (NONE, NONE)),
        spread_text(mean.value if mean else None, interval, size),
        p_text(one.p),
        str(len(pairs)) if len(pairs) == planned else f"{len(pairs)}/{planned}",
        answer,
    )
