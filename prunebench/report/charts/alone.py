"""A chart as a file of its own: for a README or a paper."""

from __future__ import annotations

from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prunebench.report.charts.base import Chart


def alone(chart: Chart) -> str:
    """The SVG with the colours of both themes in it; it follows the reader's, and is light where nobody says."""
    style = files("prunebench.report").joinpath("templates/charts.css").read_text(encoding="utf-8")
    start = chart.svg.index(">") + 1
    return f"{chart.svg[:start]}<style>{style.replace('&', '&amp;').replace('<', '&lt;')}</style>{chart.svg[start:]}\n"
