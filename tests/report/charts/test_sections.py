"""Charts by section, and the same bytes from the same records."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from typing import get_args

from prunebench.records.presentation import Section
from prunebench.report.charts.sections import SECTIONS, charts
from tests.analysis.recorded import grid, presentation, results

FOUND = [
    *grid("dense", {None: [70.0, 71.0]}),
    *grid("snip", {0.5: [69.0, 70.0], 0.25: [60.0, 66.0], 0.125: [40.0, 44.0]}),
    *grid("<random>", {0.5: [60.0, 61.0], 0.25: [50.0, 51.0], 0.125: [20.0, 30.0]}),
]

PRINT = """
import hashlib
from tests.report.charts.test_sections import drawn
print(hashlib.sha256("".join(chart.svg for chart in drawn()).encode()).hexdigest())
"""


def drawn():
    return charts("tradeoff", "curves", presentation(1, 8, density=0.25), results(FOUND))


def test_sections_with_charts_are_sections_of_suites():
    assert set(SECTIONS) <= set(get_args(Section))


def test_a_section_without_charts_has_none():
    assert charts("tradeoff", "factors", presentation(1, 8), results(FOUND)) == []


def test_bytes_are_the_same_in_a_process_with_other_hashes():
    here = hashlib.sha256("".join(chart.svg for chart in drawn()).encode()).hexdigest()
    other = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    printed = subprocess.run(
        [sys.executable, "-c", PRINT], env={**os.environ, "PYTHONHASHSEED": other}, capture_output=True, text=True,
        check=True,
    )  # fmt: skip
    assert printed.stdout.strip() == here


def test_nothing_in_a_chart_reaches_out_or_clashes():
    for chart in drawn():
        for forbidden in ("<script", "<style", " style=", " id=", "href", "url(", "font-family", "#", "<image"):
            assert forbidden not in chart.svg, forbidden
        assert chart.name == chart.name.lower().strip("-")
        assert chart.description
        assert chart.table.rows
