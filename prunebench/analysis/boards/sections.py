"""The report of a run: the sections that its suites ask for, in order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.analysis.boards.associations import associations
from prunebench.analysis.boards.conditions import conditions
from prunebench.analysis.boards.configurations import configurations
from prunebench.analysis.boards.conservation import conservation
from prunebench.analysis.boards.contrasts import contrasts
from prunebench.analysis.boards.controls import controls
from prunebench.analysis.boards.curves import curves
from prunebench.analysis.boards.drift import drift
from prunebench.analysis.boards.factors import factors
from prunebench.analysis.boards.leaderboard import leaderboard
from prunebench.analysis.boards.overlap import overlap
from prunebench.analysis.boards.ranks import ranks
from prunebench.analysis.boards.ratios import ratios
from prunebench.analysis.boards.turning import turning
from prunebench.analysis.boards.verdicts import verdicts
from prunebench.records.presentation import Presentation

if TYPE_CHECKING:
    from collections.abc import Callable

    from prunebench.analysis.results import Results
    from prunebench.analysis.tables import Table

SECTIONS: dict[str, Callable[[str, Presentation, Results], list[Table]]] = {
    "leaderboard": leaderboard,
    "controls": controls,
    "verdicts": verdicts,
    "factors": factors,
    "conditions": conditions,
    "ratios": ratios,
    "overlap": overlap,
    "curves": curves,
    "ranks": ranks,
    "conservation": conservation,
    "drift": drift,
    "configurations": configurations,
    "associations": associations,
    "contrasts": contrasts,
    "turning": turning,
}


def sections(results: Results) -> list[Table]:
    """The tables of a run, suite by suite."""
    found: list[Table] = []
    for suite in results.plan["suites"]:
        presentation = Presentation.model_validate(suite["presentation"])
        for name in presentation.sections:
            found += SECTIONS[name](suite["name"], presentation, results)
    return found
