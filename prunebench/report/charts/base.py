"""What a chart is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prunebench.analysis.tables import Table


@dataclass(frozen=True, slots=True)
class Chart:
    """A picture with the words and numbers that say the same."""

    name: str
    """For file names and anchors: lower case, digits and hyphens; one of its kind on a page."""
    title: str
    description: str
    """What is drawn and how it is read, for those who do not see it too."""
    svg: str
    """An `<svg>` element without script, style, fonts or identifiers of its own."""
    table: Table
    """The numbers that are drawn."""
