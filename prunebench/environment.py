"""The numerical environment of a step: what moves results in their last digits."""

from __future__ import annotations

import hashlib
import json
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from prunebench.errors import UsageError
from prunebench.fields import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch


@dataclass(frozen=True, slots=True)
class Environment:
    """Device kind, torch minor version, dtype and threads; the artifact store is split by it."""

    device: Annotated[str, Kind.ENVIRONMENT] = "cpu"
    torch: Annotated[str, Kind.ENVIRONMENT] = ""
    dtype: Annotated[str, Kind.ENVIRONMENT] = "float32"
    threads: Annotated[int, Kind.ENVIRONMENT] = 1
    backend: Annotated[str, Kind.ENVIRONMENT] = "eager"

    @classmethod
    def here(cls, *, device: str = "auto", threads: int = 1) -> Environment:
        """The environment of this machine; torch is asked only where a GPU driver is present."""
        minor = ".".join(version("torch").split("+")[0].split(".")[:2])
        return cls(device=_resolved(device), torch=minor, threads=threads)

    @property
    def digest(self) -> str:
        """12 hexadecimal digits, the name of the environment's folder in the store."""
        return hashlib.sha256(json.dumps(self.plain(), sort_keys=True).encode()).hexdigest()[:12]

    def plain(self) -> dict[str, Any]:
        """JSON form."""
        return asdict(self)


_current: ContextVar[Environment | None] = ContextVar("environment", default=None)


def current() -> Environment:
    """The environment that the running step was given, or the CPU's outside a run."""
    return _current.get() or Environment()


def device() -> torch.device:
    """Where the running step computes."""
    import torch

    return torch.device(current().device)


@contextmanager
def entered(environment: Environment) -> Iterator[None]:
    """Run steps in an environment: threads and device set, and set back."""
    import torch

    token, threads = _current.set(environment), torch.get_num_threads()
    torch.set_num_threads(environment.threads)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        _current.reset(token)


def require(environment: Environment) -> None:
    """Ask that torch can compute on the device.

    Raises:
        UsageError: it cannot on this machine.
    """
    if environment.device == "cpu":
        return
    import torch

    if not torch.cuda.is_available():
        raise UsageError(f"--device {environment.device}: torch finds no such device on this machine")


def _resolved(name: str) -> str:
    if name != "auto":
        return name
    if not any(Path(node).exists() for node in ("/dev/nvidiactl", "/dev/kfd", "/dev/dxg")):
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
