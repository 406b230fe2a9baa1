"""Steps in the driver's own process, one after the other: for debugging and tests. Timeouts cannot be enforced."""

from __future__ import annotations

import sys
from concurrent.futures import Future
from contextlib import redirect_stdout
from typing import TYPE_CHECKING

from prunebench.harness.worker import Error, Job, Setting, perform, prepare

if TYPE_CHECKING:
    from types import TracebackType


class InlineExecutor:
    """Runs each job when it is submitted."""

    slots = 1

    def __init__(self, setting: Setting) -> None:
        """Run with a setting."""
        self._setting = setting

    def submit(self, job: Job) -> Future[Error | None]:
        """Run the job now; what it prints goes to standard error, because standard output is for results."""
        future: Future[Error | None] = Future()
        with redirect_stdout(sys.stderr):
            future.set_result(perform(job, self._setting))
        return future

    def kill(self) -> None:
        """Nothing runs between two submissions."""

    def __enter__(self) -> InlineExecutor:
        prepare(self._setting)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None
