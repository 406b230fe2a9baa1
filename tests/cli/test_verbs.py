"""`export`, `cache`, `completion`, and the options of `run` that write or evict."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys

import polars as pl
import pytest


@pytest.fixture
def ran(command, tiny, tmp_path):
    """A run of eight cells: four ok, one skipped and so on; returns its folder."""

    def run(*arguments):
        ended = command("run", tiny, "--executor", "inline", "--seeds", "1", "-m", "random", "-m", "snip", *arguments)
        assert ended.code == 0, ended.err
        return ended

    return run


def records(tmp_path):
    (folder,) = (tmp_path / ".prunebench" / "runs").iterdir()
    return [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]


def test_a_run_is_exported_with_a_line_a_cell_in_every_format(command, ran, tmp_path):
    ran()
    stored = records(tmp_path)
    lines = list(csv.DictReader(io.StringIO(command("export").out)))
    assert command("export", "latest", "-o", "r.parquet").code == 0
    table = pl.read_parquet(tmp_path / "r.parquet").to_dicts()
    document = json.loads(command("export", "--format", "json").out)
    assert len(lines) == len(table) == len(document["records"]) == len(stored) == 8
    by_cell = {(r["row"]["method"], r["row"]["density"]): r for r in stored}
    for line, row in zip(lines, table, strict=True):
        record = by_cell[row["method"], row["density"]]
        assert row["model"] == line["model"] == record["row"]["task"]["model"]
        assert row["status"] == line["status"] == record["status"]
        assert row["comparable"] is True
        for name, value in record["metrics"].items():
            assert row[name] == value
            assert (float(line[name]) if line[name] else None) == value
        for name, value in record["labels"].items():
            assert row[f"label.{name}"] == value
    seen = [r for r in document["records"] if r["row"]["density"] == 0.5]
    assert all(len(r["series"]["kept_by_layer"]) == 3 for r in seen), "LeNet-300-100 has three layers"
    assert document["missing"] == []


def test_failures_and_missing_cells_are_exported(command, tiny, faulty, tmp_path):
    arguments = (
        "run",
        tiny,
        "--executor",
        "inline",
        "--seeds",
        "1",
        "--plugin",
        faulty,
        "-m",
        "raises",
        "-m",
        "random",
    )
    assert command(*arguments, "--fail-fast").code == 3
    rows = list(csv.DictReader(io.StringIO(command("export").out)))
    assert {row["status"] for row in rows if row["method"] == "raises"} == {"failed"}
    assert {row["error.type"] for row in rows if row["status"] == "failed"} == {"OddError"}
    assert {row["status"] for row in rows if row["method"] == "random"} <= {"ok", "skipped", "missing"}
    assert len(rows) == 8


def test_a_file_is_replaced_only_by_force(command, ran, tmp_path):
    ran()
    (tmp_path / "r.csv").write_text("mine")
    ended = command("export", "-o", "r.csv")
    assert ended.code == 2
    assert "r.csv is there already: give --force" in ended.err
    assert (tmp_path / "r.csv").read_text() == "mine"
    assert command("export", "-o", "r.csv", "--force").code == 0
    assert (tmp_path / "r.csv").read_text().startswith("run,suite,")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "no run 'nope'"), (["-o", "r.xlsx"], "r.xlsx does not tell the format"),
        (["-o", "nowhere/r.csv"], "nowhere/r.csv cannot be written"), (["--format", "xml"], "'xml' is not one of"),
    ],
)  # fmt: skip
def test_an_export_that_cannot_be_is_one_line(command, ran, arguments, message):
    ran()
    ended = command("export", *arguments)
    assert ended.code == 2
    assert message in ended.err
    assert len(ended.err.strip().splitlines()) == 1


def test_a_run_with_another_grid_is_marked_wherever_it_is_shown(command, ran, tmp_path):
    ended = ran("--set", "densities=[0.5]")
    mark = "compares with no others: quick + densities=[0.5]"
    assert mark in ended.out
    assert mark in command("show", "latest").out.split("run ")[1]
    assert "quick + densities=[0.5]" in command("list", "runs").out
    rows = list(csv.DictReader(io.StringIO(command("export").out)))
    assert {row["comparable"] for row in rows} == {"false"}
    assert {r["row"]["scale"] for r in records(tmp_path)} == {"quick + densities=[0.5]"}


def test_a_run_writes_the_files_of_a_report_and_again_the_same(command, ran, tmp_path):
    first = ran("--report", "out/report")
    folder = tmp_path / "out" / "report"
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert sorted(before) == [f"tiny.quick.{kind}" for kind in ("csv", "html", "json", "md")]
    assert b"| snip" in before["tiny.quick.md"]
    assert len(json.loads(before["tiny.quick.json"])["records"]) == 8
    assert "report: out/report/tiny.quick.html, out/report/tiny.quick.md" in first.err
    assert command("report", "--output", "again").code == 0
    assert {path.name: path.read_bytes() for path in (tmp_path / "again").iterdir()} == before


def test_a_bound_of_the_cache_evicts_after_the_run_and_keeps_the_records(command, ran, tmp_path):
    ran("--cache-size", "1B")
    assert not [path for path in (tmp_path / ".prunebench" / "artifacts").rglob("*") if path.is_file()]
    assert len(records(tmp_path)) == 8
    assert "0 steps run; 8 had their record before" in ran().err
    ran("--rerun", "all", "--cache-size", "1GiB")
    assert list((tmp_path / ".prunebench" / "artifacts").rglob("*.json"))


def test_the_cache_is_told_by_step_and_pruned_on_request(command, ran, tmp_path):
    ran()
    rows = json.loads(command("cache", "--format", "json").out)[0]["rows"]
    assert {row["step"] for row in rows} == {"descent", "survey", ""}
    files = list((tmp_path / ".prunebench" / "artifacts").rglob("*.json"))
    assert rows[-1]["artifacts"] == str(len(files))
    assert "cpu, torch" in rows[0]["environment"]
    for path in files[:2]:
        os.utime(path, (1, 1))
    assert f"would delete 2 of {len(files)} artifacts" in command("cache", "prune", "--older", "30d", "-n").out
    assert all(path.exists() for path in files)
    assert f"deleted 2 of {len(files)}" in command("cache", "prune", "--older", "30d").out
    assert not any(path.exists() for path in files[:2])
    assert "deleted 0 of" in command("cache", "prune", "--size", "1GiB").out
    assert "0 B stay" in command("cache", "prune", "--all").out
    assert len(records(tmp_path)) == 8


@pytest.mark.parametrize("arguments", [[], ["--all", "--size", "1G"], ["--size", "1G", "--older", "1d"]])
def test_pruning_needs_exactly_one_measure(command, ran, arguments):
    ended = command("cache", "prune", *arguments)
    assert ended.code == 2
    assert "give one of --size SIZE, --older TIME and --all" in ended.err


def test_nothing_is_pruned_while_a_run_uses_the_store(command, ran, tmp_path):
    from filelock import FileLock

    ran()
    with FileLock(tmp_path / ".prunebench" / "lock"):
        ended = command("cache", "prune", "--all")
    assert ended.code == 2
    assert "another run is using the store" in ended.err
    assert list((tmp_path / ".prunebench" / "artifacts").rglob("*.json"))


def test_pruning_a_store_that_is_not_there_makes_none(command, tmp_path):
    assert "holds no artifacts" in command("cache", "prune", "--all").out
    assert not (tmp_path / ".prunebench").exists()


def completed(tmp_path, *words) -> list[str]:
    """What a shell would be told."""
    environment = {
        **os.environ, "_PRUNEBENCH_COMPLETE": "bash_complete", "COMP_WORDS": " ".join(("prunebench", *words)),
        "COMP_CWORD": str(len(words)),
    }  # fmt: skip
    code = "import sys\nfrom prunebench.cli import main\ntry:\n    main()\nfinally:\n"
    code += "    assert not {'torch', 'sklearn', 'scipy', 'pydantic'} & set(sys.modules), 'imported'"
    ended = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
    )
    return [line.partition(",")[2] for line in ended.stdout.split()]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("ex",), ["export"]), (("run", "coll"), ["collapse"]), (("run", "collapse", "-m", "synf"), ["synflow"]),
        (("run", "collapse", "-m", "+synf"), ["+synflow"]), (("run", "--scale", "q"), ["quick"]),
        (("show", "synf"), ["synflow"]), (("list", "me"), ["methods", "metrics"]),
        (("list", "rec"), ["recipes"]), (("show", "cifar-syn"), ["cifar-synflow", "cifar-synflow-resnet"]),
        (("run", "--see"), ["--seeds"]),
        (("nothing", "x"), []),
    ],
    ids=str,
)  # fmt: skip
def test_words_are_completed_without_importing_what_computes(tmp_path, words, expected):
    assert completed(tmp_path, *words) == expected


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_calls_the_command(command, shell):
    assert f"_PRUNEBENCH_COMPLETE={shell}_complete" in command("completion", shell).out


def test_an_unknown_shell_is_refused(command):
    assert command("completion", "tcsh").code == 2


def test_a_run_is_exported_as_an_archive_that_every_verb_reads_without_the_store(command, ran, tmp_path):
    ran()
    assert command("export", "-o", "run.tar.xz").code == 0
    table, lint = command("export").out, command("lint").out
    (tmp_path / ".prunebench").rename(tmp_path / "elsewhere")
    assert command("export", "run.tar.xz").out == table
    assert command("lint", "run.tar.xz").out == lint
    assert "| snip" in command("show", "run.tar.xz", "--format", "md").out
    assert command("export", "run.tar.xz", "-o", "again.tar.xz").code == 0
    assert (tmp_path / "again.tar.xz").read_bytes() == (tmp_path / "run.tar.xz").read_bytes()
    ended = command("show", "none.tar.xz")
    assert (ended.code, ended.err) == (2, "prunebench: error: there is no archive none.tar.xz\n")


def test_metrics_are_exported_a_line_each_on_request(command, ran, tmp_path):
    ran()
    lines = list(csv.DictReader(io.StringIO(command("export", "--long").out)))
    found = {(line["method"], float(line["density"] or 0), line["metric"]): line["value"] for line in lines}
    for record in records(tmp_path):
        for name, value in record["metrics"].items():
            text = found[record["row"]["method"], record["row"]["density"] or 0.0, name]
            assert (float(text) if text else None) == value
    ended = command("export", "--long", "--format", "json")
    assert ended.code == 2
    assert "--long is of csv and parquet" in ended.err
