"""The example workflows: every command is understood, and those of a pull request run, in order, on a small suite."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import click
import pytest

from prunebench.cli.root import root

DOCS = Path(__file__).parents[2] / "docs"
SHIMS = {
    "prunebench": 'exec "$BEGUN" -m prunebench "$@"',
    "uv": 'case "$1" in run) shift; exec "$@";; tool) exit 0;; esac',
    "git": 'test "$1 $2" = "worktree add" && mkdir -p "$3" && cp my_method.py mine.toml "$3"',
    "gh": 'echo "$@" >> "$GH_LOG"',
}


def steps(name):
    """The commands of each step of a workflow, in order."""
    lines = (DOCS / "workflows" / name).read_text(encoding="utf-8").splitlines()
    found = []
    for place, line in enumerate(lines):
        if not (match := re.match(r"( +)(?:- )?run: (.*)", line)):
            continue
        indent = len(match[1])
        block = []
        for below in lines[place + 1 :]:
            if len(below) - len(below.lstrip()) <= indent:
                break
            block.append(below.strip())
        found.append("\n".join(block) if match[2] == "|" else match[2])
    return found


@pytest.fixture
def runner(tmp_path, begun):
    """Run a step as a runner does, in a checkout that holds the files of the page on comparing."""
    checkout = tmp_path / "work" / "checkout"
    (tmp_path / "bin").mkdir()
    checkout.mkdir(parents=True)
    for name, body in SHIMS.items():
        (tmp_path / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    page = (DOCS / "ci.md").read_text(encoding="utf-8")
    for name, block in re.findall(r"^```\w+\n# (\w+\.\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        (checkout / name).write_text(re.sub("seeds = 3", "seeds = 1", block).replace("[0.5, 0.1, 0.05]", "[0.1]"))
    environment = tmp_path / "environment"
    environment.touch()

    def run(command, **variables):
        known = dict(line.split("=", 1) for line in environment.read_text().splitlines())
        ended = subprocess.run(
            ["bash", "-e", "-o", "pipefail", "-c", command], cwd=checkout, capture_output=True, text=True, timeout=170,
            check=False,
            env={
                **os.environ, **known, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}",
                "GITHUB_ENV": str(environment), "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
                "GH_LOG": str(tmp_path / "gh.log"), "PRUNEBENCH_EXECUTOR": "inline", "BEGUN": str(begun),
                "PRUNEBENCH_PLUGIN": "my_method.py", **variables,
            },
        )  # fmt: skip
        assert ended.returncode == 0, f"{command}\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}"

    run.checkout = checkout
    return run


@pytest.mark.parametrize("name", ["own-method.yml", "pull-request.yml"])
def test_every_command_of_a_workflow_is_understood(name):
    found = re.findall(r"(?:^|\buv run )prunebench ([^|>\n]+)", "\n".join(steps(name)), re.MULTILINE)
    assert len(found) >= 4
    for text in found:
        verb, *arguments = text.split()
        command = root.get_command(click.Context(root), verb)
        command.make_context(verb, arguments)


@pytest.mark.skipif(shutil.which("bash") is None, reason="steps of a workflow are bash")
@pytest.mark.parametrize("name", ["own-method.yml", "pull-request.yml"])
def test_cells_that_fail_do_not_end_the_job_before_the_comparison_and_other_errors_do(name, runner, tmp_path):
    (tmp_path / "bin" / "prunebench").write_text(
        '#!/bin/sh\ncase "$*" in *--dry-run*) echo "run 0123";; *) exit "$CODE";; esac\n'
    )
    found = [command for command in steps(name) if "prunebench run" in command]
    assert len(found) == (1 if name == "own-method.yml" else 2)
    for command in found:
        for code in ("0", "3"):
            runner(command, CODE=code, SUITES="mine.toml", BASE="origin/main")
            shutil.rmtree(runner.checkout.parent / "base", ignore_errors=True)
        with pytest.raises(AssertionError):
            runner(command, CODE="2", SUITES="mine.toml", BASE="origin/main")
        shutil.rmtree(runner.checkout.parent / "base", ignore_errors=True)


@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("bash") is None, reason="steps of a workflow are bash")
def test_the_workflow_of_a_pull_request_compares_with_the_base_branch(runner, tmp_path):
    commands = steps("pull-request.yml")
    assert len(commands) == 5
    variables = {
        "SUITES": "mine.toml", "BASE": "origin/main", "PRUNEBENCH_STORE": str(tmp_path / "work" / "store"),
        "NUMBER": "7", "OURS": "true",
    }  # fmt: skip
    for command in commands:
        if " report " in command:
            continue  # charts take long, and have tests of their own
        runner(command, **variables)
        if command.startswith("git worktree"):
            method = runner.checkout / "my_method.py"
            method.write_text(method.read_text().replace("power: float = 0.5", "power: float = 0.4"))
            changed = (tmp_path / "work" / "store" / "runs").glob("*")
            assert len(list(changed)) == 1
        if command.startswith("uv run prunebench run"):
            # A method that got better or worse ends the job here; what is tried is the way there.
            variables["PRUNEBENCH_EXIT_ZERO"] = "1"
    summary = (tmp_path / "summary.md").read_text()
    assert "my-method" in summary
    assert "magnitude" not in summary.split("<details>")[0], "the code of others is the same, and so is every bit"
    assert (tmp_path / "gh.log").read_text().startswith("pr comment 7 --body-file comment.md")
