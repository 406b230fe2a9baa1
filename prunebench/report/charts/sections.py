"""Which charts stand in which section of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.report.charts.collapses import collapses
from prunebench.report.charts.drifts import drifts
from prunebench.report.charts.events import events
from prunebench.report.charts.flows import flows
from prunebench.report.charts.forests import verdicts
from prunebench.report.charts.ranked import ranks
from prunebench.report.charts.stabilities import associations, turning
from prunebench.report.charts.tradeoffs import curves

if TYPE_CHECKING:
    from collections.abc import Callable

    from prunebench.analysis.results import Results
    from prunebench.records.presentation import Presentation
    from prunebench.report.charts.base import Chart

SECTIONS: dict[str, tuple[Callable[[str, Presentation, Results], list[Chart]], ...]] = {
    "leaderboard": (collapses,),
    "curves": (curves,),
    "ranks": (ranks,),
    "conservation": (flows,),
    "drift": (drifts,),
    "configurations": (events,),
    "associations": (associations,),
    "turning": (turning,),
    "verdicts": (verdicts,),
}


def charts(suite: str, section: str, presentation: Presentation, results: Results) -> list[Chart]:
    """The charts of one section of one suite; none where there is nothing to draw."""
    return [chart for draw in SECTIONS.get(section, ()) for chart in draw(suite, presentation, results)]
