"""Methods that differ in one facet, paired by repetition: how much of a metric the facet makes."""

from __future__ import annotations

import sys
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE, decimals, digits, in_points, mean_text, measured, p_text
from prunebench.analysis.boards.grid import NOT_YET, absent, places
from prunebench.analysis.boards.pairs import PAIRS, Contrast, Family, judge
from prunebench.analysis.boards.verdicts import WORDS, dead, worded
from prunebench.analysis.tables import Table
from prunebench.records.facets import compared

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from prunebench.analysis.boards.grid import Place
    from prunebench.analysis.results import Results
    from prunebench.analysis.statistics.verdicts import Verdict
    from prunebench.analysis.tradeoff import Cells
    from prunebench.records.presentation import Contrast as Asked
    from prunebench.records.presentation import Presentation, Verdicts

    Among = Callable[[Iterable[str], Asked, Iterable[str]], Sequence[tuple[str, str]]]
    """The pairs of a contrast among some methods and others."""

_ANY = sys.float_info.min
"""The margin of a metric that has none: any difference is of interest."""
_DEAD = "no path, a and b"
_LEGEND = (
    (
        "contrast",
        "what is compared · a − b: methods that differ in that alone. A b whose density is its own, as dense, stands "
        "beside every density",
    ),
    ("a, b", "mean over the pairs"),
    ("a−b 95%", "mean difference over the pairs ± half its 95 % t interval, not adjusted for the number of tests"),
    (
        "p ≠0",
        "chance of such a difference if the true one is 0 (paired t test), adjusted by Holm over the tested rows of "
        "the same question, that is the same name before the dot",
    ),
    ("n", PAIRS),
)
_EQUIVALENCE = (
    "p <m",
    "chance of so small a difference if the true one is as large as the margin (two one-sided t tests, TOST), "
    "adjusted likewise",
)
_WITHOUT_MARGIN = (("differs", "other than 0 (5 % familywise); the metric has no margin"),)
_COLLAPSED = (_DEAD, "repetitions whose network has no path of kept weights from input to output: in no mean")


@dataclass(frozen=True)
class Contrasted:
    """The contrasts of one task, density and metric, those of a name judged together."""

    families: tuple[Family, ...]
    margin: float | None
    """Of the suite's verdicts where the metric is that of theirs, or in points as theirs is; None of others."""

    def said(self, contrast: Contrast, verdict: Verdict, size: int) -> str:
        """The verdict, or why there is none; what an open one would take."""
        if not contrast.pairs:
            if contrast.absent:
                return contrast.absent
            why = "networks collapsed" if any(contrast.collapsed) else "no repetition has both values"
            return f"no pair: {why}"
        text = worded(verdict, size)
        if self.margin is None:
            text = {"depends": "differs", "does not depend": "equal"}.get(text, text)
        return f"{text}, where both have a path" if any(contrast.collapsed) else text


def contrasts(suite: str, presentation: Presentation, results: Results) -> list[Table]:
    """One table a task, density and metric: every contrast that the run has methods for."""
    return [_table(found) for found in contrasted(suite, presentation, results)]


def contrasted(suite: str, presentation: Presentation, results: Results) -> list[Contrasted]:
    """The contrasts of every task and density, metric by metric."""
    assert presentation.verdicts is not None, "the section needs [verdicts]"
    found = []
    every = places(suite, results)
    beside_of = own_densities(every)
    among = compared_once()
    for place in every:
        pairs = [(asked, pairs_at(place, beside_of(place), asked, among)) for asked in presentation.contrast]
        for metric in metrics(presentation.verdicts, presentation.contrast):
            margin = margin_of(metric, presentation.verdicts, place.dataset)
            families = tuple(
                Family(place, metric, _ANY if margin is None else margin, tuple(pair.contrast(metric) for pair in own))
                for asked, own in pairs
                if own and metric in (asked.metrics or [presentation.verdicts.metric])
            )
            if any(contrast.absent != NOT_YET for family in families for contrast in family.contrasts):
                found.append(Contrasted(families, margin))
    judge([family for one in found for family in one.families])
    return found


def metrics(judged: Verdicts, asked: Iterable[Asked]) -> list[str]:
    """All metrics that contrasts are asked of, in their order."""
    return list(dict.fromkeys(metric for one in asked for metric in one.metrics or [judged.metric]))


def margin_of(metric: str, judged: Verdicts, dataset: str) -> float | None:
    """The verdicts' margin for a metric; None where it is not in the unit of theirs."""
    alike = metric == judged.metric or (in_points(metric) and in_points(judged.metric))
    return judged.margin_of(dataset) if alike else None


def own_densities(every: Iterable[Place]) -> Callable[[Place], Mapping[str, Cells]]:
    """Methods of a place's task whose density is their outcome, for a place that has one."""
    found: dict[tuple[str, str, str | None, str], dict[str, Cells]] = defaultdict(dict)
    for place in every:
        if place.density is None:
            found[place.task].update(place.methods)
    return lambda place: {} if place.density is None else found.get(place.task, {})


def compared_once() -> Among:
    """`facets.compared`, asked once of the same methods: those of most places are."""
    known: dict[tuple[str, str, tuple[str, ...], tuple[str, ...]], list[tuple[str, str]]] = {}

    def among(methods: Iterable[str], asked: Asked, others: Iterable[str]) -> list[tuple[str, str]]:
        key = asked.a, asked.b, tuple(methods), tuple(others)
        if key not in known:
            known[key] = compared(key[2], asked, key[3])
        return known[key]

    return among


@dataclass(frozen=True, slots=True)
class Pair:
    """Two methods that a contrast compares at a place, and what is so of them whatever the metric."""

    name: str
    """Of the contrast."""
    about: str
    arm: str
    cells: tuple[Cells, Cells]
    collapsed: tuple[int, int]
    absent: str

    def contrast(self, metric: str) -> Contrast:
        """Their repetitions, a first."""
        a, b = (cells.values(metric) for cells in self.cells)
        return Contrast(
            method=self.name,
            arm=self.arm,
            reference="",
            planned=len(self.cells[0].records),
            pairs={n: (a[n], b[n]) for n in sorted(a) if n in b},
            identical=False,
            collapsed=self.collapsed,
            absent=self.absent,
            about=self.about,
        )


def pairs_at(place: Place, beside: Mapping[str, Cells], asked: Asked, among: Among) -> list[Pair]:
    """The pairs of a contrast at a place; b may stand beside it. `among` tells which these are."""
    here, found = place.methods, []
    for a, b in among(here, asked, beside):
        cells = here[a], here[b] if b in here else beside[b]
        missing = [absent(own) for own in cells if not any(r and r.status == "ok" for r in own.records.values())]
        collapsed = cells[0].count("collapsed"), cells[1].count("collapsed")
        found.append(Pair(asked.name, a, f"{a} − {b}", cells, collapsed, "; ".join(dict.fromkeys(missing))))
    return found


def size_of(metric: str, found: Iterable[Contrast]) -> int:
    """Decimals for the values of some contrasts: of points two, of others three digits of the largest difference."""
    return digits(metric) if in_points(metric) else decimals([d for one in found for d in one.differences])


def _table(found: Contrasted) -> Table:
    margin, (family, *_) = found.margin, found.families
    every = [contrast for own in found.families for contrast in own.contrasts]
    judged = [outcome for own in found.families for outcome in own.judged.values()]
    size = size_of(family.metric, every)
    collapse = any(sum(contrast.collapsed) for contrast in every)
    rows = []
    for contrast, verdict in judged:
        if contrast.absent == NOT_YET:
            continue
        means = contrast.means
        rows.append((
            contrast.name,
            *([f"{value:.{size}f}" for value in means] if means else (NONE, NONE)),
            mean_text(contrast.differences, size, signed=True) if contrast.pairs else NONE,
            p_text(verdict.p_difference),
            *([] if margin is None else [p_text(verdict.p_equivalence)]),
            contrast.n,
            *([dead(contrast)] if collapse else []),
            found.said(contrast, verdict, size),
        ))  # fmt: skip
    left = len(every) - len(rows)
    later = f" ({left} without a record yet)" if left else ""
    asked = "no margin" if margin is None else f"margin ± {margin:g}"
    headers = (
        "contrast", "a", "b", "a−b 95%", "p ≠0", *([] if margin is None else ["p <m"]), "n",
        *([_DEAD] if collapse else []), "verdict",
    )  # fmt: skip
    said = {verdict.text for _, verdict in judged}
    words = [pair for pair in WORDS if pair[0] in (said & {"cannot tell"} if margin is None else said)]
    words += _WITHOUT_MARGIN if margin is None else ()
    return Table(
        f"contrasts · {family.place.title} — {measured(family.metric)}, {asked}{later}",
        headers,
        tuple(rows),
        (False, *(True,) * (len(headers) - 2), False),
        whole=True,
        dataset=family.place.dataset,
        methods=tuple(contrast.about for contrast, _ in judged if contrast.absent != NOT_YET),
        holes=tuple(len(contrast.pairs) < contrast.planned for contrast, _ in judged if contrast.absent != NOT_YET),
        legend=(*_LEGEND, *([] if margin is None else [_EQUIVALENCE]), *([_COLLAPSED] if collapse else []), *words),
    )
