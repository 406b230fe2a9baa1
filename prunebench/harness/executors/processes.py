"""Steps in worker processes of this machine, by Pebble: timeouts kill, crashes are contained, nothing is orphaned.

Workers come from a fork server that has imported torch, never from a fork of the driver, which hangs once the driver
has used torch. Each has a session of its own, so that Ctrl-C in the terminal does not reach it, and that its children
can be ended with it; each watches the driver and ends with it.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING

from pebble import ProcessPool

from prunebench.harness.executors.context import HiddenMainContext
from prunebench.harness.worker import Error, Job, Setting, perform, prepare

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import TracebackType

_PRELOAD = [
    "torch", "torch._dynamo", "prunebench.harness.worker", "prunebench.engine.subject", "prunebench.steps.descent",
    "prunebench.steps.survey",
]  # fmt: skip
"""Imported once, in the fork server: a new worker then costs a twentieth of a second.

torch imports its compiler when an optimiser is first made, which takes as long as torch itself.
"""


class ProcessExecutor:
    """A pool of worker processes."""

    def __init__(self, setting: Setting, workers: int, timeout: float | None) -> None:
        """Use `workers` processes; a job that takes longer than `timeout` seconds is killed."""
        self.slots = workers
        self._timeout = timeout
        assert setting.log is not None, "worker processes have a log"
        self._log = Path(setting.log)
        self._log.mkdir(parents=True, exist_ok=True)
        self._start = threading.Thread(target=_start_fork_server, daemon=True)
        self._start.start()
        self._setting = json.dumps(setting.plain())
        self._pool: ProcessPool | None = None

    def submit(self, job: Job) -> Future[Error | None]:
        """Queue a job."""
        if self._pool is None:
            self._start.join()
            self._pool = ProcessPool(
                max_workers=self.slots, context=HiddenMainContext(), initializer=_begin, initargs=[self._setting]
            )
        arguments = [job.step, job.key, json.dumps(job.arguments)]
        return self._pool.schedule(_perform, args=arguments, timeout=self._timeout)

    def kill(self) -> None:
        """End all workers and what they started."""
        if self._pool is not None:
            self._pool.stop()  # type: ignore[no-untyped-call]
            self._pool.join()
        self.reap()

    def reap(self) -> None:
        """End the children of workers that are gone: a worker leads its own process group."""
        for mark in self._log.glob("*.pid"):
            pid = int(mark.stem)
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(pid, signal.SIGKILL)
                mark.unlink(missing_ok=True)
            except PermissionError:
                mark.unlink(missing_ok=True)

    def __enter__(self) -> ProcessExecutor:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._pool is not None:
            if kind:
                self._pool.stop()  # type: ignore[no-untyped-call]
            else:
                self._pool.close()  # type: ignore[no-untyped-call]
            self._pool.join()
        self.reap()


def _start_fork_server() -> None:
    context = HiddenMainContext()
    context.set_forkserver_preload(_PRELOAD)
    from multiprocessing import forkserver

    forkserver.ensure_running()


_worker: list[Setting] = []
"""The setting of this worker process."""


def _perform(step: str, key: str, arguments: str) -> Error | None:
    return perform(Job(step, key, json.loads(arguments)), _worker[0])


def _begin(plain: str) -> None:
    """In the worker: own session, watch on the driver, log, memory limit, plug-ins."""
    os.setsid()
    threading.Thread(target=_end_with_driver, daemon=True).start()
    setting = Setting(**json.loads(plain))
    _worker.append(setting)
    assert setting.log is not None, "worker processes have a log"
    folder = Path(setting.log)
    (folder / f"{os.getpid()}.pid").touch()
    log = os.open(folder / f"worker-{os.getpid()}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    os.dup2(log, 1)
    os.dup2(log, 2)
    if setting.memory is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (setting.memory, setting.memory))
    prepare(setting)


def _end_with_driver() -> None:
    driver = multiprocessing.parent_process()
    if driver is not None:
        multiprocessing.connection.wait([driver.sentinel])
        os.killpg(0, signal.SIGKILL)
