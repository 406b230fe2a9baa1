"""Runs by name, from folders and from archives."""

from __future__ import annotations

import json
import shutil
import tarfile
from pathlib import Path

import pytest

from prunebench.analysis.archive import archived
from prunebench.analysis.results import load_results, open_run
from prunebench.errors import StoreError, UnknownNameError
from prunebench.harness.journal import Journal
from prunebench.records.schema import Record, Row

ROWS = '{"run": "r", "scale": "quick", "suites": [{"name": "s", "version": 1}], "environment": {}, "rows": [%s]}'


def row(repetition, method="snip"):
    return Row("s", 1, "collapse", "quick", "mlp", "digits", None, method, 0.1, None, repetition)


@pytest.fixture
def store(tmp_path):
    return tmp_path / "store"


def make(store, name, *, repetitions=2):
    """A run of that id: every repetition but the last has a record, with series."""
    folder = store / "runs" / name
    with Journal(folder) as journal:
        for n in reversed(range(repetitions - 1)):
            journal.append(Record(row(n), "ok", "k", {"kept": float(n)}, series={"kept_by_layer": [n, n + 1]}))
    rows = [row(n).plain() for n in range(repetitions)]
    plan = {"schema": 1, "run": name, "suites": [{"name": "s", "version": 1}], "scale": "quick", "rows": rows,
            "environment": {}}  # fmt: skip
    (folder / "plan.json").write_text(json.dumps(plan))
    (folder / "provenance.json").write_text('{"abc": {"python": "3.11"}}')
    return folder


def test_a_run_is_opened_by_the_beginning_of_its_id_as_the_latest_and_by_its_folder(store):
    first, second = make(store, "5a7e01"), make(store, "77aa02")
    assert open_run(store, "5a7").run_id == "5a7e01"
    assert open_run(store, str(first)).place == first
    assert open_run(store, "latest").run_id in {"5a7e01", "77aa02"}
    assert open_run(Path("nowhere"), str(second)).run_id == "77aa02"
    with pytest.raises(UnknownNameError, match="no run 'zz'"):
        open_run(store, "zz")
    with pytest.raises(UnknownNameError, match=r"no run '.*runs'"):
        open_run(store, str(store / "runs"))


def test_the_last_record_of_a_planned_row_counts_and_no_other(store):
    folder = make(store, "5a7e01", repetitions=3)
    lines = [Record(row(0), "ok", "k", {"kept": 9.0}), Record(row(7), "ok", "k", {"kept": 50.0})]
    with (folder / "records.jsonl").open("a") as file:
        file.writelines(json.dumps(one.plain()) + "\n" for one in lines)
    results = load_results(folder)
    assert [(record.row, record.metrics) for record in results.records] == [
        (row(0), {"kept": 9.0}),
        (row(1), {"kept": 1.0}),
    ]
    assert results.missing() == [row(2)]
    assert results.statuses() == {"ok": 2, "missing": 1}


@pytest.mark.parametrize(
    "changes", [{}, {"presentation": {}}, {"presentation": {"primary": 5}}, {"presentation": {"sections": ["other"]}}]
)
def test_a_plan_without_a_good_presentation_is_an_error_where_it_is_shown(store, changes):
    folder = make(store, "5a7e01")
    plan = json.loads((folder / "plan.json").read_text())
    plan["suites"][0] |= changes
    (folder / "plan.json").write_text(json.dumps(plan))
    with pytest.raises(StoreError, match=r"suite 's' of the plan: presentation.*: [^\n]*\Z"):
        load_results(folder).leaderboard()


def test_an_archive_reads_as_its_folder_does(store, tmp_path):
    folder = make(store, "5a7e01", repetitions=4)
    (folder / "log").mkdir()
    (folder / "log" / "worker.txt").write_text("a word")
    results = load_results(folder)
    archive = tmp_path / "mine.tar.xz"
    archive.write_bytes(archived(results))
    shutil.rmtree(store)
    again = open_run(store, str(archive))
    assert again.records == results.records
    assert [record.row.repetition for record in again.records] == [0, 1, 2]
    assert [again.series(r) for r in again.records] == [{"kept_by_layer": [n, n + 1]} for n in range(3)]
    assert again.plan == results.plan
    assert again.provenance == {"abc": {"python": "3.11"}}
    assert again.missing() == [row(3)]
    with tarfile.open(archive) as opened:
        assert opened.getnames() == [
            f"5a7e01/{name}" for name in ("plan.json", "provenance.json", "records.jsonl", "series.jsonl")
        ]


def test_an_archive_has_the_same_bytes_wherever_and_whenever_it_is_made(store, tmp_path):
    folder = make(store, "5a7e01", repetitions=3)
    content = archived(load_results(folder))
    copy = shutil.copytree(folder, tmp_path / "copy", copy_function=shutil.copyfile)
    (copy / "log").mkdir()
    (copy / "plan.json").chmod(0o600)
    with (copy / "records.jsonl").open("ab") as file:
        file.write(b'{"schema": 1, "torn')
    (tmp_path / "r.tar.xz").write_bytes(content)
    assert archived(load_results(copy)) == content
    assert archived(load_results(tmp_path / "r.tar.xz")) == content


@pytest.mark.parametrize("name", ["none.tar.xz", "none.zip", "folder.tgz"])
def test_an_archive_that_is_not_there_is_one_line(store, tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.tgz").mkdir()
    with pytest.raises(StoreError, match=rf"^there is no archive {name}$"):
        open_run(store, name)


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        (None, r"there is no plan\.json in it"),
        ("{", r"plan\.json: Expecting"),
        ("[1]", r"plan\.json: "),
        ("{}", r"plan\.json: run or scale is no text"),
        (ROWS % "1", r"plan\.json: TypeError"),
        (ROWS % "{}", r"plan\.json: KeyError: 'task'"),
    ],
)
def test_a_folder_without_a_readable_plan_is_one_line(store, plan, message):
    folder = make(store, "5a7e01")
    (folder / "plan.json").unlink()
    if plan is not None:
        (folder / "plan.json").write_text(plan)
    with pytest.raises(StoreError, match=message) as caught:
        load_results(folder)
    assert str(caught.value).startswith(f"{folder} holds no readable run: ")
    assert len(str(caught.value).splitlines()) == 1


def test_a_plan_of_a_later_version_asks_for_it(store):
    folder = make(store, "5a7e01")
    plan = json.loads((folder / "plan.json").read_text())
    (folder / "plan.json").write_text(json.dumps({**plan, "schema": 2}))
    with pytest.raises(StoreError, match=r"plan\.json is of schema 2; this version reads 1: update prunebench"):
        load_results(folder)


def test_a_provenance_that_cannot_be_read_is_one_line_and_none_is_empty(store):
    folder = make(store, "5a7e01")
    (folder / "provenance.json").write_text("{")
    with pytest.raises(StoreError, match=r"provenance\.json cannot be read: Expecting"):
        _ = load_results(folder).provenance
    (folder / "provenance.json").unlink()
    assert load_results(folder).provenance == {}
