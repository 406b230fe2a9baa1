"""Runs with worker processes: equality, timeouts, crashes, signals, kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

PRUNEBENCH = [sys.executable, "-m", "prunebench"]


def finished(*arguments, cwd, python=sys.executable):
    return subprocess.run(
        [python, "-m", "prunebench", *map(str, arguments)],
        cwd=cwd, timeout=120, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.fixture
def started():
    """Start `prunebench`; what still runs when the test ends is killed."""
    processes = []

    def start(*arguments, cwd):
        process = subprocess.Popen(
            [*PRUNEBENCH, *map(str, arguments)], cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        processes.append(process)
        return process

    yield start
    for process in processes:
        process.kill()
        process.communicate()


def records_of(store: Path):
    (folder,) = (store / "runs").iterdir()
    return [json.loads(line) for line in (folder / "records.jsonl").read_text().splitlines()]


def values(store: Path):
    return {json.dumps(r["row"]): (r["status"], r["key"], r["metrics"], r["labels"]) for r in records_of(store)}


def wait_for_line(process, words, timeout=60):
    """Read standard error until a line has the words."""
    end = time.monotonic() + timeout
    seen = []
    while time.monotonic() < end:
        line = process.stderr.readline()
        seen.append(line)
        if words in line:
            return
        if not line:
            break
    raise AssertionError(f"{words!r} was never printed: {seen}")


def children_named(word):
    """Living processes with a word on their command line."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                line = (folder / "cmdline").read_bytes().decode(errors="replace")
            except OSError:
                continue
            if word in line and str(os.getpid()) != folder.name:
                found.append(folder.name)
    return found


def gone(word, seconds=10):
    end = time.monotonic() + seconds
    while children_named(word) and time.monotonic() < end:
        time.sleep(0.1)
    return not children_named(word)


def test_processes_and_inline_are_equal_to_the_bit(tiny, tmp_path):
    for executor in ("processes", "inline"):
        ended = finished("run", tiny, "--executor", executor, "--store", executor, cwd=tmp_path)
        assert ended.returncode == 0, ended.stderr
    assert values(tmp_path / "processes") == values(tmp_path / "inline")


def test_a_step_that_takes_too_long_is_killed_with_its_children(begun, tiny, faulty, tmp_path):
    # The child's command line holds its sleep: unique to this test.
    start = time.monotonic()
    ended = finished(
        "run", tiny, "--plugin", faulty, "-m", "sleeps:seconds=611.5", "-m", "power", "--seeds", "1", "--timeout", "8s",
        cwd=tmp_path, python=begun,
    )  # fmt: skip
    assert time.monotonic() - start < 90
    assert ended.returncode == 3
    statuses = {
        r["row"]["method"]: r["status"] for r in records_of(tmp_path / ".prunebench") if not r["row"]["density"]
    }
    assert statuses == {"sleeps(seconds=611.5)": "timeout", "power": "ok"}
    assert gone("time.sleep(611.5)"), "the step's child is still there"


def test_workers_that_die_leave_a_record_and_a_working_pool(begun, tiny, faulty, tmp_path):
    wanted = [part for name in ("dies", "exits", "raises", "hogs", "power") for part in ("-m", name)]
    ended = finished("run", tiny, "--plugin", faulty, "--seeds", "1", "-j", "1", *wanted, cwd=tmp_path, python=begun)
    assert ended.returncode == 3
    found = {r["row"]["method"]: r for r in records_of(tmp_path / ".prunebench") if not r["row"]["density"]}
    assert found["dies"]["error"]["message"] == "the worker of step descent died (killed by signal 9)"
    assert found["exits"]["error"]["type"] == "SystemExit"
    assert found["raises"]["error"]["type"] == "OddError"
    assert found["raises"]["error"]["output"] == "a word before the end\n"
    assert "OddError" in found["raises"]["error"]["traceback"]
    assert "memory" in found["hogs"]["error"]["message"].lower()
    assert found["power"]["status"] == "ok"
    assert "Traceback" not in ended.stderr


def test_a_worker_cannot_take_more_memory_than_it_is_given(begun, tiny, tmp_path):
    greedy = tmp_path / "greedy.py"
    greedy.write_text(
        "import prunebench as pb, torch\n"
        "@pb.scorer('greedy')\n"
        "def f(ctx):\n"
        "    held = torch.ones(600_000_000)\n"
        "    return {n: w.abs() + 0 * held[0] for n, w in ctx.weights.items()}\n"
    )
    arguments = ("run", tiny, "--plugin", greedy, "-m", "greedy", "--seeds", "1", "-j", "1")
    ended = finished(*arguments, "--memory", "1500M", cwd=tmp_path, python=begun)
    assert ended.returncode == 3, ended.stderr
    assert "memory" in ended.stderr.lower()


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_finishes_what_runs_and_says_how_to_go_on(
    begun, started, tiny, faulty, tmp_path, number, code
):
    arguments = ("run", tiny, "--plugin", faulty, "-m", "naps:seconds=1", "--seeds", "4", "-j", "1")
    process = started(*arguments, cwd=tmp_path)
    wait_for_line(process, "[1/16]")
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == code
    assert "finishing what is running" in errors
    assert "the same command goes on from here" in errors
    before = records_of(tmp_path / ".prunebench")
    assert {r["status"] for r in before} <= {"ok", "skipped"}
    assert 4 <= len(before) < 16
    ended = finished(*arguments, cwd=tmp_path, python=begun)
    assert ended.returncode == 0, ended.stderr
    assert len(records_of(tmp_path / ".prunebench")) == 16
    assert f"{len(before)} had their record before" in ended.stderr


def test_the_second_signal_stops_at_once_and_cancelled_cells_run_again(begun, started, tiny, faulty, tmp_path):
    arguments = (
        "run",
        tiny,
        "--plugin",
        faulty,
        "-m",
        "power",
        "-m",
        "sleeps:seconds=622.5",
        "--seeds",
        "1",
        "-j",
        "2",
    )
    process = started(*arguments, cwd=tmp_path)
    wait_for_line(process, "[4/8]")
    process.send_signal(signal.SIGINT)
    wait_for_line(process, "finishing what is running")
    start = time.monotonic()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert time.monotonic() - start < 15
    assert process.returncode == 130, errors
    statuses = [r["status"] for r in records_of(tmp_path / ".prunebench")]
    assert statuses.count("cancelled") == 4
    assert gone("time.sleep(622.5)"), "the step's child is still there"
    ended = finished(*arguments, "--timeout", "1s", cwd=tmp_path, python=begun)
    assert "4 had their record before" in ended.stderr
    assert [r["status"] for r in records_of(tmp_path / ".prunebench")].count("timeout") == 4


def test_two_runs_on_one_store_do_not_mix(begun, started, tiny, faulty, tmp_path):
    first = started("run", tiny, "--plugin", faulty, "-m", "naps:seconds=60", "--seeds", "1", "-j", "1", cwd=tmp_path)
    end = time.monotonic() + 30
    while not list(tmp_path.glob(".prunebench/runs/*/plan.json")) and time.monotonic() < end:
        time.sleep(0.05)
    second = finished("run", tiny, cwd=tmp_path, python=begun)
    assert second.returncode == 2
    assert second.stderr.count("\n") == 1
    assert "another run is using the store" in second.stderr
    assert first.poll() is None, "the first run goes on"


def test_a_full_disk_is_one_line_and_loses_nothing(begun, tiny, tmp_path):
    # A limit on the size of files stands for a disk that is full in the middle of the journal. Modules are not compiled
    # into files: cut short, Python would read them again.
    limited = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_FSIZE, (16000, 16000)); "
    limited += "sys.argv = ['prunebench', *sys.argv[1:]]; runpy.run_module('prunebench', run_name='__main__')"
    arguments = ("run", tiny, "--executor", "inline")
    ended = subprocess.run(
        [sys.executable, "-B", "-c", limited, *map(str, arguments)],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ended.returncode == 2, ended.stderr
    last = ended.stderr.strip().splitlines()[-1]
    assert "File too large; finished cells are kept" in last
    assert "Traceback" not in ended.stderr
    kept = len((next((tmp_path / ".prunebench/runs").iterdir()) / "records.jsonl").read_bytes().split(b"\n")) - 1
    assert kept >= 4
    again = finished(*arguments, cwd=tmp_path, python=begun)
    assert again.returncode == 0, again.stderr
    assert len(records_of(tmp_path / ".prunebench")) == 32


SCRIPT = """
import prunebench as pb
results = pb.run({suite!r}, seeds=1, jobs=1)
print(len(results.records), sorted({{r.status for r in results.records}}))
print(results.leaderboard().splitlines()[0])
"""


@pytest.mark.parametrize("way", ["script", "stdin"])
def test_the_library_needs_no_main_guard(tiny, tmp_path, way):
    script = SCRIPT.format(suite=str(tiny))
    (tmp_path / "script.py").write_text(script)
    arguments, text = ([sys.executable, "script.py"], None) if way == "script" else ([sys.executable, "-"], script)
    ended = subprocess.run(
        arguments, input=text, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.splitlines() == [
        "16 ['ok', 'skipped']",
        "lenet-300-100(width=0.1) · digits · trajectory",
    ], ended.stderr


def test_a_run_that_is_killed_again_and_again_equals_an_undisturbed_one(begun):
    sys.path.insert(0, str(Path(__file__).parents[1] / "soak"))
    from kill import soak

    assert soak(trials=1, kills=3, seed=11, python=begun) >= 1
