"""Charts are drawn by a process of its own, while tables are made here: Vega takes a second to start."""

from __future__ import annotations

import atexit
import json
import os
import subprocess
import sys
import threading
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any

from prunebench.errors import PrunebenchError
from prunebench.report.charts import vega

VEGA_LITE = "6.1"
"""The version of the language."""


def drawn(specification: dict[str, Any]) -> Future[str]:
    """The SVG of a Vega-Lite specification, when it is asked for.

    Raises:
        PrunebenchError: the specification is none, or the process ended; told by the result.
    """
    return _SHARED.pen().draw(specification)


def warm() -> None:
    """Let it start, as records are still to be read."""
    drawn({"data": {"values": []}, "mark": "point"})


class Pen:
    """A process that draws one chart after the other, and a thread that waits for it.

    Where no process can be started, as in a program that Python is only a part of, the thread draws.
    """

    def __init__(self) -> None:
        """Start it; it does not hear of Ctrl-C."""
        self._asked: SimpleQueue[tuple[dict[str, Any], Future[str]]] = SimpleQueue()
        try:
            self._process: subprocess.Popen[str] | None = subprocess.Popen(
                [sys.executable or "", "-P", vega.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
                start_new_session=True,
            )
        except OSError:
            self._process = None
        threading.Thread(target=self._work, name="prunebench-pen", daemon=True).start()

    @property
    def alive(self) -> bool:
        """Whether it can draw."""
        return self._process is None or self._process.poll() is None

    def draw(self, specification: dict[str, Any]) -> Future[str]:
        """See `drawn`."""
        found: Future[str] = Future()
        self._asked.put((specification, found))
        return found

    def close(self) -> None:
        """End it, whatever it draws: nobody waits for that any more."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def _work(self) -> None:
        paths = [path for path in sys.path if isinstance(path, str)]
        begun = False
        while True:
            specification, found = self._asked.get()
            try:
                if not begun:
                    self._tell(paths)
                    begun = True
                found.set_result(self._drawn(specification))
            except Exception as error:  # noqa: BLE001 - raised where the chart is asked for
                found.set_exception(error)

    def _drawn(self, specification: dict[str, Any]) -> str:
        if self._process is None:
            answer = vega.answer(VEGA_LITE, specification)
        else:
            self._tell([VEGA_LITE, specification])
            answer = self._heard()
        if "error" in answer:
            raise PrunebenchError(f"a chart cannot be drawn: {' '.join(answer['error'].split())}")
        return answer["svg"]

    def _tell(self, told: Any) -> None:
        if self._process is None:
            return
        line = json.dumps(told) + "\n"
        assert self._process.stdin is not None, "it was asked for"
        try:
            self._process.stdin.write(line)
            self._process.stdin.flush()
        except (OSError, ValueError) as error:
            raise self._ended() from error

    def _heard(self) -> dict[str, str]:
        assert self._process is not None, "it has been told something"
        assert self._process.stdout is not None, "it was asked for"
        try:
            found: dict[str, str] = json.loads(self._process.stdout.readline())
        except (OSError, ValueError) as error:
            raise self._ended() from error
        return found

    def _ended(self) -> PrunebenchError:
        assert self._process is not None, "it was there"
        self._process.kill()
        return PrunebenchError(f"charts cannot be drawn: the process that draws them ended with {self._process.wait()}")


class _Shared:
    """The pen of this process: another once it has ended, and not that of the process that this is a fork of."""

    def __init__(self) -> None:
        self._pen: Pen | None = None
        self._lock = threading.Lock()
        self._inherited: list[Pen | None] = []
        os.register_at_fork(after_in_child=self._forget)
        atexit.register(self._end)

    def pen(self) -> Pen:
        with self._lock:
            if self._pen is None or not self._pen.alive:
                self._pen = Pen()
            return self._pen

    def _forget(self) -> None:
        self._inherited.append(self._pen)  # which would complain, were it thrown away, of a process that still runs
        self._pen, self._lock = None, threading.Lock()

    def _end(self) -> None:
        if self._pen is not None:
            self._pen.close()


_SHARED = _Shared()
