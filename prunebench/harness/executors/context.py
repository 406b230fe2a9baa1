"""A forkserver context that hides `__main__`, so that a worker never runs the user's script again.

Without it `pb.run` from a script without a main guard, from standard input or a notebook starts itself over and over.
"""

from __future__ import annotations

import sys
import threading
import types
from multiprocessing import context

_hidden = threading.Lock()


class _Process(context.ForkServerProcess):
    def start(self) -> None:
        with _hidden:
            main = sys.modules["__main__"]
            sys.modules["__main__"] = types.ModuleType("__main__")
            try:
                super().start()
            finally:
                sys.modules["__main__"] = main


class HiddenMainContext(context.ForkServerContext):
    """Starts workers from the fork server with an empty `__main__`."""

    Process = _Process
