"""Where a contrast turns: along the fraction of weights that is pruned, the difference's sign, and where it changes.

For a metric, a contrast a − b and repetition r, D_r(f) is the difference at the fraction f = 1 − density, linear
between fractions that were measured; repetitions count that have a pair at every fraction that any has. It begins at
the lowest fraction whose mean difference is other than zero: paired t tests at all fractions, at 5 % by Holm. Below,
the sign of the mean is anybody's guess. From there on, the turning point is the fraction at which the mean over
repetitions first reaches zero. Its 95 % interval inverts the paired t test, as that of a compression at which a point
is lost: from the first fraction at which the mean cannot be told from zero to the first from which on it has the other
sign. Repetitions are few, and percentiles of resamples of few repetitions cover too little.
"""

from __future__ import annotations

import math
import sys
from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE, mean_text, measured
from prunebench.analysis.boards.columns import percent
from prunebench.analysis.boards.contrasts import compared_once, metrics, own_densities, pairs_at, size_of
from prunebench.analysis.boards.grid import places
from prunebench.analysis.curves import first_crossing
from prunebench.analysis.statistics.verdicts import decide
from prunebench.analysis.tables import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from prunebench.analysis.boards.grid import Place
    from prunebench.analysis.boards.pairs import Contrast
    from prunebench.analysis.results import Results
    from prunebench.records.presentation import Presentation

    Floats = NDArray[np.float64]
    Line = Mapping[float, Contrast]
    """One contrast by fraction pruned, ascending."""

_ALPHA = 0.05
_LEGEND = (
    (
        "contrast",
        "what is compared · a − b; columns are fractions of weights pruned: mean difference ± half its 95 % t interval "
        "over repetitions, (k/n) where only k of n are pairs",
    ),
    (
        "from",
        "sign of the difference at the lowest fraction pruned where it is other than 0 (paired t tests at all "
        "fractions, 5 % by Holm), over repetitions that have a pair at every fraction",
    ),
    (
        "turns at",
        "fraction above that one at which the mean difference first is 0, linear between fractions, [95 % interval: "
        "from where the mean cannot be told from 0 to where it has the other sign, by paired t tests]; > where that is "
        "beyond the last fraction; 'none up to': the mean keeps its sign; 'cannot tell': no difference is other than "
        "0, and where the mean changes its sign all the same",
    ),
)


def turning(suite: str, presentation: Presentation, results: Results) -> list[Table]:
    """One table a task and metric, where a contrast has two fractions."""
    found = list(by_fraction(suite, presentation, results))
    points = iter(turning_points([line for _, _, lines in found for line in lines.values()]))
    return [_table(place, metric, lines, [next(points) for _ in lines]) for place, metric, lines in found]


def by_fraction(
    suite: str, presentation: Presentation, results: Results
) -> Iterator[tuple[Place, str, dict[str, dict[float, Contrast]]]]:
    """Of every task and metric, the contrasts that have two fractions; the place is the task's first."""
    assert presentation.verdicts is not None, "the section needs [verdicts]"
    every = places(suite, results)
    beside_of = own_densities(every)
    among = compared_once()
    tasks: dict[tuple[str, str, str | None, str], list[Place]] = {}
    for place in every:
        if place.density is not None:
            tasks.setdefault(place.task, []).append(place)
    for task in tasks.values():
        if len(task) < 2:
            continue
        pairs = [
            (asked, [(_pruned(place), pairs_at(place, beside_of(place), asked, among)) for place in task])
            for asked in presentation.contrast
        ]
        for metric in metrics(presentation.verdicts, presentation.contrast):
            lines: dict[str, dict[float, Contrast]] = {}
            for asked, at in pairs:
                if metric in (asked.metrics or [presentation.verdicts.metric]):
                    for fraction, found in at:
                        for pair in found:
                            contrast = pair.contrast(metric)
                            lines.setdefault(contrast.name, {})[fraction] = contrast
            lines = {name: line for name, line in lines.items() if len(line) > 1}
            if any(pair.pairs for line in lines.values() for pair in line.values()):
                yield task[0], metric, lines


def _pruned(place: Place) -> float:
    """Fraction pruned; ten digits are exact, as densities are."""
    return round(1 - (place.density or 0.0), 10)


def _table(place: Place, metric: str, lines: Mapping[str, Line], points: Sequence[tuple[str, str, int]]) -> Table:
    fractions = sorted({fraction for line in lines.values() for fraction in line})
    size = size_of(metric, [pair for line in lines.values() for pair in line.values()])
    rows = []
    for (name, line), (start, turn, n) in zip(lines.items(), points, strict=True):
        rows.append((name, *(_difference(line.get(fraction), size) for fraction in fractions), start, turn, str(n)))
    return Table(
        f"turning points · {replace(place, density=None).title} — {measured(metric)} by fraction pruned",
        ("contrast", *(percent(fraction) for fraction in fractions), "from", "turns at", "n"),
        tuple(rows),
        (False, *(True,) * len(fractions), False, False, True),
        whole=True,
        legend=_LEGEND,
        dataset=place.dataset,
        methods=tuple(next(iter(line.values())).about for line in lines.values()),
    )


def turning_point(line: Line) -> tuple[str, str, int]:
    """Where a contrast begins, where it turns, and of how many repetitions: in words."""
    (found,) = turning_points([line])
    return found


def turning_points(lines: Sequence[Line]) -> list[tuple[str, str, int]]:
    """`turning_point` of many lines, of which those with as many fractions and repetitions are tested together."""
    import numpy as np

    found: list[tuple[str, str, int]] = []
    fractions: list[list[float]] = []
    alike: dict[tuple[int, int], list[int]] = {}
    differences: list[list[list[float]]] = []
    for i, line in enumerate(lines):
        known = {fraction: pair.pairs for fraction, pair in sorted(line.items()) if pair.pairs}
        complete = sorted(set.intersection(*(set(pairs) for pairs in known.values()))) if known else []
        n = len(complete)
        why = "fewer than two fractions" if len(known) < 2 else "" if n else "no repetition has all fractions"
        if not why:
            alike.setdefault((n, len(known)), []).append(i)
        found.append((NONE, why, n))
        fractions.append(list(known))
        differences.append([[a - b for a, b in (pairs[n] for pairs in known.values())] for n in complete])
    for (n, _), group in alike.items():
        values = np.array([differences[i] for i in group])
        means = values.mean(axis=1)
        told = np.zeros(means.shape, dtype=bool)
        if n > 1:
            spread = values.std(axis=1, ddof=1)
            tested = decide(means, spread, np.full(means.shape, n), sys.float_info.min, _ALPHA)
            told = tested.p_difference <= _ALPHA
        for i, own, mean, first in zip(group, values, means, told, strict=True):
            found[i] = (*_point(fractions[i], own, mean, np.flatnonzero(first).tolist()), n)
    return found


def _point(fractions: Sequence[float], differences: Floats, means: Floats, told: Sequence[int]) -> tuple[str, str]:
    """Where a contrast of `[repetitions, fractions]` begins and turns, `told` which means are not zero."""
    import numpy as np

    if not told:
        return NONE, _untold(fractions, means.tolist())
    sign = math.copysign(1.0, means[told[0]])
    start = f"{'+' if sign > 0 else '−'} {percent(fractions[told[0]])}"
    x = np.array(fractions[told[0] :])
    if len(x) == 1:
        return start, f"none up to {percent(fractions[-1])}"
    turn, interval = first_crossing(x, -sign * differences[:, told[0] :])
    assert interval is not None, "of one repetition no difference is told from zero"
    return start, _turned(turn, *interval, fractions[-1])


def _turned(turn: float, low: float, high: float, last: float) -> str:
    text = f"none up to {percent(last)}" if math.isinf(turn) else f"{_percents(turn)} %"
    return text if low == high else f"{text} [{_percents(low)}, {_percents(high, last)}]"


def _percents(fraction: float, last: float = 1.0) -> str:
    """Three digits, five of what leaves less than one in a hundred weights."""
    return f"> {100 * last:.4g}" if math.isinf(fraction) else f"{100 * fraction:.{3 if fraction < 0.99 else 5}g}"


def _untold(fractions: Sequence[float], means: Sequence[float]) -> str:
    """Between which fractions the mean changes its sign, though no difference is other than zero."""
    signs = [(fraction, mean) for fraction, mean in zip(fractions, means, strict=True) if mean]
    changes = [f"{percent(a)} and {percent(b)}" for (a, left), (b, right) in pairwise(signs) if left * right < 0]
    return f"cannot tell: the mean changes its sign between {', '.join(changes)}" if changes else "cannot tell"


def _difference(pair: Contrast | None, size: int) -> str:
    if pair is None or not pair.pairs:
        return NONE
    short = f" ({pair.n})" if len(pair.pairs) < pair.planned else ""
    return mean_text(pair.differences, size, signed=True) + short
