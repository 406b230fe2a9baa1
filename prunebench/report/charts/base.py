"""What a chart is."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prunebench.analysis.tables import Table
    from prunebench.report.charts.drawing import Drawing


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture with the words and numbers that say the same."""

    name: str
    """For file names and anchors: lower case, digits and hyphens; one of its kind on a page."""
    title: str
    description: str
    """What is drawn and how it is read, for those who do not see it too."""
    drawing: Drawing
    table: Table
    """The numbers that are drawn."""

    @property
    def svg(self) -> str:
        """An `<svg>` element without script, style, fonts, colours or identifiers of its own; it may be waited for."""
        return self.drawing.svg


def noted(charts: list[Chart], shown: int, known: int, what: str) -> list[Chart]:
    """The charts, which say so where they are of the first so many of what is known."""
    note = f" Only the first {shown} of {known} {what} have charts." if known > shown else ""
    return [replace(chart, description=chart.description + note) for chart in charts] if note else charts


def named(*parts: str) -> str:
    """The name of a chart: what there is of its parts, as far as names go."""
    return "-".join(part for text in parts if (part := re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")))
