"""The report of one suite of one run in Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.analysis.boards.sections import sections
from prunebench.analysis.lint.report import detailed, lint
from prunebench.analysis.lint.sheet import of_results
from prunebench.analysis.tables import escaped, render
from prunebench.report.outcomes import failures, skipped
from prunebench.report.page import facts, selection, statuses, title

if TYPE_CHECKING:
    from prunebench.analysis.results import Results


def markdown(results: Results) -> str:
    """What the run is, the tables of all sections, what has no result, and the lint."""
    sheet = of_results(results)
    outcomes = [table for table in (failures(results), skipped(results)) if table.rows]
    parts = [sections(results), outcomes, detailed(sheet, lint(sheet))]
    lines = "".join(f"- {escaped(line)}\n" for line in head(results))
    return "\n".join([lines, *(render(tables, "md") for tables in parts if tables)])


def head(results: Results) -> list[str]:
    """Which run of one suite it is, how its cells ended, and what the user left out of the suite, a line each."""
    (suite,) = results.plan["suites"]
    ended = ", ".join(f"{count} {name}" for _, count, name in statuses(results))
    whole = (
        "the suite as it is" if "selection" in results.plan else "whether a part of the suite was left out is not told"
    )
    left_out = "; ".join(selection(results))
    return [
        f"{title(results)}, version {suite['version']}, run {results.run_id}: {', '.join(facts(results))}",
        f"cells: {ended}",
        f"part of the suite: {left_out}" if left_out else whole,
    ]
