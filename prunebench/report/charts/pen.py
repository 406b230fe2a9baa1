"""Charts are drawn by a process of its own, while tables are made here: Vega takes a second to start."""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from prunebench.errors import PrunebenchError

if TYPE_CHECKING:
    from concurrent.futures import Future

VEGA_LITE = "6.1"
"""The version of the language."""
_PROGRAM = Path(__file__).with_name("vega.py")


def drawn(specification: dict[str, Any]) -> Future[str]:
    """The SVG of a Vega-Lite specification, when it is asked for.

    Raises:
        PrunebenchError: the specification is none, or nothing can be drawn; told by the result.
    """
    thread, pen = _pen()
    return thread.submit(pen.draw, specification)


def warm() -> None:
    """Let it start, as records are still to be read.

    Raises:
        PrunebenchError: it cannot be started.
    """
    drawn({"data": {"values": []}, "mark": "point"})


class Pen:
    """A process that draws one chart after the other, until this one ends."""

    def __init__(self) -> None:
        """Start it; it does not hear of Ctrl-C, and ends with its input.

        Raises:
            PrunebenchError: it cannot be started.
        """
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", str(_PROGRAM)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                encoding="utf-8",
                start_new_session=True,
            )
        except OSError as error:
            raise PrunebenchError(f"charts cannot be drawn: no process can be started: {error.strerror}") from error
        self._answer(sys.path, expected=False)

    def draw(self, specification: dict[str, Any]) -> str:
        """An SVG; see `drawn`."""
        answer = self._answer([VEGA_LITE, specification])
        if "error" in answer:
            raise PrunebenchError(f"a chart cannot be drawn: {' '.join(answer['error'].split())}")
        return str(answer["svg"])

    def close(self) -> None:
        """Let it end."""
        try:
            self._process.communicate()
        except (OSError, ValueError):
            self._process.kill()
            self._process.wait()

    def _answer(self, told: Any, *, expected: bool = True) -> dict[str, Any]:
        given, answers = self._process.stdin, self._process.stdout
        assert given is not None, "it was asked for"
        assert answers is not None, "it was asked for"
        try:
            given.write(json.dumps(told) + "\n")
            given.flush()
            return json.loads(answers.readline()) if expected else {}
        except (OSError, ValueError) as error:
            code = self._process.wait()
            raise PrunebenchError(f"charts cannot be drawn: the process that draws them ended with {code}") from error


@cache
def _pen() -> tuple[ThreadPoolExecutor, Pen]:
    """A thread that waits for the process, and the process."""
    pen = Pen()
    atexit.register(pen.close)
    return ThreadPoolExecutor(1, "prunebench-pen"), pen
