"""What tests share: a clean environment, a tiny suite, faulty methods, the command line in this process."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path

# One thread a process, as in workers: two test processes with two threads each take many times as long.
os.environ["OMP_NUM_THREADS"] = "1"

SLOW = ("end_to_end", "testing")
"""Folders of tests that take seconds each: last of all, they would leave one of two processes idle."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with what takes longest."""
    items.sort(key=lambda item: not {*SLOW} & {*item.path.parts})


def pytest_collection_finish() -> None:
    """Keep torch from writing the stack down at every seed, once for each kind of device that is not there.

    That takes a millisecond or two under pytest, whose stacks are deep: a quarter of all time in some folders.
    """
    for name in ("torch.cuda", "torch.xpu", "torch.mtia"):
        if name in sys.modules:
            sys.modules[name].traceback = SimpleNamespace(format_stack=list)  # type: ignore[attr-defined]


TINY = """
name = "tiny"
version = 1
question = "Does the road hold?"

[primary]
metric = "log_ratio_dead_layer"
tolerance = 0.01

[[column]]
header = "log ratio"
metric = "log_ratio_dead_layer"

[[column]]
header = "first to go"
label = "first_dead_layer"

[scale.quick]
about = "narrow LeNet on digits"
seeds = 2
timeout = "2m"
minutes = 0.1

[[scale.quick.grid]]
check = "collapse"
models = ["lenet-300-100(width=0.1)"]
datasets = ["digits"]
methods = ["random", "magnitude", "snip", "synflow(rounds=5)"]
densities = [0.5, 0.05, 0.0001]
"""

FAULTY = '''
"""Methods with one fault each."""
import os
import signal
import subprocess
import sys
import time

import torch

import prunebench as pb


class OddError(Exception):
    def __init__(self, first, second):
        super().__init__(first, second)


@pb.scorer("raises")
def raises(ctx: pb.Scoring) -> pb.Scores:
    """Prints, then raises an error that cannot be unpickled."""
    print("a word before the end")
    raise OddError("one", "two")


@pb.scorer("nan")
def nan(ctx: pb.Scoring) -> pb.Scores:
    """Not a number."""
    return {name: w * float("nan") for name, w in ctx.weights.items()}


@pb.scorer("flat")
def flat(ctx: pb.Scoring) -> pb.Scores:
    """Wrong shapes."""
    return {name: w.flatten() for name, w in ctx.weights.items()}


@pb.scorer("sleeps")
def sleeps(ctx: pb.Scoring, *, seconds: float = 600.0) -> pb.Scores:
    """Starts a child and sleeps."""
    child = subprocess.Popen([sys.executable, "-c", f"import time; time.sleep({seconds})", "prunebench-test-child"])
    time.sleep(seconds)
    child.wait()
    return {name: w.abs() for name, w in ctx.weights.items()}


@pb.scorer("naps")
def naps(ctx: pb.Scoring, *, seconds: float = 1.0) -> pb.Scores:
    """Takes its time, then scores."""
    time.sleep(seconds)
    return {name: w.abs() for name, w in ctx.weights.items()}


@pb.scorer("dies")
def dies(ctx: pb.Scoring) -> pb.Scores:
    """Is killed, as by the system when memory runs out."""
    os.kill(os.getpid(), signal.SIGKILL)


@pb.scorer("exits")
def exits(ctx: pb.Scoring) -> pb.Scores:
    """Ends the interpreter."""
    sys.exit(5)


@pb.scorer("hogs")
def hogs(ctx: pb.Scoring) -> pb.Scores:
    """Wants 200 GB."""
    torch.ones(50_000_000_000)


@pb.scorer("power")
def power(ctx: pb.Scoring, *, p: float = 1.0) -> pb.Scores:
    """|θ|^p."""
    return {name: w.abs() ** p for name, w in ctx.weights.items()}
'''


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch):
    """No variable of the user's, and none that a test sets for the process, reaches another test."""
    for name in [name for name in os.environ if name.startswith("PRUNEBENCH_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("COLUMNS", "200")


@pytest.fixture
def tiny(tmp_path) -> Path:
    """A suite file of two repetitions, four methods, three densities: 32 cells, 16 steps."""
    path = tmp_path / "tiny.toml"
    path.write_text(TINY, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def faulty(tmp_path_factory) -> Path:
    """A plug-in of methods with one fault each; one file for the whole session, as registries are."""
    path = tmp_path_factory.mktemp("plugins") / "faulty.py"
    path.write_text(FAULTY, encoding="utf-8")
    return path


@dataclass
class Ended:
    """How a command ended."""

    code: int
    out: str
    err: str


@pytest.fixture
def command(monkeypatch, capfd, tmp_path):
    """Run `prunebench` in this process, in an empty folder."""
    from prunebench.cli import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Ended:
        monkeypatch.setattr(sys, "argv", ["prunebench", *map(str, arguments)])
        with pytest.raises(SystemExit) as end:
            main()
        captured = capfd.readouterr()
        return Ended(int(end.value.code or 0), captured.out, captured.err)

    return run
