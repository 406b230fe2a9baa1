"""A run that an earlier version wrote: six cells of schema 1, as they lay on the disk, but for the names of folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from prunebench.analysis.results import load_results
from prunebench.errors import StoreError
from prunebench.harness.journal import Journal
from prunebench.records.older import MIGRATIONS, SCHEMA
from prunebench.records.schema import Failure, Record, Row

RUN = Path(__file__).parent / "schema_1"
TASK = ("small", 3, "collapse", "quick", "lenet-300-100(width=0.1)", "digits", None)
COST = {
    "find": {"wall_seconds": 0.10729964799975278, "cpu_seconds": 0.10586675499999998, "examples": 100.0,
             "macs": 696000.0, "peak_bytes": 442880000},
    "measure": {"wall_seconds": 0.062354884001251776, "cpu_seconds": 0.06128382400000004, "peak_bytes": 443600896},
}  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """A copy that may be written to."""
    return shutil.copytree(RUN, tmp_path / "335348bfa798")


def test_every_value_of_a_run_of_schema_1_is_read():
    results = load_results(RUN)
    whole, half, least, *failed = results.records
    assert whole.metrics == {
        "rho_max_dead_layer": 773.3333333333334, "rho_cr_dead_layer": 232.0,
        "log_ratio_dead_layer": 0.8189707907176529, "rho_max_dead_effective_layer": 773.3333333333334,
        "rho_cr_dead_effective_layer": 89.23076923076923, "log_ratio_dead_effective_layer": 0.6753002022026632,
        "rho_max_no_path": 773.3333333333334, "rho_cr_no_path": 89.23076923076923,
        "log_ratio_no_path": 0.6753002022026632, "rho_max_classes_unreached": 193.33333333333334,
        "rho_cr_classes_unreached": 9.707112970711297, "log_ratio_classes_unreached": 0.43174000547370406, "rounds": 1,
        "prune_over_cut": 9.098734780546536,
    }  # fmt: skip
    assert half == Record(
        Row(*TASK, "snip", 0.5, "trajectory", 0), "ok", "9863393f4d4e4e3eb57ad7f7df45ae31",
        {"kept": 1160, "density": 0.5, "dead_layers": 0, "dead_effective_layers": 0, "effective_kept": 1153,
         "effective_density": 0.49698275862068964, "effective_share": 0.9939655172413793, "has_path": 1.0,
         "classes_reached": 10, "kept_parameters": 1210, "macs": 2320, "kept_macs": 1160, "effective_macs": 1153},
        {"data": "5ff46017bee7b47f"}, {"start": 68, "end": 207}, None, "", COST, "624a1dec498d", "458eea9f560a",
    )  # fmt: skip
    assert least == Record(
        Row(*TASK, "snip", 0.0001, "trajectory", 0), "skipped", "9863393f4d4e4e3eb57ad7f7df45ae31",
        reason="density 0.0001 keeps 0 weights, fewer than the 3 layers", environment="624a1dec498d",
        provenance="458eea9f560a",
    )  # fmt: skip
    assert [record.row.density for record in failed] == [None, 0.5, 0.0001]
    error = failed[0].error
    assert error == Failure(
        "ValueError", "no score of these weights", "descent", error.traceback, "a word before the end\n"
    )
    assert error.traceback.startswith('Traceback (most recent call last):\n  File "/home/me/prunebench/prunebench/')
    assert error.traceback.endswith("ValueError: no score\nof these weights\n")
    assert results.failures() == [failed]
    assert all(record.version(name) == 1 for record in results.records for name in record.metrics)


def test_its_series_plan_and_provenance_are_read():
    results = load_results(RUN)
    whole, half, *_ = results.records
    assert results.series(whole) == {"kept_by_round": [3], "prune_over_cut_by_round": [9.098734780546536]}
    assert results.series(half) == {
        "layer": ["1.weight", "3.weight", "5.weight"], "size_by_layer": [1920, 300, 100],
        "kept_by_layer": [940, 165, 55], "effective_by_layer": [939, 159, 55],
    }  # fmt: skip
    assert results.run_id == "335348bfa798"
    assert results.suites == ["small"]
    assert results.missing() == []
    assert results.plan["selection"] == {"methods": ["snip", "raises"], "seeds": None}
    assert results.provenance["458eea9f560a"]["libraries"]["torch"] == "2.15.0"


def test_its_leaderboard_is_the_one_that_was_printed_then():
    snip, raises = load_results(RUN).leaderboard("csv").splitlines()[1:]
    assert snip == "snip,0.819,1,1"
    assert raises == "raises,–,–,1 (0/3 cells)"


def test_a_run_goes_on_in_the_present_schema_and_keeps_what_was_there(run):
    before = (run / "records.jsonl").read_bytes()
    more = Record(Row(*TASK, "snip", 0.5, "trajectory", 1), "ok", "k", {"kept": 7}, metric_versions={"kept": 2})
    with Journal(run) as journal:
        assert len(journal.done) == 6
        journal.append(more)
    lines = (run / "records.jsonl").read_bytes()
    assert lines.startswith(before), "what is on the disk is not written again"
    assert [json.loads(line)["schema"] for line in lines.splitlines()] == [1] * 6 + [SCHEMA]
    with Journal(run) as journal:
        assert [record.version("kept") for record in journal.done.values()] == [1] * 6 + [2]


def test_cells_that_run_again_leave_the_others_in_the_present_schema(run):
    before = load_results(run).records
    with Journal(run) as journal:
        journal.forget(lambda record: record.status == "failed")
    plain = [json.loads(line) for line in (run / "records.jsonl").read_bytes().splitlines()]
    assert [found["schema"] for found in plain] == [SCHEMA] * 3
    assert load_results(run).records == before[:3]
    assert load_results(run).series(before[1])["kept_by_layer"] == [940, 165, 55]


def test_numbers_of_two_versions_of_a_metric_are_no_run(run):
    plain = [json.loads(line) for line in (run / "records.jsonl").read_text().splitlines()]
    for number, versions in ((1, {"has_path": 2}), (0, {"rounds": 2})):
        plain[number] |= {"schema": 2, "metric_versions": versions}
    (run / "records.jsonl").write_text("".join(json.dumps(found) + "\n" for found in plain))
    load_results(run)
    plain[2] |= {"status": "ok", "metrics": {"has_path": 1.0}}
    (run / "records.jsonl").write_text("".join(json.dumps(found) + "\n" for found in plain))
    with pytest.raises(StoreError, match="has_path is of version 2 in some records and of 1 in others"):
        load_results(run)


def test_every_schema_before_the_present_one_has_a_way_to_the_next():
    assert sorted(MIGRATIONS) == list(range(1, SCHEMA))
