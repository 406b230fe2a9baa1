"""A run of the check `conservation`: theory's word, the report, and what the lint says of such a run."""

from __future__ import annotations

import pytest

import prunebench as pb
from prunebench.analysis.boards.sections import sections
from prunebench.analysis.lint.report import lint
from prunebench.analysis.lint.sheet import of_results
from prunebench.harness.options import RunOptions
from prunebench.harness.run import plan_run
from prunebench.records.expected import expectation_of
from prunebench.records.suite import load_suite
from tests.analysis.boards.flow_records import cells

SMALL = "crossing(width=0.375, depth=1)"
SUITE = f"""
name = "small"
version = 1
question = "?"
sections = ["conservation", "drift"]
[primary]
metric = "unit_residual"
tolerance = 0
[[column]]
header = "units"
metric = "unit_residual"
[[expectation]]
methods = ["snip(signed=true)", "synflow"]
arms = ["flow(count=all)"]
units = "conserved"
cuts = "conserved"
why = "theorems 1 and 2"
[[expectation]]
methods = ["magnitude"]
units = "conserved"
why = "wrong"
[[expectation]]
drift = "towards"
why = "section 6"
[scale.quick]
about = "tiny"
seeds = 3
minutes = 1
[[scale.quick.grid]]
check = "conservation"
models = ["{SMALL}", "crossing(width=0.375, depth=1, bias=true)"]
datasets = ["digits"]
methods = ["snip(signed=true, mode=eval)", "synflow", "magnitude"]
arms = ["flow", "flow(count=all)"]
[[scale.quick.grid]]
check = "conservation"
models = ["mlp(widths=[12], repeat=2)"]
datasets = ["digits"]
recipes = ["small-sgd(epochs=1)"]
methods = ["dense", "gmp"]
densities = [0.5]
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("conservation")
    (folder / "small.toml").write_text(SUITE)
    return pb.run(str(folder / "small.toml"), store=folder / "store", executor="inline")


def test_the_report_has_what_differs_from_theory_then_a_table_a_task_then_the_drift(results):
    top, plain, biased, drift = sections(results)
    assert top.caption.startswith("conservation: 4 of ")
    assert {(line[1], line[2], line[4], line[5]) for line in top.rows} == {
        ("magnitude · flow", "units", "conserved", "wrong"),
        ("magnitude · flow(count=all)", "units", "conserved", "wrong"),
    }
    assert plain.caption.startswith("conservation · crossing(depth=1, width=0.375) · digits — ")
    counted = cells(biased, "snip(mode=eval, signed=true) · flow(count=all)")
    uncounted = cells(biased, "snip(mode=eval, signed=true) · flow")
    assert (counted["units are"], counted["agreement"], counted["n"]) == ("conserved", "as expected", "3")
    assert (uncounted["units are"], uncounted["agreement"]) == ("violated", "–")
    assert cells(plain, "synflow · flow")["slope"] == "-1.00"
    assert [line[0] for line in drift.rows] == ["dense", "gmp · density 0.5"]
    assert cells(drift, "dense")["n"] == "3"


def test_every_format_shows_it(results):
    for form in ("table", "md", "csv", "json"):
        assert "violated" in results.leaderboard(form)
    assert "theorems 1 and 2" in results.leaderboard("table", 80)


def test_the_lint_asks_such_a_run_for_nothing_that_training_would_bring(results):
    found = {finding.item.name: finding.state for finding in lint(of_results(results))}
    assert "missing" not in found.values()
    assert found["dense-control"] == found["operating-points"] == "not applicable"
    assert found["seeds"] == found["achieved-density"] == found["size-and-macs"] == found["collapse"] == "ok"


@pytest.mark.parametrize("scale", ["quick", "standard"])
def test_theory_has_a_word_on_every_cell_that_the_suite_plans(scale):
    suite = load_suite("conservation")
    plan = plan_run([suite], RunOptions(scale=scale, seeds=1))
    fitting = {cell.row: expectation_of(cell.row, suite.expectation) for cell in plan.cells}
    assert {row.method for row, found in fitting.items() if found is None} <= {"targeted"}
    if scale == "standard":
        # A pattern that fits nothing would be a slip.
        assert {found[0] for found in fitting.values() if found} == set(range(len(suite.expectation)))
