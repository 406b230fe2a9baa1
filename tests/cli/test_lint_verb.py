"""`prunebench lint`, and where else a run's lint is shown."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import pytest

SMALL = """
name = "small"
version = 1
question = "?"
[primary]
metric = "test_accuracy"
tolerance = 1.0
density = 0.1
[[column]]
header = "10 %"
metric = "test_accuracy"
density = 0.1
[scale.quick]
about = "tiny"
seeds = 1
minutes = 1
[[scale.quick.grid]]
check = "tradeoff"
models = ["mlp(repeat=2, widths=[8])"]
datasets = ["digits"]
recipes = ["small-sgd(epochs=1)"]
methods = ["dense", "random", "snip"]
densities = [0.5, 0.1]
"""
LACKS = ["operating-points", "seeds", "spread", "same-ratios", "magnitude", "learning-rate", "tasks"]


@pytest.fixture
def ran(command, tmp_path):
    """A small run that trains; returns how it ended."""
    (tmp_path / "small.toml").write_text(SMALL)
    ended = command("run", "small.toml", "--executor", "inline", "--report", "report")
    assert ended.code == 0, ended.err
    return ended


def states(text):
    """State of every item in the first table of a lint in JSON."""
    return {found["item"]: found["state"] for found in json.loads(text)[0]["rows"]}


def test_a_run_says_at_its_end_what_it_lacks_and_so_do_show_and_the_report(command, ran, tmp_path):
    (folder,) = (tmp_path / ".prunebench" / "runs").iterdir()
    (line,) = [line for line in ran.err.splitlines() if line.startswith("lint: ")]
    assert line == f"lint: 7 of 16 items missing: {', '.join(LACKS)}; see prunebench lint {folder.name}"
    assert "lint" not in ran.out
    shown = json.loads(command("show", "latest", "--format", "json").out)
    (brief,) = [table for table in shown if table["caption"].startswith("lint")]
    assert folder.name in brief["caption"]
    assert brief["rows"][0] == {"state": "missing", "n": "7", "items": ", ".join(LACKS)}
    assert sum(int(r["n"]) for r in brief["rows"]) == 16
    board = next((tmp_path / "report").glob("*.md")).read_text()
    assert board.index("| snip") < board.index(f"**lint of run {folder.name}: 7 of 16 items missing")
    assert "| same-ratios" in board
    assert "Frankle et al. 2021" in board


def test_a_run_and_its_export_have_the_same_lint(command, ran):
    of_run = command("lint", "--format", "json")
    assert of_run.code == 0
    found = states(of_run.out)
    assert [name for name, state in found.items() if state == "missing"] == LACKS
    assert [name for name, state in found.items() if state == "not applicable"] == ["top-5"]
    assert command("export", "-o", "run.csv").code == 0
    of_file = command("lint", "run.csv", "--format", "json")
    assert states(of_file.out) == found
    assert json.loads(of_file.out)[0]["rows"] == json.loads(of_run.out)[0]["rows"]
    assert "ignored" not in of_file.out


def test_an_export_has_the_density_asked_for_and_the_one_achieved(command, ran, tmp_path):
    command("export", "-o", "run.csv")
    with (tmp_path / "run.csv").open() as file:
        rows = list(csv.DictReader(file))
    total = 64 * 8 + 8 * 8 + 8 * 10
    pruned = {float(row["density"]): float(row["achieved_density"]) for row in rows if row["method"] == "snip"}
    assert pruned == {0.5: 0.5, 0.1: pytest.approx(round(0.1 * total) / total)}
    assert pruned[0.1] != 0.1
    assert [(r["density"], r["achieved_density"]) for r in rows if r["method"] == "dense"] == [("", "1.0")]


def test_records_without_their_provenance_lack_it(command, ran, tmp_path):
    (folder,) = (tmp_path / ".prunebench" / "runs").iterdir()
    (folder / "provenance.json").unlink()
    assert states(command("lint", "--format", "json").out)["hardware-software"] == "missing"


def test_where_nothing_is_trained_accuracy_is_not_asked_for(command, tiny):
    assert command("run", tiny, "--executor", "inline", "-m", "random", "-m", "snip").code == 0
    found = states(command("lint", "--format", "json").out)
    assert {name for name, state in found.items() if state == "not applicable"} == {
        "dense-control", "operating-points", "same-ratios", "magnitude", "budget", "learning-rate", "selection",
        "top-5",
    }  # fmt: skip
    assert {name for name, state in found.items() if state == "missing"} == {"seeds", "tasks"}
    assert "1 skipped" in command("lint").out or "skipped)" in command("lint").out


def test_a_run_without_any_result_tells_nothing(command, tiny, faulty):
    arguments = ["--executor", "inline", "--plugin", faulty, "-m", "raises", "--seeds", "1"]
    ended = command("run", tiny, *arguments)
    assert ended.code == 3
    assert "lint: none of 16 items missing, 16 cannot tell" in ended.err
    assert {*states(command("lint", "--format", "json").out).values()} == {"cannot tell"}


def test_only_strict_makes_gaps_an_exit_code(command, tmp_path):
    (tmp_path / "r.csv").write_text("method,model,dataset,density,accuracy,colour\nsnip,a,digits,0.1,3,red\n")
    plain = command("lint", "r.csv")
    assert plain.code == 0
    assert "no dense network on a · digits" in plain.out
    assert "columns that are ignored" in plain.out
    assert "colour" in plain.out
    strict = command("lint", "r.csv", "--strict")
    assert (strict.code, strict.out) == (1, plain.out)
    assert "| missing" in command("lint", "r.csv", "--format", "md").out


@pytest.mark.parametrize(
    ("name", "message"),
    [("nope", "no run 'nope'"), ("nope.csv", "nope.csv cannot be read: No such file"), ("bad.csv", "bad.csv, line 3:")],
)
def test_what_cannot_be_linted_is_one_line(command, tmp_path, name, message):
    (tmp_path / "bad.csv").write_text("method,model,dataset,density,accuracy\na,b,c,0.1,3\na,b,c,0.1,x\n")
    ended = command("lint", name)
    assert ended.code == 2
    assert message in ended.err
    assert len(ended.err.strip().splitlines()) == 1


def test_a_shell_completes_runs_and_files(tmp_path):
    for name in ("0123456789ab", "0fff456789ab"):
        (tmp_path / ".prunebench" / "runs" / name).mkdir(parents=True)
        (tmp_path / ".prunebench" / "runs" / name / "plan.json").write_text("{}")
    code = "import sys\nfrom prunebench.cli import main\ntry:\n    main()\nfinally:\n"
    code += "    assert not {'torch', 'scipy', 'pydantic', 'polars'} & set(sys.modules), 'imported'"

    def completed(word):
        environment = {
            **os.environ, "_PRUNEBENCH_COMPLETE": "bash_complete", "COMP_WORDS": f"prunebench lint {word}",
            "COMP_CWORD": "2",
        }  # fmt: skip
        ended = subprocess.run(
            [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True, check=True
        )
        return ended.stdout.split()

    assert completed("0") == ["plain,0123456789ab", "plain,0fff456789ab"]
    assert completed("la") == ["plain,latest"]
    assert completed("res") == ["file,res"]
