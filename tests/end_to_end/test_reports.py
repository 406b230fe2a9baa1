"""What the repository shows is what its stored records say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from prunebench.analysis.comparison.finding import baseline_of
from prunebench.analysis.results import load_results
from prunebench.records.baseline import write
from prunebench.report.files import write_report

ROOT = Path(__file__).parents[2]
QUICK = sorted(path.name.removesuffix(".quick.tar.xz") for path in (ROOT / "reports" / "records").glob("*.quick.*"))


@pytest.mark.parametrize("suite", QUICK)
def test_reports_and_baselines_are_what_the_records_give(suite, tmp_path):
    results = load_results(ROOT / "reports" / "records" / f"{suite}.quick.tar.xz")
    assert (ROOT / "baselines" / f"{suite}.quick.json").read_bytes() == write(baseline_of(results, suite))
    for path in write_report([results], tmp_path, ["html", "md"]):
        stored = (ROOT / "reports" / path.name).read_text(encoding="utf-8")
        # What Vega draws may change with its releases.
        drawn = re.compile(r"<svg.*?</svg>", re.DOTALL)
        assert drawn.sub("", path.read_text(encoding="utf-8")) == drawn.sub("", stored), "run reports/regenerate"


def test_every_suite_has_records_reports_and_baselines_of_both_scales():
    for suite in (path.stem for path in (ROOT / "suites").glob("*.toml")):
        for scale in ("quick", "standard"):
            name = f"{suite}.{scale}"
            assert (ROOT / "reports" / "records" / f"{name}.tar.xz").is_file()
            assert (ROOT / "reports" / f"{name}.html").is_file()
            assert (ROOT / "reports" / f"{name}.md").is_file()
            assert (ROOT / "baselines" / f"{name}.json").is_file()


def test_the_leaderboard_of_the_readme_is_that_of_the_report():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = [line for line in text.splitlines() if re.match(r"\| [a-z-]+ \| [\d.]+ ± ", line)]
    report = (ROOT / "reports" / "tradeoff.standard.md").read_text(encoding="utf-8")
    board, costs = (
        {row[0]: row for row in _rows(table)} for table in [t for t in report.split("\n\n") if "| method" in t][:2]
    )
    headers, of_costs = board["method"], costs["method"]
    assert [_cells(line)[0] for line in shown] == [*list(board)[1:-2], "dense"]
    for line in shown:
        method, *cells, taken = _cells(line)
        names = ["own density"] if method == "dense" else ["50 %", "12.5 %", "3.125 %", "area"]
        assert [cell for cell in cells if cell] == [board[method][headers.index(name)] for name in names]
        assert taken == f"{costs[method][of_costs.index('in all, T')]} T"


def _cells(line):
    return [cell.strip() for cell in line.strip("|").split("|")]


def _rows(table):
    return [_cells(line) for line in table.splitlines() if line.startswith("|") and not line.startswith("|:")]
