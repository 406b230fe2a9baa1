"""Configuration files, and what `prunebench env` says of them."""

from __future__ import annotations

import json

import pytest


@pytest.fixture
def options(command):
    """Options of a command as `env` shows them: value and origin by name."""

    def of(*words):
        ended = command("env", "--format", "json", *words)
        assert ended.code == 0, ended.err
        return {row["option"]: (row["value"], row["from"]) for row in json.loads(ended.out)[1]["rows"]}

    return of


def test_flags_beat_variables_beat_the_file_beat_the_project_beat_defaults(options, tmp_path, monkeypatch):
    project, own = tmp_path / "pyproject.toml", tmp_path / "prunebench.toml"
    project.write_text("[tool.prunebench]\njobs = 1\nthreads = 1\nseeds = 1\nmemory = '1G'\n")
    own.write_text("jobs = 2\nthreads = 2\nseeds = 2\n")
    monkeypatch.setenv("PRUNEBENCH_JOBS", "3")
    monkeypatch.setenv("PRUNEBENCH_THREADS", "3")
    found = options("run", "collapse", "--jobs", "4")
    assert found["--jobs"] == ("4", "flag")
    assert found["--threads"] == ("3", "PRUNEBENCH_THREADS")
    assert found["--seeds"] == ("2", str(own))
    assert found["--memory"] == ("1G", str(project))
    assert found["--scale"] == ("quick", "default")


def test_a_run_follows_the_file(command, tiny, tmp_path):
    (tmp_path / "prunebench.toml").write_text('seeds = 1\nmethod = "random"\n')
    assert "cells      4\n" in command("run", tiny, "-n").out
    assert "cells      8\n" in command("run", tiny, "-n", "--seeds", "2").out


def test_keys_take_dashes_or_underscores_and_lists_where_an_option_repeats(options, tmp_path):
    (tmp_path / "prunebench.toml").write_text('fail_fast = true\ncache-size = "1G"\nmethod = ["snip", "random"]\n')
    found = options()
    assert (found["--fail-fast"][0], found["--cache-size"][0], found["--method"][0]) == ("true", "1G", "snip random")


def test_a_table_of_a_verb_beats_the_top_level_and_holds_for_it_alone(options, tmp_path):
    (tmp_path / "prunebench.toml").write_text('store = "one"\n[list]\nstore = "two"\n[export]\nformat = "json"\n')
    assert options("run")["--store"][0] == options("export")["--store"][0] == "one"
    assert options("list")["--store"][0] == "two"
    assert (options("export")["--format"][0], options("list")["--format"][0]) == ("json", "table")


def test_files_are_found_up_to_the_root_of_the_repository_and_paths_are_theirs(options, tmp_path, monkeypatch):
    (tmp_path / "prunebench.toml").write_text('store = "kept"\nplugin = ["mine.py", "package.module"]\nseeds = 5\n')
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    monkeypatch.chdir(inner)
    assert options()["--seeds"] == ("–", "default"), "outside a repository no parent is looked at"
    (tmp_path / ".git").mkdir()
    assert options()["--store"][0] == str(tmp_path / "kept")
    assert options()["--plugin"][0] == f"{tmp_path / 'mine.py'} package.module"
    (tmp_path / "a" / ".git").mkdir()
    assert options()["--seeds"] == ("–", "default"), "a parent beyond the repository is another project"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("seds = 3", "unknown key 'seds' (did you mean 'seeds'?)"),
        ("[exprt]\nformat = 'csv'", "unknown key 'exprt' (did you mean 'export'?)"),
        ("[export]\nformt = 'csv'", "unknown key export.formt (did you mean 'format'?)"),
        ("[completion]\nx = 1", "completion has no options"),
        ("seeds = ", "Invalid value (at "),
        ("seeds = 'x'", "seeds: 'x' is not a valid integer"),
        ("seeds = true", "seeds needs a value"),
        ("seeds = [1]", "seeds takes one value"),
        ("[seeds]\na = 1", "seeds needs a value"),
        ("fail-fast = 1", "fail-fast needs true or false"),
        ("format = 'xml'", "format: 'xml' is not one of"),
    ],
)
@pytest.mark.parametrize("name", ["prunebench.toml", "pyproject.toml"])
def test_what_does_not_fit_is_one_line_naming_the_file(command, tmp_path, name, text, message):
    prefix = "" if name == "prunebench.toml" else "[tool.prunebench]\n"
    (tmp_path / name).write_text(prefix + text.replace("[e", "[tool.prunebench.e" if prefix else "[e")
                                 .replace("[c", "[tool.prunebench.c" if prefix else "[c")
                                 .replace("[s", "[tool.prunebench.s" if prefix else "[s"))  # fmt: skip
    ended = command("list", "runs")
    assert ended.code == 2
    (line,) = ended.err.strip().splitlines()
    assert line.startswith(f"prunebench: error: {tmp_path / name}: ")
    assert message in line


@pytest.mark.parametrize("words", [["run", "--help"], ["env", "-h"], ["--help"], ["completion", "bash"]])
def test_help_and_completion_do_not_hang_on_a_file_that_cannot_be_read(command, tmp_path, words):
    (tmp_path / "prunebench.toml").write_text("seeds = ")
    assert command(*words).code == 0


def test_a_project_without_a_table_of_ours_says_nothing(command, tmp_path):
    (tmp_path / "pyproject.toml").write_text("[tool.other]\nseds = 3\n")
    assert command("list", "runs").code == 0


def test_env_names_versions_and_device(command):
    rows = {r["what"]: r["is"] for r in json.loads(command("env", "--format", "json").out)[0]["rows"]}
    assert rows["device"] in {"cpu", "cuda"}
    assert rows["Python"].startswith("3.")
    assert "torch" in rows


@pytest.mark.parametrize(
    ("words", "message"),
    [(["rnu"], "unknown verb 'rnu' (did you mean 'run'?)"), (["run", "--sedes", "3"], "'--sedes'")],
)
def test_env_of_what_there_is_not_is_one_line(command, words, message):
    ended = command("env", *words)
    assert ended.code == 2
    assert message in ended.err
