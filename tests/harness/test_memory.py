"""Peak memory of a piece of work."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from prunebench.harness import memory
from prunebench.harness.memory import peak_memory

MEGABYTE = 1 << 20

WORK = """
import json
from prunebench.harness.memory import peak_memory

def peak(megabytes):
    with peak_memory() as found:
        bytearray(megabytes << 20)
    return found.bytes

print(json.dumps([peak(0), peak(128), peak(0)]))
"""


@pytest.mark.skipif(not memory._set_back(), reason="this system does not tell the peak of a process")
def test_the_peak_is_that_of_the_work_and_of_nothing_before_it() -> None:
    # A process of its own: in this one a block may fit into memory that earlier tests left resident.
    done = subprocess.run([sys.executable, "-c", WORK], capture_output=True, text=True, check=True, timeout=60)
    idle, busy, after = json.loads(done.stdout)
    assert 120 * MEGABYTE < busy - idle < 140 * MEGABYTE
    assert 120 * MEGABYTE < busy - after < 140 * MEGABYTE


def test_where_the_mark_cannot_be_set_back_there_is_no_peak(monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(memory, "_RESET", tmp_path / "nowhere" / "clear_refs")
    with peak_memory() as peak:
        pass
    assert peak.bytes is None
    monkeypatch.setattr(sys, "platform", "darwin")
    with peak_memory() as peak:
        pass
    assert peak.bytes is None
