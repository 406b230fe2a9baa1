"""Run the nodes of a plan on an executor, and write a record for every cell."""

from __future__ import annotations

import heapq
import queue
from collections import defaultdict
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import TYPE_CHECKING, Any

from prunebench.graph import ancestors
from prunebench.harness.memory import PEAK
from prunebench.harness.worker import Job
from prunebench.records.metrics import later_versions
from prunebench.records.schema import Failure, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from prunebench.checks.base import Cell
    from prunebench.graph import Node
    from prunebench.harness.artifacts import ArtifactStore
    from prunebench.harness.executors.base import Executor
    from prunebench.harness.interrupt import Interrupt
    from prunebench.harness.worker import Error
    from prunebench.records.schema import Status

WORKER_DIED = "WorkerDied"
"""Type of the failure of a step whose worker went away."""

_POLL_SECONDS = 0.1
"""How long a signal may wait to be seen."""


@dataclass
class Execution:
    """One pass over cells that have no record yet."""

    cells: Sequence[Cell]
    store: ArtifactStore
    executor: Executor
    write: Callable[[Record], None]
    interrupt: Interrupt
    environment: str
    provenance: str
    fail_fast: bool = False
    reuse: bool = True
    """Whether artifacts of earlier runs count."""
    ran: int = 0
    """Steps that were run, not found in the store."""
    _nodes: dict[str, Node] = field(default_factory=dict)
    _waits: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """What each node waits for; nothing if its outcome is stored."""
    _stored: set[str] = field(default_factory=set)
    _dependents: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    """Nodes that still wait for each node."""
    _cells_of: dict[str, list[Cell]] = field(default_factory=lambda: defaultdict(list))
    _costs: dict[str, Mapping[str, float]] = field(default_factory=dict)
    _failed: dict[str, tuple[Status, Failure]] = field(default_factory=dict)
    _running: dict[str, Node] = field(default_factory=dict)
    _done: queue.SimpleQueue[tuple[Node, Future[Error | None]]] = field(default_factory=queue.SimpleQueue)

    def run(self) -> None:
        """Run everything, or until interrupted.

        Raises:
            StoreError: the journal cannot be written, or an artifact cannot be read.
        """
        for cell in self.cells:
            self._cells_of[cell.node.key].append(cell)
        self._look_up(*(self.store.keys() if self.reuse else (set(), set())))
        seconds = self._priorities()
        sorter = TopologicalSorter(self._waits)
        sorter.prepare()
        ready: list[tuple[float, int, str]] = []
        order = 0
        while sorter.is_active():
            for key in sorter.get_ready():
                heapq.heappush(ready, (-seconds[key], order, key))
                order += 1
            stopping = self._stopping()
            if stopping:  # What waited for a failed step needs no more work, only its records.
                ready = [entry for entry in ready if self._is_doomed(entry[2])]
            if ready and (stopping or len(self._running) < self.executor.slots):
                _, _, key = heapq.heappop(ready)
                if key in self._stored or self._is_doomed(key):
                    self._finish(self._nodes[key])
                    sorter.done(key)
                else:
                    self._submit(self._nodes[key])
            elif self._running:
                finished = self._collect()
                if finished is not None:
                    sorter.done(finished)
            else:
                return

    def _look_up(self, values: set[str], tensors: set[str]) -> None:
        """Find the nodes that are needed: the ancestors of a stored outcome are not, unless their tensors are."""
        todo = [(cell.node, False) for cell in reversed(self.cells)]
        while todo:
            node, as_input = todo.pop()
            if node.key in self._nodes and not (as_input and node.key in self._stored):
                continue
            self._nodes[node.key] = node
            complete = not as_input or node.key in tensors
            if node.key in values and (complete or not self.store.get(node.key).has_tensors):
                self._stored.add(node.key)
                self._waits[node.key] = ()
            else:
                self._stored.discard(node.key)
                self._waits[node.key] = tuple(d.key for d in node.dependencies)
                todo += [(d, True) for d in node.dependencies]
        for waits in self._waits.values():
            for key in waits:
                self._dependents[key] += 1

    def _priorities(self) -> dict[str, float]:
        """Longest cells first, so that no long step is left alone at the end; a node counts as its longest cell."""
        seconds: dict[str, float] = defaultdict(float)
        for key, cells in self._cells_of.items():
            seconds[key] = max(cell.seconds for cell in cells)
        for node in reversed(list(ancestors(list(self._nodes.values())))):
            for dependency in node.dependencies:
                seconds[dependency.key] = max(seconds[dependency.key], seconds[node.key])
        return seconds

    def _stopping(self) -> bool:
        return self.interrupt.level > 0 or (self.fail_fast and bool(self._failed))

    def _is_doomed(self, key: str) -> bool:
        """Whether a dependency failed; the node then fails with the same error."""
        for dependency in self._waits[key]:
            if dependency in self._failed:
                self._failed[key] = self._failed[dependency]
                return True
        return False

    def _submit(self, node: Node) -> None:
        self._running[node.key] = node
        self.ran += 1
        self.executor.submit(Job.of(node)).add_done_callback(lambda future: self._done.put((node, future)))

    def _collect(self) -> str | None:
        """Take one finished step, or look at the signals; returns the key that is finished."""
        try:
            node, future = self._done.get(timeout=_POLL_SECONDS)
        except queue.Empty:
            if self.interrupt.level > 1:
                self._abandon()
            return None
        del self._running[node.key]
        failure = _failure(node, future)
        if failure is not None and failure[1].type == WORKER_DIED and self.interrupt.level:
            # A signal to the whole process group takes workers along: they did not fail, they run again next time.
            failure = "cancelled", Failure("Cancelled", "its worker was stopped with the run", node.name)
        if failure is not None:
            self._failed[node.key] = failure
        self._finish(node)
        return node.key

    def _abandon(self) -> None:
        """What is running is stopped at once, and the records of the cells that wait for it say so."""
        self.executor.kill()
        for cell in self.cells:
            stopped = [node for node in ancestors([cell.node]) if node.key in self._running]
            if stopped:
                failure = Failure("Cancelled", "stopped by the user", stopped[0].name)
                self._failed[cell.node.key] = ("cancelled", failure)
                self.write(self._record(cell))
        self._running.clear()

    def _finish(self, node: Node) -> None:
        """Records of the node's cells; tensors that no node waits for any more are freed."""
        for cell in self._cells_of[node.key]:
            self.write(self._record(cell))
        if node.key in self._failed:
            return
        for key in self._waits[node.key]:
            self._dependents[key] -= 1
            if self._dependents[key] == 0:
                self.store.drop_tensors(key)
        if self._dependents[node.key] == 0:
            self.store.drop_tensors(node.key)

    def _record(self, cell: Cell) -> Record:
        common: dict[str, Any] = {
            "row": cell.row,
            "key": cell.node.key,
            "environment": self.environment,
            "provenance": self.provenance,
        }
        if cell.node.key in self._failed:
            status, failure = self._failed[cell.node.key]
            return Record(status=status, error=failure, **common)
        found = self.store.get(cell.node.key).value[cell.pick]
        if "skipped" in found:
            return Record(status="skipped", reason=found["skipped"], **common)
        return Record(
            status="ok",
            metrics=found["metrics"],
            metric_versions=later_versions(found["metrics"]),
            labels=found.get("labels", {}),
            series=found.get("series"),
            cost=self._cost(cell.node),
            **common,
        )

    def _cost(self, node: Node) -> dict[str, dict[str, float]]:
        """By role, seconds summed over the distinct ancestors and the highest peak: a cache hit keeps its cost.

        A training that a ticket was found with counts as finding it.
        """
        total: dict[str, dict[str, float]] = {}
        parts = list(ancestors([node]))
        finding = {part.key for part in ancestors([part for part in parts if part.role == "find"])}
        for part in parts:
            if part.key not in self._costs:
                self._costs[part.key] = self.store.get(part.key).cost
            role, cost = "find" if part.key in finding else part.role, self._costs[part.key]
            sums = total.setdefault(role, {})
            for name, value in cost.items():
                sums[name] = max(sums.get(name, 0.0), value) if name == PEAK else sums.get(name, 0.0) + value
        return total


def _failure(node: Node, future: Future[Error | None]) -> tuple[Status, Failure] | None:
    error = future.exception()
    if error is None:
        found = future.result()
        return None if found is None else ("failed", Failure(**found))
    if isinstance(error, TimeoutError):
        return "timeout", Failure("TimeoutError", f"step {node.name} took too long and was killed", node.name)
    code = getattr(error, "exitcode", None)
    how = f"killed by signal {-code}" if isinstance(code, int) and code < 0 else f"exit code {code}"
    return "failed", Failure(WORKER_DIED, f"the worker of step {node.name} died ({how})", node.name)
