"""Running one step, in whatever process: plain values in, plain values out, every exception caught.

Only names and JSON cross between processes, both ways: one exception class with an `__init__` of its own, or a function
that cannot be unpickled, would break a whole pool.
"""

from __future__ import annotations

import os
import sys
import time
import traceback
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunebench import plugins
from prunebench.environment import Environment, entered
from prunebench.errors import PrunebenchError
from prunebench.graph import decoded, find_step, spending
from prunebench.harness.artifacts import ArtifactStore
from prunebench.harness.memory import PEAK, peak_memory

if TYPE_CHECKING:
    from prunebench.graph import Node

Error = dict[str, str]
"""A failure as data: the fields of `records.schema.Failure`."""

_TAIL = 4000
"""Characters of a failed step's traceback and output that its record keeps."""
_LONGEST = 500


@dataclass(frozen=True, slots=True)
class Setting:
    """What a process needs to know to run steps."""

    store: str
    environment: dict[str, Any]
    plugins: tuple[str, ...] = ()
    data: str | None = None
    memory: int | None = None
    log: str | None = None
    """Folder of the workers' output, where workers are processes of their own."""

    def plain(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Job:
    """One step to run."""

    step: str
    key: str
    arguments: dict[str, Any]

    @classmethod
    def of(cls, node: Node) -> Job:
        """The job of a node."""
        return cls(node.step, node.key, dict(node.arguments))


def prepare(setting: Setting) -> None:
    """Make a process ready for `perform`: data folder and plug-ins."""
    if setting.data is not None:
        os.environ["PRUNEBENCH_DATA"] = setting.data
    plugins.ready(setting.plugins)


def perform(job: Job, setting: Setting) -> Error | None:
    """Run a step and store its outcome; what it raises is returned as data, None means that the outcome is stored."""
    store = ArtifactStore(Path(setting.store), Environment(**setting.environment))
    log = Path(setting.log) / f"worker-{os.getpid()}.log" if setting.log else None
    mark = log.stat().st_size if log and log.exists() else 0
    try:
        step = find_step(job.step)
        arguments = {name: decoded(value, store.get) for name, value in job.arguments.items()}
        wall, cpu = time.perf_counter(), time.process_time()
        environment = Environment(**setting.environment)
        with entered(environment), spending() as spent, peak_memory(environment.device) as peak:
            outcome = step.run(**arguments)
        cost: dict[str, float] = {
            "wall_seconds": time.perf_counter() - wall,
            "cpu_seconds": time.process_time() - cpu,
            **spent,
        }
        if peak.bytes is not None:
            cost[PEAK] = peak.bytes
        store.put(job.key, outcome, step=job.step, role=step.role, cost=cost)
    except (Exception, SystemExit) as error:
        return _described(job.step, error, _output(log, mark))
    return None


def _described(step: str, error: BaseException, output: str) -> Error:
    """An exception as data; our own errors speak for themselves, others bring their traceback."""
    trace = "" if isinstance(error, PrunebenchError) else "".join(traceback.format_exception(error))
    return {
        "type": type(error).__name__,
        "message": " ".join(str(error).split())[:_LONGEST] or type(error).__name__,
        "step": step.rpartition(":")[2],
        "traceback": trace[-_TAIL:],
        "output": output[-_TAIL:],
    }


def _output(log: Path | None, mark: int) -> str:
    """What the process has printed since its log had `mark` bytes."""
    sys.stdout.flush()
    sys.stderr.flush()
    return log.read_bytes()[mark:].decode(errors="replace") if log and log.exists() else ""
