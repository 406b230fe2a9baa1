"""Files of a report: names, bytes, what is left alone."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from xml.etree import ElementTree as ET

import pytest

import prunebench as pb
from prunebench.analysis.results import load_results
from prunebench.errors import StoreError, UsageError
from prunebench.report.files import FORMATS, write_report
from prunebench.report.places import slug, stems
from tests.full_disk import full_disk
from tests.report.handmade import METHODS, records, row, small_run, write_run


@pytest.fixture(autouse=True)
def _no_charts(monkeypatch):
    """Charts take seconds, and are tried by themselves."""
    monkeypatch.setattr("prunebench.report.page.charts", lambda *_: [])


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_charts_are_files_of_their_own_where_they_are_asked_for(tmp_path):
    run = load_results(small_run(tmp_path / "run"))
    written = write_report([run], tmp_path / "out", ["svg"])
    assert sorted(path.name for path in written) == names(tmp_path / "out")
    assert "tradeoff.quick.tradeoff-curve-1.svg" in names(tmp_path / "out")
    for path in written:
        root = ET.parse(path).getroot()
        svg = "{http://www.w3.org/2000/svg}"
        assert root.tag == f"{svg}svg"
        style = root.find(f"{svg}style").text
        classes = {
            name for element in root.iter() for name in element.get("class", "").split() if name[:2] in {"f-", "s-"}
        }
        assert classes
        assert all(f".chart .{name} {{" in style for name in classes)
        assert "prefers-color-scheme: dark" in style


def test_a_run_becomes_a_page_tables_and_records(tmp_path):
    run = load_results(small_run(tmp_path / "run"))
    written = write_report([run], tmp_path / "out")
    assert [path.name for path in written] == [f"tradeoff.quick.{kind}" for kind in FORMATS]
    assert names(tmp_path / "out") == sorted(path.name for path in written)
    lines = list(csv.DictReader(io.StringIO((tmp_path / "out" / "tradeoff.quick.csv").read_text(encoding="utf-8"))))
    document = json.loads((tmp_path / "out" / "tradeoff.quick.json").read_text(encoding="utf-8"))
    assert len(lines) == len(document["records"]) + len(document["missing"]) == len(run.rows)


def test_other_files_are_left_alone_and_own_ones_replaced(tmp_path):
    run = load_results(small_run(tmp_path / "run"))
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine", encoding="utf-8")
    (folder / "tradeoff.quick.md").write_text("old", encoding="utf-8")
    write_report([run], folder, ["md"])
    assert names(folder) == ["notes.txt", "tradeoff.quick.md"]
    assert (folder / "notes.txt").read_text(encoding="utf-8") == "mine"
    assert "synflow" in (folder / "tradeoff.quick.md").read_text(encoding="utf-8")


def test_each_suite_of_a_run_has_files_of_its_own_and_a_list_leads_to_them(tmp_path):
    found = records(datasets=["digits"])
    other = [row(method, 0.5, 0, suite="mine") for method in METHODS if method != "dense"]
    run = load_results(write_run(tmp_path / "run", found, unfinished=other, suites=("tradeoff", "mine")))
    write_report([run], tmp_path / "out", ["html", "md", "csv"])
    assert names(tmp_path / "out") == [
        "README.md", "index.html", "mine.quick.csv", "mine.quick.html", "mine.quick.md", "tradeoff.quick.csv",
        "tradeoff.quick.html", "tradeoff.quick.md",
    ]  # fmt: skip
    index = (tmp_path / "out" / "index.html").read_text(encoding="utf-8")
    readme = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    for name in ("mine.quick", "tradeoff.quick"):
        assert f'href="{name}.html"' in index
        assert f"[html]({name}.html)" in readme
    mine = (tmp_path / "out" / "mine.quick.csv").read_text(encoding="utf-8").splitlines()
    assert len(mine) == 1 + len(other), "the cells of that suite alone"


def test_a_list_replaces_its_own_earlier_one_and_never_somebody_elses(tmp_path):
    runs = [load_results(write_run(tmp_path / name, records(repetitions=1), run=name)) for name in ("aaaa", "bbbb")]
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "README.md").write_text("# My paper\n", encoding="utf-8")
    assert "README.md" not in {path.name for path in write_report(runs, folder, ["html", "md"])}
    assert (folder / "README.md").read_text(encoding="utf-8") == "# My paper\n"
    three = [*runs, load_results(write_run(tmp_path / "cccc", records(repetitions=1), run="cccc"))]
    assert "index.html" in {path.name for path in write_report(three, folder, ["html", "md"])}
    assert "tradeoff.quick.cccc.html" in (folder / "index.html").read_text(encoding="utf-8")


def test_runs_of_one_suite_and_scale_are_told_apart_by_their_ids(tmp_path):
    runs = [load_results(write_run(tmp_path / name, records(), run=name)) for name in ("aaaa", "bbbb")]
    write_report(runs, tmp_path / "out", ["md"])
    assert names(tmp_path / "out") == ["README.md", "tradeoff.quick.aaaa.md", "tradeoff.quick.bbbb.md"]


def test_a_run_that_is_named_twice_is_reported_once_and_others_of_its_id_get_numbers(tmp_path):
    folders = [
        write_run(tmp_path / name / "f00d", records(repetitions=n), run="f00d") for n, name in ((1, "a"), (2, "b"))
    ]
    runs = [load_results(folder) for folder in (folders[0], folders[1], folders[0])]
    write_report(runs[::2], tmp_path / "one", ["md"])
    assert names(tmp_path / "one") == ["tradeoff.quick.md"]
    write_report(runs, tmp_path / "two", ["csv", "md"])
    assert names(tmp_path / "two") == [
        "README.md", "tradeoff.quick.f00d.2.csv", "tradeoff.quick.f00d.2.md", "tradeoff.quick.f00d.csv",
        "tradeoff.quick.f00d.md",
    ]  # fmt: skip
    lines = [(tmp_path / "two" / f"tradeoff.quick.{name}.csv").read_text().count("\n") for name in ("f00d", "f00d.2")]
    assert lines == [1 + len(run.rows) for run in runs[:2]]


def test_a_name_of_two_runs_is_never_that_of_a_third(tmp_path):
    runs = [
        load_results(write_run(tmp_path / place, records(repetitions=n), run=run))
        for n, (place, run) in enumerate([("a", "f00d"), ("b", "f00d"), ("c", "f00d.2")], 1)
    ]
    assert stems([(run, "tradeoff") for run in runs]) == [f"tradeoff.quick.f00d{end}" for end in ("", ".3", ".2")]


def test_tables_begin_with_the_run_its_cells_and_what_was_left_out(tmp_path):
    folder = small_run(tmp_path / "run")
    plan = json.loads((folder / "plan.json").read_text())
    heads = []
    for selection in (
        {},
        {"selection": {"methods": []}},
        {"selection": {"methods": ["sn*p"], "seeds": 1, "set": ["a=1"]}},
    ):
        (folder / "plan.json").write_text(json.dumps(plan | selection))
        write_report([load_results(folder)], tmp_path / "out", ["md"])
        heads.append((tmp_path / "out" / "tradeoff.quick.md").read_text(encoding="utf-8").splitlines()[:3])
    assert heads[0][:2] == [
        "- tradeoff quick, version 2, run f00dcafe0123: 9 methods, 2 tasks, 3 repetitions, 93 cells",
        "- cells: 86 ok, 2 skipped, 2 failed, 3 missing",
    ]
    assert [head[2] for head in heads] == [
        "- whether a part of the suite was left out is not told",
        "- the suite as it is",
        "- part of the suite: methods given by hand: sn\\*p; repetitions given by hand: 1; settings given by hand: a=1",
    ]


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path):
    run = load_results(small_run(tmp_path / "run"))
    write_report([run], tmp_path / "out", ["csv"])
    before = (tmp_path / "out" / "tradeoff.quick.csv").read_bytes()
    with full_disk(), pytest.raises(StoreError, match=r"tradeoff\.quick\.csv cannot be written: File too large"):
        write_report([run], tmp_path / "out", ["csv"])
    assert (tmp_path / "out" / "tradeoff.quick.csv").read_bytes() == before
    assert names(tmp_path / "out") == ["tradeoff.quick.csv"]


def test_a_changed_scale_makes_a_safe_name():
    assert slug("tradeoff") == "tradeoff"
    changed, other = slug("quick + densities=[0.1]"), slug("quick + densities=(0.1)")
    assert changed != other
    assert changed.startswith("quick-densities-0.1-")
    assert slug("../../etc/passwd").strip(".").startswith("etc-passwd-")
    assert len(slug("x" * 500)) < 80


def test_a_folder_that_cannot_be_written_is_an_error_that_names_it(tmp_path):
    run = load_results(small_run(tmp_path / "run"))
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StoreError, match="file"):
        write_report([run], tmp_path / "file")


def test_two_processes_write_the_same_bytes(tmp_path):
    """Charts included, whatever the seed of hashes."""
    write_run(tmp_path / "run", records({"dense": 70.0, "snip": 60.0, "synflow": 62.0}, datasets=["digits"]))
    written = []
    kinds = ("--format", "html", "--format", "md")
    for seed in ("1", "2"):
        out = tmp_path / f"out{seed}"
        command = [sys.executable, "-m", "prunebench", "report", str(tmp_path / "run"), "--output", str(out), *kinds]
        subprocess.run(command, check=True, env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True)
        written.append({path.name: path.read_bytes() for path in out.iterdir()})
    assert written[0] == written[1]
    page = written[0]["tradeoff.quick.html"]
    assert b"<svg" in page
    assert str(tmp_path).encode() not in page


def test_the_library_writes_the_same_files_as_the_command(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = small_run(tmp_path / ".prunebench" / "runs" / "f00dcafe0123")
    by_result = pb.write_report(load_results(run), folder="a", formats=["md", "csv"])
    by_name = pb.write_report("f00d", folder=tmp_path / "b", formats=["csv", "md"])
    latest = pb.write_report(folder="c", formats=["md"])
    assert [path.name for path in by_result] == ["tradeoff.quick.md", "tradeoff.quick.csv"]
    assert [path.read_bytes() for path in by_result] == [path.read_bytes() for path in by_name]
    assert latest[0].read_bytes() == by_result[0].read_bytes()


def test_an_unknown_format_is_refused_before_anything_is_read(tmp_path):
    with pytest.raises(UsageError, match=r"unknown format 'htm'.*did you mean 'html'"):
        pb.write_report("no-such-run", folder=tmp_path / "out", formats=["htm"])
    assert not (tmp_path / "out").exists()


def test_a_run_of_the_library_writes_the_report_that_it_was_asked_for(tiny, tmp_path):
    results = pb.run(
        str(tiny), methods=["random"], seeds=1, executor="inline", overrides=["densities=[0.5]"],
        store=tmp_path / "store", report=tmp_path / "out",
    )  # fmt: skip
    assert len(names(tmp_path / "out")) == len(FORMATS)
    (table,) = (tmp_path / "out").glob("*.md")
    assert "compares with no others" in table.read_text(encoding="utf-8")
    assert results.run_id in next((tmp_path / "out").glob("*.html")).read_text(encoding="utf-8")
