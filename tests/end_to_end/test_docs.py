"""Every snippet of README and docs runs."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
ELSEWHERE = ("pip install uv", "uv run prunebench run collapse", "uv run pytest", "reports/regenerate")
"""What the gate itself runs, from a clean checkout, and what `test_reports` holds against what is stored."""
COMPARED = "prunebench compare"
"""Against the suite's own baseline: the gate does, after a whole run; a small one compares with nothing."""

SMALL = "models=[lenet-300-100(width=0.1)] datasets=[digits]"
"""The network of runs that name none themselves: what is tried here are the commands, not the suite's four networks."""

OWN_SUITE = {"ci.md"}
"""Pages that bring a suite of their own: runs of another network would compare with nothing."""


def blocks(page: Path) -> list[tuple[str, str]]:
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)


def shell_lines(text: str) -> list[str]:
    lines = [line.split("  #")[0].strip() for line in text.splitlines()]
    return [line for line in lines if line and not line.startswith(ELSEWHERE) and line != COMPARED]


COMPUTE = ("prunebench run", "prunebench validate")
"""Commands that take seconds to begin: they begin at once here, but for the first of each in README."""


@pytest.fixture
def shell(tmp_path, begun):
    """Run a command in an empty folder where `prunebench` is this checkout's."""
    (tmp_path / "bin").mkdir()
    launcher = tmp_path / "bin" / "prunebench"
    launcher.write_text('#!/bin/sh\nexec "$BEGUN" -m prunebench "$@"\n')
    launcher.chmod(0o755)
    environment = {**os.environ, "PATH": f"{tmp_path / 'bin'}:{os.environ['PATH']}", "PRUNEBENCH_SET": SMALL}

    def run(arguments, own_suite=False, at_once=False):
        found = {k: v for k, v in environment.items() if k != "PRUNEBENCH_SET" or not own_suite}
        found["BEGUN"] = str(begun) if at_once else sys.executable
        ended = subprocess.run(
            arguments, cwd=tmp_path, env=found, capture_output=True, text=True, timeout=170, check=False
        )
        assert ended.returncode == 0, f"{arguments}\n{ended.stdout[-2000:]}{ended.stderr[-2000:]}"

    return run


@pytest.mark.timeout(300)
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_snippet_of_a_page_runs(page, shell, tmp_path):
    ran = 0
    afresh = {*COMPUTE} if page.name == "README.md" else set()
    for language, text in blocks(page):
        if language == "sh":
            for line in shell_lines(text):
                verb = " ".join(line.split()[:2])
                shell(["sh", "-ec", line], page.name in OWN_SUITE, at_once=verb in {*COMPUTE} - afresh)
                afresh.discard(verb)
                ran += 1
        elif language == "python":
            name = re.match(r"# (\w+\.py)\n", text)
            (tmp_path / (name[1] if name else "snippet.py")).write_text(text)
            if name is None:
                shell(["sh", "-c", 'exec "$BEGUN" snippet.py'], at_once=True)
            ran += 1
        elif language == "toml" and (name := re.match(r"# (\w+\.toml)\n", text)):
            (tmp_path / name[1]).write_text(text)
        else:
            assert language in {"text", "toml"}, f"a block of {language} that nothing runs"
    assert ran or page.name == "architecture.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text(encoding="utf-8")):
        assert (page.parent / target).exists(), target


def test_the_catalogue_of_exit_codes_is_the_same_everywhere():
    from prunebench.errors import ExitCode

    told = (ROOT / "README.md").read_text(encoding="utf-8").split("Exit codes: ")[1].split(".\n")[0]
    assert sorted(int(code) for code in re.findall(r"\d+", told)) == sorted(ExitCode)
    help_text = subprocess.run(
        [sys.executable, "-m", "prunebench", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for code in ExitCode:
        assert re.search(rf"\b{code.value} ", help_text), code


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git to list the project's files")
def test_no_file_of_the_project_names_the_machine_it_was_made_on():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode != 0:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        text = (ROOT / name).read_text(encoding="utf-8", errors="replace")
        assert str(ROOT) not in text, name
