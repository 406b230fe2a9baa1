"""The version of a metric's definition: part of a run's identity, and written beside its numbers."""

from __future__ import annotations

from dataclasses import replace

import pytest

import prunebench as pb
from prunebench.errors import DuplicateNameError
from prunebench.harness.options import RunOptions
from prunebench.harness.run import plan_run
from prunebench.records.metrics import METRICS, later_versions
from prunebench.records.suite import load_suite


def test_versions_after_the_first_are_told(monkeypatch):
    assert later_versions(["kept", "density"]) == {}
    monkeypatch.setitem(METRICS, "kept", replace(METRICS["kept"], version=3))
    assert later_versions(["kept", "density", "of_a_plug_in"]) == {"kept": 3}


def test_a_metric_with_another_definition_makes_another_run_and_marks_its_records(tiny, tmp_path, monkeypatch):
    def run():
        return pb.run(str(tiny), methods=["random"], seeds=1, executor="inline", store=tmp_path / "store")

    before = run()
    assert before.records
    assert all(record.metric_versions == {} for record in before.records)
    monkeypatch.setitem(METRICS, "kept", replace(METRICS["kept"], version=2))
    after = run()
    assert after.run_id != before.run_id
    versions = {"kept" in record.metrics: record.metric_versions for record in after.records}
    assert versions == {True: {"kept": 2}, False: {}}


def test_two_suites_of_one_name_are_no_run(tiny, tmp_path):
    other = tmp_path / "other.toml"
    other.write_text(tiny.read_text().replace("version = 1", "version = 2"))
    with pytest.raises(DuplicateNameError, match="two suites are called 'tiny': run one at a time"):
        plan_run([load_suite(str(tiny)), load_suite(str(other))], RunOptions())
