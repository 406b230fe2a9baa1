"""Commands that begin with everything imported, each in a process of its own, forked from one that has.

A fresh process takes seconds to get where `prunebench` or a script begins, and its fork server as long again; what it
does from there is the same. That fresh processes get there too is what `test_processes` and the gate try.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import threading
import traceback
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

CLIENT = """
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect(sys.argv[1])
    told = {"arguments": sys.argv[2:], "folder": os.getcwd(), "environment": dict(os.environ)}
    message = json.dumps(told).encode()
    server.sendall(message[socket.send_fds(server, [message], [0, 1, 2]):])
    server.shutdown(socket.SHUT_WR)
    code = int(server.recv(16) or -9)
sys.exit(code if code >= 0 else 128 - code)
"""


@contextmanager
def warm(folder: Path) -> Iterator[Path]:
    """A command that runs `python` with arguments `FILE …` or `-m prunebench …`, already begun; scratch in `folder`."""
    listener, client, launcher = folder / "socket", folder / "client.py", folder / "python"
    client.write_text(CLIENT)
    launcher.write_text(f'#!/bin/sh\nexec "{sys.executable}" -I -S "{client}" "{listener}" "$@"\n')
    launcher.chmod(0o755)
    with subprocess.Popen(
        [sys.executable, __file__, listener], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdout is not None
        assert server.stdout.readline() == "ready\n"
        yield launcher  # the server ends when its standard input does


def _import_everything() -> None:
    """As a run would, up to its fork server; the code behind the steps is read too."""
    import torch._dynamo

    from prunebench import catalogue
    from prunebench.cli import run, validate
    from prunebench.codehash import code_digest
    from prunebench.harness.executors import processes

    assert torch._dynamo
    assert run
    assert validate
    catalogue.declare()
    for module in [name for name in sys.modules if name.startswith("prunebench.")]:
        code_digest(module)
    processes._start_fork_server()


def _serve(path: str) -> list[str]:
    """Wait for commands; returns in the process of each, set up as it was told, with its arguments."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    assert threading.active_count() == 1, "a fork loses other threads, and what they hold"
    print("ready", flush=True)
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if listener not in ready:
            os._exit(0)
        connection, _ = listener.accept()
        if os.fork():
            connection.close()
            continue
        listener.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        message, streams, _, _ = socket.recv_fds(connection, 1 << 16, 3)
        while part := connection.recv(1 << 16):
            message += part
        if command := os.fork():
            _, status = os.waitpid(command, 0)
            connection.sendall(str(os.waitstatus_to_exitcode(status)).encode())
            os._exit(0)
        connection.close()
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
            os.close(stream)
        told = json.loads(message)
        os.chdir(told["folder"])
        os.environ.clear()
        os.environ.update(told["environment"])
        return list(told["arguments"])


def _share_the_fork_server() -> None:
    """That of the parent serves its children too, which cannot wait for it as the parent can."""
    from multiprocessing import forkserver

    forkserver.ensure_running = forkserver._forkserver.ensure_running = lambda: None  # type: ignore[method-assign]


def _main() -> None:
    _import_everything()
    gc.freeze()  # what is collected is copied
    name, *rest = _serve(sys.argv[1])
    _share_the_fork_server()
    code: object = 1
    try:
        _run(name, rest)
        code = 0
    except SystemExit as end:
        code = end.code
        if isinstance(code, str):
            print(code, file=sys.stderr)
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
    # As an interpreter ends, but for taking apart what was imported, which takes longer than most commands.
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else int(code is not None))


def _run(name: str, rest: list[str]) -> None:
    if name == "-m":
        module, *arguments = rest
        sys.argv[:] = [module, *arguments]
        sys.path[0] = str(Path.cwd())
        runpy.run_module(module, run_name="__main__", alter_sys=True)
    else:
        sys.argv[:] = [name, *rest]
        sys.path[0] = str(Path(name).resolve().parent)
        runpy.run_path(name, run_name="__main__")


if __name__ == "__main__":
    _main()
