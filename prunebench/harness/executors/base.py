"""What an executor is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from concurrent.futures import Future
    from types import TracebackType

    from prunebench.harness.worker import Error, Job


class Executor(Protocol):
    """Runs jobs.

    A future's exception is a TimeoutError, or says how a worker died; a step that fails is a result, its error as data.
    """

    slots: int
    """Jobs that run at once."""

    def submit(self, job: Job) -> Future[Error | None]:
        """Run a job, now or when a slot is free."""
        ...

    def kill(self) -> None:
        """End what is running, at once."""
        ...

    def __enter__(self) -> Executor: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
