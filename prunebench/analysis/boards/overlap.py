"""How much of the mask stays the same: between an arm and its reference, and between seeds."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE
from prunebench.analysis.boards.grid import places
from prunebench.analysis.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from prunebench.analysis.boards.grid import Place
    from prunebench.analysis.results import Results
    from prunebench.analysis.tradeoff import Cells
    from prunebench.records.presentation import Presentation

_SEEDS = "between seeds"
_HEADERS = ("masks of", "IoU", "lowest", "highest", "by chance", "n")
_NUMERIC = (False, *(True,) * 5)
_LEGEND = (
    (
        "masks of",
        "method · arm, against the ticket that the arm is compared with; arms that leave every mask as it is "
        "share a row. 'between seeds': the untouched masks of one repetition against those of the one before, of "
        "another initialisation",
    ),
    (
        "IoU",
        "intersection over union, weights that both masks keep over weights that either keeps: mean over "
        "repetitions, with the lowest and the highest",
    ),
    (
        "by chance",
        "of masks drawn uniformly with the same counts by layer: the expected intersection over the rest",
    ),
)


def overlap(suite: str, presentation: Presentation, results: Results) -> list[Table]:  # noqa: ARG001
    """One table a task and density: intersection over union of masks, beside what chance gives."""
    rows = ((place, tuple(_rows(place))) for place in places(suite, results))
    return [
        Table(
            f"overlap of masks · {place.title}", _HEADERS, tuple(row for _, row in own), _NUMERIC, whole=True,
            legend=_LEGEND, dataset=place.dataset, methods=tuple(method for method, _ in own),
        )
        for place, own in rows
        if own
    ]  # fmt: skip


def _rows(place: Place) -> Iterator[tuple[str, tuple[str, ...]]]:
    """By method: seeds, arms that change the mask, and in one row those that never do."""
    arms = place.arms()
    for method in dict.fromkeys(method for method, _ in place.cells):
        seeds = _overlaps(place.of(method, None), "overlap_seeds")
        if seeds:
            yield method, _row(f"{method} · {_SEEDS}", seeds)
        same: dict[str, list[tuple[float, float | None]]] = {}
        for own, arm in arms:
            if own != method or not (known := _overlaps(place.of(own, arm), "overlap")):
                continue
            if all(value == 1 for value, _ in known):
                same[arm] = known
            else:
                yield method, _row(f"{method} · {arm}", known)
        if same:
            yield method, _row(f"{method} · {', '.join(same)}", [pair for known in same.values() for pair in known])


def _overlaps(cells: Cells, metric: str) -> list[tuple[float, float | None]]:
    """Each repetition's overlap, and that of random masks; none of a first seed, or of dense networks."""
    records = [r for r in cells.records.values() if r is not None and r.status == "ok"]
    known = [(value, r.metrics.get("overlap_chance")) for r in records if (value := r.metrics.get(metric)) is not None]
    return [] if all(chance == 1 for _, chance in known) else known


def _row(name: str, known: Sequence[tuple[float, float | None]]) -> tuple[str, ...]:
    values = [value for value, _ in known]
    by_chance = [value for _, value in known if value is not None]
    chance = f"{fmean(by_chance):.3f}" if by_chance else NONE
    return name, f"{fmean(values):.3f}", f"{min(values):.3f}", f"{max(values):.3f}", chance, str(len(values))
