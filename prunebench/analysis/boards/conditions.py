"""Does a ticket win? The conditions of Ma et al. 2021, Sanity checks for lottery tickets, section 3.

Condition 1, a sparsity and a length of training that are of interest, is the reader's to judge; 2 to 5 are tested.
Where a comparison is with the best of several recipes, that is chosen on validation accuracy, never on test data: for 2
and 3 among those that differ from the ticket's in the learning rate alone, for 5 among all. Networks of the ticket's
total budget stand beside them and win nothing.
"""

from __future__ import annotations

import math
from dataclasses import replace
from statistics import fmean
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE, digits, measured, p_text, spread_text
from prunebench.analysis.boards.grid import places
from prunebench.analysis.boards.specs import but_for_rate, longer_dense, method_name
from prunebench.analysis.boards.winning import Condition, Side, best_prize, judge, prize
from prunebench.analysis.statistics.intervals import mean_interval
from prunebench.analysis.tables import Table
from prunebench.analysis.tuning import CRITERION, best_recipe

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prunebench.analysis.boards.grid import Place
    from prunebench.analysis.boards.winning import Judged
    from prunebench.analysis.results import Results
    from prunebench.analysis.tradeoff import Cells
    from prunebench.records.presentation import Presentation

DENSE, SMALL, FRESH, FRESH_LONG = "dense", "small-dense", "reinit", "reinit(long=true)"
"""Methods, and arms, that a ticket is compared with."""

_SAME_BUDGET = 0.01
"""Budgets that differ by at most this share are one."""

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
        long = [
            (of, cells)
            for place in group
            if place.density is None
            for (name, arm), cells in place.cells.items()
            if arm is None and (of := longer_dense(name)) is not None
        ]
        for density in dict.fromkeys(place.density for place in group if place.density is not None):
            here = [place for place in group if place.density == density]
            small = [place.of(SMALL, None) for place in here if (SMALL, None) in place.cells]
            if not dense and not small and not long:
                continue
            for method in dict.fromkeys(m for place in here for m, arm in place.cells if arm in {FRESH, FRESH_LONG}):
                tickets, fresh, fresh_long = (
                    [place.of(method, arm) for place in here if (method, arm) in place.cells]
                    for arm in (None, FRESH, FRESH_LONG)
                )
                margin = presentation.verdicts.margin_of(dataset)
                asked: list[Condition] = []
                for cells in tickets:
                    asked += _asked(cells, fresh, small, dense, metric, margin)
                    asked += _budgets(cells, fresh_long, _as_long(method, cells, long), metric, margin)
                if asked:
                    title = f"{method} · {here[0].model} · {dataset} · density {density:g} (sparsity {1 - density:.1%})"
                    found.append(_table((method, dataset), title, judge(asked), metric, margin))
    return found


def _asked(
    cells: Cells,
    fresh: Sequence[Cells],
    small: Sequence[Cells],
    dense: Sequence[Cells],
    metric: str,
    margin: float,
) -> Iterator[Condition]:
    """Conditions 2 to 5 of a ticket by one recipe."""
    ticket = _side(cells, metric)
    thin, new = (_best(_alike(cells, found), metric) for found in (small, fresh))
    same = _best([c for c in dense if c.recipe == cells.recipe], metric)
    yield Condition(2, cells.recipe, "beats small-dense", ticket, thin, margin)
    yield Condition(3, cells.recipe, "beats re-initialised", ticket, new, margin)
    yield Condition(4, cells.recipe, "matches dense", ticket, same, -margin)
    yield Condition(5, cells.recipe, "matches the best dense", ticket, _best(dense, metric), -margin)


def _budgets(
    cells: Cells, fresh: Sequence[Cells], dense: Cells | None, metric: str, margin: float
) -> Iterator[Condition]:
    """The ticket against networks that train, by its recipe, for as long as finding and training it took."""
    ticket = _side(cells, metric)
    for new in fresh:
        if new.recipe == cells.recipe:
            other = _side(new, metric)
            yield Condition(None, cells.recipe, "beats re-initialisation of equal total budget", ticket, other, margin)
    if dense is not None:
        other = _side(dense, metric)
        text = "matches the dense network of the ticket's total budget"
        yield Condition(None, cells.recipe, text, ticket, other, -margin)


def _alike(cells: Cells, found: Sequence[Cells]) -> list[Cells]:
    """Those by recipes that differ from the ticket's in the learning rate alone."""
    own = but_for_rate(cells.recipe)
    return [other for other in found if but_for_rate(other.recipe) == own]


def _as_long(method: str, cells: Cells, long: Sequence[tuple[str, Cells]]) -> Cells | None:
    """The longer dense training of the ticket's recipe and budget, that of its own method first.

    Budgets are `trainings`; of the ticket's own method one that is not measured yet counts as well.
    """
    spent = _trainings(cells)
    own = method_name(method)
    for of, other in sorted(long, key=lambda found: found[0] != own):
        if other.recipe != cells.recipe:
            continue
        took = _trainings(other)
        if spent is None or took is None:
            if of == own:
                return other
        elif math.isclose(spent, took, rel_tol=_SAME_BUDGET):
            return other
    return None


def _trainings(cells: Cells) -> float | None:
    found = [r.metrics.get("trainings") for r in cells.records.values() if r is not None]
    known = [value for value in found if value is not None]
    return fmean(known) if known else None


def _best(candidates: Sequence[Cells], metric: str) -> Side:
    """The candidate with the best mean validation accuracy."""
    if not candidates:
        return Side(None, {}, why="not in this run")
    first = next((r.row for cells in candidates for r in cells.records.values() if r is not None), None)
    if first is None:
        return Side(None, {}, why="not measured yet")
    chosen = candidates[0]
    if any(cells.recipe != chosen.recipe for cells in candidates):
        measured = {r.row: r for cells in candidates for r in cells.records.values() if r is not None}
        rows = [
            replace(first, recipe=cells.recipe, repetition=n) if record is None else record.row
            for cells in candidates
            for n, record in cells.records.items()
        ]
        recipe = best_recipe(rows, measured)
        chosen = next(cells for cells in candidates if cells.recipe == recipe)
    judged = any(r is not None and r.metrics.get(CRITERION) is not None for r in chosen.records.values())
    if len(candidates) > 1 and not judged:
        return Side(None, {}, why="no validation accuracy to choose a recipe by")
    return _side(chosen, metric)


def _side(cells: Cells, metric: str) -> Side:
    return Side(cells.recipe, cells.values(metric), len(cells.records), cells.count("collapsed"))


def _table(
    about: tuple[str, str], title: str, judged: Sequence[Judged], metric: str, margin: float
) -> Table:  # fmt: skip
    """The conditions of one method on one dataset."""
    size = digits(metric)
    rows: list[tuple[str, ...]] = []
    prizes = []
    for recipe in dict.fromkeys(one.condition.recipe for one in judged):
        own = [one for one in judged if one.condition.recipe == recipe]
        rows += [_row(one, size) for one in own]
        prizes.append(prize({n: one.answer for one in own if (n := one.condition.number) is not None}))
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
        dataset=about[1],
        methods=(about[0],) * len(rows),
    )


_LEGEND = (
    (
        "condition",
        "the ticket's recipe · what is asked of it, and by which recipe the other network was trained: of several, the "
        "one with the highest mean validation accuracy, for 2 and 3 among those that differ from the ticket's in lr "
        "alone, for 5 among all; 4 is about the ticket's own. Numbers are those of Ma et al. 2021, section 3; lines "
        "without one are about networks that train by the ticket's recipe for as long as finding and training it took, "
        "and win no prize. Their 1, a sparsity (60 % and more) and a number of epochs that are of interest, is for the "
        "reader to judge. 'beats': the mean gap exceeds the margin. 'matches': it is above −margin (non-inferiority). "
        "Their margins: 0.5 points for CIFAR-10, 1 for CIFAR-100 and Tiny-ImageNet, 1.5 for ImageNet",
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
    text = condition.text if condition.number is None else f"{condition.number} {condition.text}"
    return (
        f"{condition.recipe} · {text}{against}",
        *((f"{fmean(side):.{size}f}" for side in zip(*pairs, strict=True)) if pairs else (NONE, NONE)),
        spread_text(mean.value if mean else None, interval, size),
        p_text(one.p),
        str(len(pairs)) if len(pairs) == planned else f"{len(pairs)}/{planned}",
        answer,
    )
