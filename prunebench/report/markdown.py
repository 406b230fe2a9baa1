"""The report of one suite of one run in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.analysis.boards.sections import sections
from prunebench.analysis.lint.report import detailed, lint
from prunebench.analysis.lint.sheet import of_results
from prunebench.analysis.tables import render
from prunebench.report.outcomes import failures, skipped

if TYPE_CHECKING:
    from prunebench.analysis.results import Results


def markdown(results: Results) -> str:
    """The tables of all sections, what has no result, and the lint."""
    sheet = of_results(results)
    outcomes = [table for table in (failures(results), skipped(results)) if table.rows]
    parts = [sections(results), outcomes, detailed(sheet, lint(sheet))]
    return "\n".join(render(tables, "md") for tables in parts if tables)
