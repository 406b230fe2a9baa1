"""Graphs of small steps through the inline executor."""

from __future__ import annotations

import sys
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from steps_for_tests import CALLS, broken, made, refused, summed

from prunebench.checks.base import Cell
from prunebench.environment import Environment
from prunebench.harness import worker
from prunebench.harness.artifacts import ArtifactStore
from prunebench.harness.execute import Execution
from prunebench.harness.executors.inline import InlineExecutor
from prunebench.harness.interrupt import Interrupt
from prunebench.harness.memory import Peak
from prunebench.harness.worker import Setting
from prunebench.records.schema import Row

ENVIRONMENT = Environment()


def row(name: str) -> Row:
    return Row("tiny", 1, "collapse", "quick", "m", "d", None, name, None, None, 0)


def cell(name, node, seconds=1.0):
    return Cell(row(name), node, "cell", seconds)


@pytest.fixture
def execute(tmp_path):
    """Run cells in a store; returns records by method name and the execution."""

    def run(*cells, interrupt=None, **options):
        CALLS.clear()
        store = ArtifactStore(tmp_path, ENVIRONMENT)
        setting = Setting(str(tmp_path), ENVIRONMENT.plain())
        records = []
        with InlineExecutor(setting) as executor:
            stop = interrupt or Interrupt(raises=False)
            execution = Execution(cells, store, executor, records.append, stop, "env", "origin", **options)
            execution.run()
        assert len({r.row for r in records}) == len(records), "no cell has two records"
        return {r.row.method: r for r in records}, execution

    return run


def test_a_step_that_many_cells_need_runs_once(execute):
    shared = made(name="shared")
    cells = [cell(f"c{i}", summed(name=f"c{i}", first=shared)) for i in range(5)]
    records, execution = execute(*cells)
    assert CALLS.count("made shared") == 1
    assert execution.ran == 6
    assert {r.metrics["kept"] for r in records.values()} == {3.0}


def test_a_second_pass_finds_everything_in_the_store(execute):
    node = summed(name="a", first=made(name="x"))
    first, _ = execute(cell("a", node))
    second, execution = execute(cell("a", node))
    assert CALLS == []
    assert execution.ran == 0
    assert second["a"].metrics == first["a"].metrics
    assert second["a"].cost == first["a"].cost, "a cache hit keeps its cost"


def test_ignoring_the_store_runs_everything_again(execute):
    node = summed(name="a", first=made(name="x"))
    execute(cell("a", node))
    _, execution = execute(cell("a", node), reuse=False)
    assert execution.ran == 2


def test_tensors_are_freed_when_no_step_waits_for_them(execute, tmp_path):
    shared = made(name="shared")
    execute(*(cell(f"c{i}", summed(name=f"c{i}", first=shared)) for i in range(3)))
    assert not list(tmp_path.rglob("*.safetensors"))
    assert len(list(tmp_path.rglob("*.json"))) == 4


def test_a_step_whose_tensors_were_freed_runs_again_when_a_new_step_needs_them(execute):
    shared = made(name="shared")
    execute(cell("a", summed(name="a", first=shared)))
    records, _ = execute(cell("a", summed(name="a", first=shared)), cell("b", summed(name="b", first=shared)))
    assert CALLS == ["made shared", "summed b"]
    assert records["b"].metrics["kept"] == 3.0


def test_tensors_stay_while_a_planned_step_has_not_used_them(execute):
    x, y = made(name="x"), made(name="y", size=4)
    late = summed(name="late", first=x, second=y)
    records, _ = execute(cell("early", summed(name="early", first=x), seconds=9), cell("late", late))
    assert records["late"].metrics["kept"] == 7.0


def test_a_failure_reaches_every_cell_that_depends_on_it_with_its_own_words(execute):
    bad = broken(name="it")
    cells = [cell("direct", bad), cell("below", summed(name="below", first=bad)), cell("other", made(name="ok"))]
    records, _ = execute(*cells)
    for name in ("direct", "below"):
        assert records[name].status == "failed"
        assert records[name].error.message == "it is broken"
        assert records[name].error.step == "broken"
        assert "ValueError" in records[name].error.traceback
    assert records["other"].status == "ok"
    assert CALLS.count("broken it") == 1


def test_fail_fast_leaves_the_rest_without_a_record(execute):
    cells = [cell("bad", broken(name="bad"), seconds=9), cell("ok", made(name="ok"))]
    records, _ = execute(*cells, fail_fast=True)
    assert set(records) == {"bad"}


def test_an_impossible_cell_is_skipped_with_its_reason(execute):
    records, _ = execute(cell("no", refused(name="no")))
    assert records["no"].status == "skipped"
    assert records["no"].reason == "no cannot be"
    assert records["no"].metrics == {}


def test_cost_is_summed_over_distinct_ancestors_by_role(execute):
    shared = made(name="shared")
    node = summed(name="two", first=shared, second=shared)
    records, _ = execute(cell("two", node), cell("one", made(name="shared")))
    assert records["two"].cost["find"] == records["one"].cost["find"]
    assert set(records["two"].cost) == {"find", "measure"}


def test_longest_cells_come_first(execute):
    cells = [cell(f"c{i}", made(name=f"c{i}"), seconds=i) for i in (2.0, 9.0, 5.0)]
    execute(*cells)
    assert CALLS == ["made c9.0", "made c5.0", "made c2.0"]


def test_an_interrupt_starts_no_further_step(execute):
    stop = Interrupt(raises=False)
    stop.level = 1
    records, execution = execute(cell("a", made(name="a")), interrupt=stop)
    assert records == {}
    assert execution.ran == 0


def test_seconds_of_a_role_add_up_and_of_peaks_the_highest_counts(execute, monkeypatch):
    peaks = iter([5, 9, 2])

    @contextmanager
    def told(device):
        yield Peak(next(peaks))

    monkeypatch.setattr(worker, "peak_memory", told)
    node = summed(name="s", first=made(name="x"), second=made(name="y"))
    records, _ = execute(cell("s", node))
    cost = records["s"].cost
    assert {role: spent["peak_bytes"] for role, spent in cost.items()} == {"find": 9, "measure": 2}
    assert cost["find"]["wall_seconds"] > 0


def test_where_the_system_tells_no_peak_the_cost_has_none(execute, monkeypatch):
    monkeypatch.setattr(worker, "peak_memory", lambda device: nullcontext(Peak(None)))
    records, _ = execute(cell("x", made(name="x")))
    assert set(records["x"].cost["find"]) == {"wall_seconds", "cpu_seconds"}


@pytest.mark.parametrize(("level", "status"), [(0, "failed"), (1, "cancelled")])
def test_a_worker_that_dies_failed_unless_the_run_was_being_stopped(tmp_path, level, status):
    """A signal to the whole process group, as batch systems send it, takes the workers along."""
    stop = Interrupt(raises=False)

    class Died(Exception):  # noqa: N818 - as the pool has it
        exitcode = 255

    class Mortal:
        slots = 1

        def submit(self, job):
            stop.level = level
            future = Future()
            future.set_exception(Died("gone"))
            return future

    records = []
    store = ArtifactStore(tmp_path, ENVIRONMENT)
    Execution([cell("a", made(name="a"))], store, Mortal(), records.append, stop, "env", "origin").run()
    assert [(r.status, r.error.type) for r in records] == [(status, "WorkerDied" if level == 0 else "Cancelled")]
