"""Verdicts that came out otherwise."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import p_text
from prunebench.analysis.boards.pairs import families
from prunebench.analysis.comparison.sampled import LEVEL
from prunebench.analysis.comparison.states import Item, State
from prunebench.analysis.statistics.discoveries import discovery_rates
from prunebench.analysis.statistics.pooling import pooled_tests

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prunebench.analysis.boards.pairs import Contrast, Family
    from prunebench.analysis.comparison.sides import Side
    from prunebench.analysis.statistics.verdicts import Verdict
    from prunebench.records.presentation import Presentation

_Key = tuple[str, str, str | None, float | None, str, str]
"""Model, dataset, recipe, density, method, arm."""


@dataclass(frozen=True)
class _Both:
    """A contrast on both sides, with its differences of differences."""

    family: Family
    contrast: Contrast
    old: Verdict
    new: Verdict
    changes: Mapping[int, float]
    """Reference − arm, new less old, by repetition."""


def changed_verdicts(suite: str, presentation: Presentation, old: Side, new: Side) -> list[Item]:
    """Contrasts whose verdict is another now; one gates where the difference under it changed significantly.

    Both sides are judged by the same rules. Spreads are pooled over all contrasts of a task, and the false discovery
    rate is kept over all contrasts of the suite: those whose verdict changed were chosen by how much they moved, and
    among them alone noise would be called a change too often.
    """
    if presentation.verdicts is None:
        return []
    mine, theirs = _judged(suite, presentation, old), _judged(suite, presentation, new)
    both = {
        key: _Both(theirs[key][0], theirs[key][1], mine[key][2], theirs[key][2], _changes(mine[key][1], theirs[key][1]))
        for key in mine
        if key in theirs
    }
    p: dict[_Key, float] = {}
    pools: dict[tuple[str, str, str | None], list[_Key]] = defaultdict(list)
    for key, found in both.items():
        if any(found.changes.values()):
            pools[key[:3]].append(key)
    for pool in pools.values():
        tests = pooled_tests([both[key].changes for key in pool])
        p |= {key: test.p for key, test in zip(pool, tests, strict=True) if test.p is not None}
    changed = [key for key, found in both.items() if found.old.text != found.new.text]
    rates = dict(zip(p, discovery_rates(list(p.values())), strict=True))
    return [_item(both[key], rates.get(key), suite, new) for key in changed]


def _judged(suite: str, presentation: Presentation, side: Side) -> dict[_Key, tuple[Family, Contrast, Verdict]]:
    return {
        (family.place.model, family.place.dataset, family.place.recipe, family.place.density, method, arm): (
            family, contrast, verdict
        )
        for family in families(suite, presentation, side.results)
        for (method, arm), (contrast, verdict) in family.judged.items()
        if not contrast.absent
    }  # fmt: skip


def _changes(old: Contrast, new: Contrast) -> dict[int, float]:
    pairs = ((n, old.pairs[n], new.pairs[n]) for n in new.pairs if n in old.pairs)
    return {n: (c - d) - (a - b) for n, (a, b), (c, d) in pairs}


def _item(found: _Both, rate: float | None, suite: str, new: Side) -> Item:
    place, contrast = found.family.place, found.contrast
    check = next(
        task[0]
        for task, method, arm in new.records[suite]
        if (task[1:], method, arm) == ((place.model, place.dataset, place.recipe), contrast.method, contrast.arm)
    )
    gates = rate is not None and rate <= LEVEL
    why = "no difference to test" if rate is None else f"adjusted p {p_text(rate)} of the difference under it"
    at = "" if place.density is None else f"d={place.density:g}: "
    return Item(
        (check, place.model, place.dataset, place.recipe), contrast.method, contrast.arm, "verdict",
        State.CHANGED if gates else State.DRIFT, gates, found.old.mean, found.new.mean,
        f"{at}{found.old.text} → {found.new.text}; {why}",
    )  # fmt: skip
