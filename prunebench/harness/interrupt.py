"""Signals: the first finishes what is running, the second stops at once."""

from __future__ import annotations

import signal
import sys
import threading
from typing import TYPE_CHECKING, Any

from prunebench.errors import ExitCode

if TYPE_CHECKING:
    from types import FrameType, TracebackType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Interrupt:
    """How often the user, or the system, asked to stop; handlers are set while the `with` block runs."""

    def __init__(self, *, raises: bool) -> None:
        """With `raises`, the second signal raises KeyboardInterrupt where it arrives: for steps in this process."""
        self.level = 0
        self.exit_code = ExitCode.INTERRUPTED
        self._raises = raises
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> Interrupt:
        if threading.current_thread() is threading.main_thread():
            self._previous = {number: signal.signal(number, self._handle) for number in _SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, handler)

    def _handle(self, number: int, _frame: FrameType | None) -> None:
        self.level += 1
        if number == signal.SIGTERM:
            self.exit_code = ExitCode.TERMINATED
        if self.level == 1:
            print("\nprunebench: finishing what is running; once more to stop at once", file=sys.stderr, flush=True)
        elif self._raises:
            raise KeyboardInterrupt
