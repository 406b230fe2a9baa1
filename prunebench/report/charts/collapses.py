"""Which layers are left at which compression, and how far each method comes before the first is gone."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from prunebench.analysis.boards.grid import places
from prunebench.report.charts.base import Chart, named, noted
from prunebench.report.charts.layers import layers_kept
from prunebench.report.charts.reaches import reach
from prunebench.report.charts.walks import walks_of
from prunebench.report.looks import looks, one_line

if TYPE_CHECKING:
    from prunebench.analysis.boards.grid import Place
    from prunebench.analysis.results import Results
    from prunebench.records.presentation import Presentation

MOST = 6
"""Tasks that have charts."""


def collapses(suite: str, presentation: Presentation, results: Results) -> list[Chart]:  # noqa: ARG001
    """Two charts a task for a suite that looks for the compression at which a layer is gone."""
    tasks: dict[tuple[str, str, str | None, str], list[Place]] = defaultdict(list)
    for place in places(suite, results):
        tasks[place.task].append(place)
    every = looks(results)
    found: list[Chart] = []
    drawn = 0
    for group in tasks.values():
        walks = walks_of(group, results) if drawn < MOST else []
        if not walks:
            continue
        drawn += 1
        title = one_line(" · ".join(part for part in (group[0].model, group[0].dataset) if part))
        found.append(reach(named(suite, "ratios", str(drawn)), title, group[0].dataset, walks, every))
        found += layers_kept(named(suite, "layers", str(drawn)), title, group[0].dataset, walks, every)
    return noted(found, MOST, len(tasks) if drawn == MOST else 0, "tasks")
