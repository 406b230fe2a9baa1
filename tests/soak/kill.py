"""Kill a run at random moments until it is done, and compare its records with those of an undisturbed run.

    python tests/soak/kill.py --trials 10 --kills 5

A trial starts `prunebench run` again after every kill -9 of the whole driver. It fails if a cell is lost or doubled, if
a value differs from the undisturbed run's, or if a worker outlives its driver.
"""

from __future__ import annotations

import argparse
import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SUITE = """
name = "soak"
version = 1
question = "Is a killed run equal to an undisturbed one?"
[primary]
metric = "log_ratio_dead_layer"
tolerance = 0.01
[[column]]
header = "log ratio"
metric = "log_ratio_dead_layer"
[scale.quick]
about = "many small steps"
seeds = 4
minutes = 0.1
[[scale.quick.grid]]
check = "collapse"
models = ["lenet-300-100(width=0.2)"]
datasets = ["digits"]
methods = ["random", "magnitude", "snip", "snip(rounds=60)", "synflow", "synflow(rounds=adaptive)"]
densities = [0.5, 0.2, 0.1, 0.05]
"""


def command(suite: Path, store: Path, python: str | Path = sys.executable) -> list[str | Path]:
    return [python, "-m", "prunebench", "run", suite, "--store", store]


def outcomes(store: Path) -> dict[str, object]:
    """Everything of the records that a disturbance must not change, by row; fails on a doubled row."""
    found: dict[str, object] = {}
    (folder,) = (store / "runs").iterdir()
    for line in (folder / "records.jsonl").read_text(encoding="utf-8").splitlines():
        record = json.loads(line)
        name = json.dumps(record["row"], sort_keys=True)
        if name in found:
            raise AssertionError(f"doubled: {name}")
        series = record["series"]
        with (folder / "series.jsonl").open("rb") as file:
            file.seek(series["start"] if series else 0)
            vectors = json.loads(file.read(series["end"] - series["start"])) if series else None
        found[name] = [record["status"], record["key"], record["metrics"], record["labels"], vectors]
    return found


def workers(store: Path) -> list[int]:
    """Living worker processes of a store, by the marks that they leave."""
    pids = [int(mark.stem) for mark in store.glob("runs/*/log/*.pid")]
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def disturbed(suite: Path, store: Path, kills: int, rng: random.Random) -> int:
    """Run to the end through at most `kills` kill -9; returns how many were delivered."""
    delivered = 0
    while True:
        process = subprocess.Popen(command(suite, store), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            wait = rng.triangular(0.2, 8.0, 5.0) if delivered < kills else 300
            _, errors = process.communicate(timeout=wait)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
            process.communicate()
            delivered += 1
            end = time.monotonic() + 10
            while workers(store) and time.monotonic() < end:
                time.sleep(0.05)
            if left := workers(store):
                raise AssertionError(f"workers {left} outlived their driver") from None
            continue
        if process.returncode != 0:
            raise AssertionError(f"exit code {process.returncode}: {errors[-2000:]}")
        return delivered


def soak(trials: int, kills: int, seed: int, python: str | Path = sys.executable) -> int:
    """All trials; returns the number of kills that were delivered. The undisturbed run is of `python`."""
    total = 0
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        suite = folder / "soak.toml"
        suite.write_text(SUITE, encoding="utf-8")
        subprocess.run(command(suite, folder / "undisturbed", python), check=True, capture_output=True)
        expected = outcomes(folder / "undisturbed")
        for trial in range(trials):
            store = folder / f"trial-{trial}"
            total += disturbed(suite, store, kills, random.Random(seed + trial))
            found = outcomes(store)
            if found != expected:
                odd = [row for row in expected.keys() | found.keys() if expected.get(row) != found.get(row)]
                raise AssertionError(f"trial {trial}: {len(odd)} cells differ, such as {odd[0]}")
            if left := list(store.rglob("*.tmp")) + list(store.rglob("*.safetensors")):
                raise AssertionError(f"trial {trial}: left behind {left[:3]}")
    return total


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--trials", type=int, default=5)
    parser.add_argument("--kills", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    chosen = parser.parse_args()
    print(f"{soak(chosen.trials, chosen.kills, chosen.seed)} kills in {chosen.trials} trials: all records equal")
