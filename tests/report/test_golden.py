"""Reports of a small fixed run, byte by byte.

The charts are replaced by one of a hand-made picture: what Vega draws changes with its releases, and is tried in
`tests/report/charts`. After an intended change, `RENEW_GOLDEN=1 pytest -n 0 tests/report/test_golden.py` writes the
files anew; their diff belongs to the change.
"""

from __future__ import annotations

import os
from concurrent.futures import Future
from pathlib import Path

import pytest

from prunebench.analysis.results import load_results
from prunebench.analysis.tables import Table
from prunebench.report.charts.base import Chart
from prunebench.report.charts.drawing import Drawing
from prunebench.report.files import write_report
from tests.report.handmade import small_run

GOLDEN = Path(__file__).parent / "golden"
_SVG = (
    '<svg class="chart" role="img" aria-label="a square" viewBox="0 0 9 9">'
    '<rect data-method="2" width="9" height="9"/></svg>'
)


def _one_chart(suite, section, *_):
    if section != "curves":
        return []
    table = Table("sides", ("side", "length"), (("left", "9"),), (False, True), dataset="digits")
    title = "A square · mlp(repeat=2) · digits · small-sgd"
    drawn: Future[str] = Future()
    drawn.set_result("as Vega would")
    return [Chart(f"{suite}-square", title, "Four sides of equal length.", Drawing(drawn, lambda _: _SVG), table)]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("golden")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("prunebench.report.page.charts", _one_chart)
        write_report([load_results(small_run(folder / "run"))], folder / "out", ["html", "md", "csv"])
    return folder / "out"


@pytest.mark.parametrize("kind", ["html", "md", "csv"])
def test_a_report_is_what_it_was(written, kind):
    name = f"tradeoff.quick.{kind}"
    found = (written / name).read_bytes()
    if os.environ.get("RENEW_GOLDEN"):
        (GOLDEN / name).write_bytes(found)
    assert found == (GOLDEN / name).read_bytes()
