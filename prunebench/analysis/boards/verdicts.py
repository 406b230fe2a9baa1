"""What every arm says of every method: the table of verdicts, one a task and density."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE, digits, measured, p_text, spread_text
from prunebench.analysis.boards.controls import outcomes, warning
from prunebench.analysis.boards.grid import NOT_YET
from prunebench.analysis.boards.pairs import PAIRS, families
from prunebench.analysis.statistics.power import MOST
from prunebench.analysis.tables import Table

if TYPE_CHECKING:
    from prunebench.analysis.boards.pairs import Contrast, Family
    from prunebench.analysis.results import Results
    from prunebench.analysis.statistics.verdicts import Verdict
    from prunebench.records.presentation import Presentation

DEAD = "no path"
_LEGEND = (
    (
        "comparison",
        "method · arm: how the ticket was found, and what was then changed of it or of how it is found; both are "
        "trained on the same clean data. 'vs' names what the arm is compared with where that is not the untouched "
        "ticket",
    ),
    (
        "ticket",
        "mean of the untouched ticket, or of what stands after 'vs', over the pairs",
    ),
    (
        "arm",
        "mean of the arm, over the pairs",
    ),
    (
        "difference 90%",
        "mean of ticket − arm over the pairs ± half its 90 % t interval, not adjusted for the number of tests: "
        "positive where the arm costs",
    ),
    (
        "p ≠0",
        "chance of such a difference if the true one is 0 (paired t test), adjusted by Holm over all tested rows",
    ),
    (
        "p <m",
        "chance of so small a difference if the true one is as large as the margin (two one-sided t tests, TOST), "
        "adjusted likewise",
    ),
    ("n", PAIRS),
)
WORDS = (
    (
        "does not depend",
        "the mean difference is inside the margin (equivalence, 5 % familywise)",
    ),
    (
        "does not depend (identical mask)",
        "masks, weights and training are the untouched ticket's own: there is nothing to test",
    ),
    (
        "immaterial",
        "inside the margin, and yet other than 0",
    ),
    (
        "depends",
        "other than 0 (5 % familywise), and estimated to be at least as large as the margin",
    ),
    (
        "depends, size unsettled",
        "other than 0, estimated to be below the margin, which it may exceed",
    ),
    (
        "cannot tell",
        "neither is established. 'sees' is the smallest true difference that so many repetitions find with 80 % "
        "power, 'needs' how many in all would settle it with 80 % power; both as if this spread and mean were the "
        "true ones",
    ),
)
_COLLAPSED = (
    DEAD,
    "repetitions whose network has no path of kept weights from input to output, of the untouched ticket and of "
    "the arm: a finding of its own, in no mean",
)


def verdicts(suite: str, presentation: Presentation, results: Results) -> list[Table]:
    """One table a task and density: all arms of all methods, and what is to be said of them."""
    return [
        _table(family, warning(outcomes(presentation.control, family)))
        for family in families(suite, presentation, results)
    ]


def _table(family: Family, alarm: str) -> Table:
    size = digits(family.metric)
    collapse = any(sum(contrast.collapsed) for contrast in family.contrasts)
    rows = []
    shown = []
    for contrast, verdict in family.judged.values():
        if contrast.absent == NOT_YET:
            continue
        shown.append(contrast)
        means = contrast.means
        untouched, arm = (f"{value:.{size}f}" for value in means) if means else (NONE, NONE)
        rows.append((
            contrast.name,
            untouched,
            arm,
            spread_text(verdict.mean, verdict.interval90, size),
            p_text(verdict.p_difference),
            p_text(verdict.p_equivalence),
            contrast.n,
            *([dead(contrast)] if collapse else []),
            said_of(contrast, verdict, size),
        ))  # fmt: skip
    left = len(family.contrasts) - len(rows)
    later = f" ({left} without a record yet)" if left else ""
    said = {verdict.text for contrast, verdict in family.judged.values() if contrast.absent != NOT_YET}
    caption = (
        f"verdicts · {family.place.title} — {measured(family.metric)}, margin ± {family.margin:g}, "
        f"{family.tested} of {len(rows)} comparisons tested as one family{later}"
    )
    return Table(
        f"{alarm}: {caption}" if alarm else caption,
        ("comparison", "ticket", "arm", "difference 90%", "p ≠0", "p <m", "n",
         *([DEAD] if collapse else []), "verdict"),
        tuple(rows),
        (False, True, True, True, True, True, True, *([True] if collapse else []), False),
        whole=True,
        dataset=family.place.dataset,
        methods=tuple(contrast.method for contrast in shown),
        holes=tuple(len(contrast.pairs) < contrast.planned for contrast in shown),
        alarm=bool(alarm),
        legend=(*_LEGEND, *([_COLLAPSED] if collapse else []), *(pair for pair in WORDS if pair[0] in said)),
    )  # fmt: skip


def said_of(contrast: Contrast, verdict: Verdict, size: int) -> str:
    """The verdict, or why there is none; what an open one would take."""
    if contrast.identical:
        return verdict.text
    if not contrast.pairs:
        if contrast.absent:
            return contrast.absent
        if any(contrast.collapsed):
            return "no pair: networks collapsed"
        return f"no pair: {contrast.reference or 'the untouched'} has no result"
    text = worded(verdict, size)
    if text.startswith("depends") and (verdict.mean or 0.0) < 0:
        text = f"{text} (the arm is better)"
    return f"{text}, where it has a path" if any(contrast.collapsed) else text


def worded(verdict: Verdict, size: int) -> str:
    """The verdict of some pairs; what an open one could have seen, and what would settle it."""
    text: str = verdict.text
    if verdict.needed is not None or (text == "cannot tell" and verdict.detectable is not None):
        needed = f"n≈{verdict.needed}" if verdict.needed else f"n>{MOST}"
        sees = f"sees {verdict.detectable:.{size}f}, " if text == "cannot tell" and verdict.detectable else ""
        return f"{text}: {sees}needs {needed}"
    return f"{text}: one repetition has no spread" if text == "cannot tell" else text


def dead(contrast: Contrast) -> str:
    """How many networks of both sides are without a path."""
    return f"{contrast.collapsed[0]} and {contrast.collapsed[1]}" if any(contrast.collapsed) else NONE
