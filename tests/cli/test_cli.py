"""Verbs that compute nothing: what they say, and that they are quick about it."""

from __future__ import annotations

import csv
import io
import json
import os
import resource
import subprocess
import sys

import pytest

from prunebench.registry import RECIPES

QUICK = (
    ["--help"], ["run", "--help"], ["list"], ["list", "methods"], ["list", "recipes"], ["show", "synflow"],
    ["show", "cifar-lottery"], ["--version"],
    ["env"], ["env", "--format", "json"], ["cache"], ["cache", "prune", "--all"], ["completion", "bash"],
    ["export", "--help"], ["run", "collapse", "-n", "--set", "densities=[0.1]"],
)  # fmt: skip


@pytest.mark.parametrize("arguments", [*QUICK, ["show", "collapse"], ["run", "collapse", "-n"]], ids=" ".join)
def test_verbs_that_do_not_compute_import_no_torch(arguments, tmp_path):
    code = f"import sys; sys.argv = ['prunebench', *{arguments!r}]\n"
    code += "from prunebench.cli import main\ntry:\n    main()\nfinally:\n"
    code += "    assert not {'torch', 'sklearn', 'scipy'} & set(sys.modules), 'imported'"
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr


def _seconds(arguments, cwd) -> float:
    """Processor time of a child: what else the machine does should not count."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], cwd=cwd, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


@pytest.mark.parametrize("arguments", [["--help"], ["list"]], ids=" ".join)
def test_help_and_list_take_at_most_a_fifth_of_a_second_over_python_itself(arguments, tmp_path):
    bare = min(_seconds(["-c", "pass"], tmp_path) for _ in range(5))
    # Neighbours take cache and memory bandwidth too: the best of many tries is what the verb itself needs.
    tries = (_seconds(["-m", "prunebench", *arguments], tmp_path) - bare for _ in range(80))
    assert any(used <= 0.2 for used in tries)


def test_help_names_every_verb_and_exit_code(command):
    ended = command("--help")
    assert ended.code == 0
    for word in (
        "run",
        "list",
        "show",
        "cache",
        "completion",
        "env",
        "export",
        "130 interrupted",
        "3 some cells failed",
    ):
        assert word in ended.out


def test_no_argument_prints_help(command):
    ended = command()
    assert (ended.code, ended.out) == (2, "")
    assert ended.err == command("--help").out
    assert "\n  run " in ended.err


@pytest.mark.parametrize("verb", ["cache", "completion", "env", "export", "list", "run", "show", "validate"])
def test_the_help_of_a_verb_shows_examples_line_by_line(command, verb):
    out = command(verb, "--help").out
    assert "\b" not in out
    assert all(line.count("prunebench ") <= 1 for line in out.splitlines() if not line.startswith("Usage"))


def test_a_large_family_is_one_row_unless_all_are_asked_for(command):
    folded, every = command("list", "models").out, command("list", "models", "--all").out
    (row,) = (line for line in folded.splitlines() if line.startswith("torchvision:"))
    members = [line.split()[0] for line in every.splitlines() if line.startswith("torchvision:")]
    assert row.split()[:3] == ["torchvision:…", str(len(members)), "models"]
    assert {"torchvision:resnet18", "torchvision:vit_b_16"} <= set(members)
    assert [line.split()[0] for line in folded.splitlines()[3:] if not line.startswith("torchvision:")] == [
        line.split()[0] for line in every.splitlines()[3:] if not line.startswith("torchvision:")
    ]


def test_a_store_without_runs_says_so(command):
    for words in (["show", "latest"], ["export"]):
        ended = command(*words)
        assert ended.code == 2
        assert ended.err == "prunebench: error: no run 'latest' in .prunebench: there are no runs yet\n"


def test_long_choices_of_a_parameter_are_shown_whole(command):
    out = "".join(command("show", "torchvision:resnet18").out.split())
    assert "xavier-uniform" in out
    assert "…" not in out


@pytest.mark.parametrize("kind", ["methods", "suites", "models", "datasets", "recipes", "metrics", "checks"])
def test_every_kind_can_be_listed_in_every_format(command, kind):
    table = command("list", kind, "--all").out
    rows = json.loads(command("list", kind, "--format", "json").out)[0]["rows"]
    lines = list(csv.DictReader(io.StringIO(command("list", kind, "--format", "csv").out)))
    markdown = command("list", kind, "--all", "--format", "md").out
    assert [row["name"] for row in rows] == [line["name"] for line in lines]
    for row in rows:
        assert row["name"] in table
        assert row["name"] in markdown


def test_a_method_is_shown_with_paper_needs_parameters_and_traps(command):
    out = " ".join(command("show", "snip").out.split())
    for words in ("Lee et al. 2019", "data, labels, gradients", "samples_per_class", "train or eval", "stay pruned"):
        assert words in out


def test_a_recipe_is_listed_and_shown_with_paper_notes_defaults_and_origin(command):
    (row,) = (line for line in command("list", "recipes").out.splitlines() if line.startswith("cifar-synflow-resnet "))
    assert "a fifth from 60 and 120 on" in row
    assert "Tanaka et al. 2020" in row
    described, parameters = json.loads(command("show", "cifar-synflow-resnet", "--format", "json").out)
    about = {entry["field"]: entry["value"] for entry in described["rows"]}
    assert about["notes"] == "Of ResNet-18; reports the best test epoch. No validation part."
    assert about["origin"] == "prunebench.tasks.recipes.cifar:cifar_synflow_resnet"
    defaults = {entry["name"]: entry["default"] for entry in parameters["rows"]}
    assert (defaults["lr"], defaults["milestones"], defaults["nesterov"]) == ("0.01", "[0.375, 0.75]", "true")


def test_a_recipe_of_a_plug_in_is_listed_and_shown_like_a_built_in_one(command, tmp_path, monkeypatch):
    monkeypatch.setattr(RECIPES, "entries", dict(RECIPES.entries))
    monkeypatch.setattr(RECIPES, "_objects", dict(RECIPES._objects))
    path = tmp_path / "ours.py"
    path.write_text(
        "import prunebench as pb\n\n@pb.recipe('ours', paper='Doe 2026', notes='Short.')\n"
        "def ours() -> pb.Recipe:\n    'Three epochs.'\n    return pb.Recipe(epochs=3)\n"
    )
    assert "ours  " in command("list", "recipes", "--plugin", path).out
    out = command("show", "ours", "--plugin", path).out
    for word in ("Three epochs", "Doe 2026", "Short.", "ours.py:ours", "3.0"):
        assert word in out
    path = tmp_path / "wrong.py"
    path.write_text("import prunebench as pb\n\n@pb.recipe('wrong')\ndef wrong():\n    return pb.Recipe(lr=-1)\n")
    ended = command("show", "wrong", "--plugin", path)
    assert (ended.code, ended.err) == (2, "prunebench: error: recipe 'wrong': lr=-1 is not positive\n")


def test_a_misspelled_recipe_is_answered_by_the_nearest(command):
    assert "did you mean 'cifar-sanity'" in command("show", "cifar-sanitty").err


def test_a_suite_is_shown_with_question_and_grids(command):
    out = command("show", "collapse").out
    assert "vanish" in out
    assert "standard" in out


def test_a_metric_is_shown_with_its_definition(command):
    assert "some prunable layer keeps no weight" in command("show", "rho_cr_dead_layer").out


def test_a_plug_in_is_shown_like_a_built_in_method(command, faulty):
    out = command("show", "power", "--plugin", faulty).out
    assert "|θ|^p" in out
    assert "faulty.py:power" in out


def test_options_are_read_from_the_environment_and_flags_beat_them(command, monkeypatch, tiny):
    monkeypatch.setenv("PRUNEBENCH_SEEDS", "1")
    assert "cells      16" in command("run", tiny, "-n").out
    assert "cells      48" in command("run", tiny, "-n", "--seeds", "3").out


def test_runs_are_listed_and_shown_by_the_beginning_of_their_name(command, tiny, tmp_path):
    command("run", tiny, "--executor", "inline", "-m", "random", "--seeds", "1")
    (folder,) = (tmp_path / ".prunebench" / "runs").iterdir()
    assert folder.name in command("list", "runs").out
    shown = command("show", folder.name[:6])
    assert "3 ok" not in shown.out
    assert "random" in shown.out
    assert "kept=" in command("show", "latest", "--cells").out


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    ended = subprocess.run(
        f'"{sys.executable}" -m prunebench list --format json | head -c 10', shell=True, cwd=tmp_path,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.stderr == ""


def test_output_that_nobody_reads_any_more_ends_the_command_as_a_signal_would(tmp_path):
    reader, writer = os.pipe()
    os.close(reader)
    with os.fdopen(writer, "w") as gone:
        ended = subprocess.run(
            [sys.executable, "-m", "prunebench", "list", "--all"], cwd=tmp_path, stdout=gone, stderr=subprocess.PIPE,
            text=True, check=False,
        )  # fmt: skip
    assert (ended.returncode, ended.stderr) == (143, ""), "1 would be a regression"


def test_python_dash_m_is_the_same_command(tmp_path):
    environment = {**os.environ, "COLUMNS": "80"}
    script = subprocess.run(
        [sys.executable, "-m", "prunebench", "--help"], capture_output=True, text=True, env=environment, check=True
    )
    assert script.stdout.startswith("Usage: prunebench ")
