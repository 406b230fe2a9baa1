"""Options of a run, each of one kind."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal, get_args

from prunebench.errors import UsageError, suggestion
from prunebench.fields import Kind
from prunebench.units import parse_duration, parse_size

Rerun = Literal["never", "failed", "all"]
ExecutorName = Literal["processes", "inline"]


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What `prunebench run` and `pb.run` are told beside the suites."""

    scale: Annotated[str, Kind.ROW] = "quick"
    methods: Annotated[tuple[str, ...], Kind.ROW] = ()
    """Specs instead of the suites' own, globs among them, `+SPEC` beside them."""
    overrides: Annotated[tuple[str, ...], Kind.ROW] = ()
    """`KEY=VALUE` of the suites' scale: cells of another scale, which nothing compares with the suite's own."""
    plugins: Annotated[tuple[str, ...], Kind.CONTENT] = ()
    """Files or modules; their code counts in the keys of the steps that use it."""
    device: Annotated[str, Kind.ENVIRONMENT] = "auto"
    threads: Annotated[int, Kind.ENVIRONMENT] = 1
    """Of each worker."""
    seeds: Annotated[int | None, Kind.RUNTIME] = None
    """Repetitions instead of the scale's: more cells, none of them changed."""
    jobs: Annotated[int | None, Kind.RUNTIME] = None
    """Worker processes; None is one a core."""
    executor: Annotated[ExecutorName, Kind.RUNTIME] = "processes"
    timeout: Annotated[str | None, Kind.RUNTIME] = None
    """Of one step, with a unit, or `none`; None is the scale's."""
    memory: Annotated[str | None, Kind.RUNTIME] = None
    """Limit of each worker, with a unit."""
    rerun: Annotated[Rerun, Kind.RUNTIME] = "never"
    fail_fast: Annotated[bool, Kind.RUNTIME] = False
    store: Annotated[Path, Kind.RUNTIME] = Path(".prunebench")
    data: Annotated[Path | None, Kind.RUNTIME] = None
    """Folder of data sets that are made, downloaded or put there; None is the user's cache."""
    download: Annotated[bool, Kind.RUNTIME] = False
    """Fetch missing data sets before any step runs; nothing else ever uses the network."""
    cache_size: Annotated[str | None, Kind.RUNTIME] = None
    """Bound of the store's artifacts after the run, with a unit."""
    report: Annotated[Path | None, Kind.RUNTIME] = None
    """Folder for the leaderboard and the records."""

    def __post_init__(self) -> None:
        if self.threads < 1:
            raise UsageError(f"--threads {self.threads}: at least one is needed")
        if self.jobs is not None and self.jobs < 1:
            raise UsageError(f"--jobs {self.jobs}: at least one is needed")
        devices = ("auto", "cpu", "cuda")
        for name, words in (("device", devices), ("executor", get_args(ExecutorName)), ("rerun", get_args(Rerun))):
            if getattr(self, name) not in words:
                raise UsageError(f"unknown {name} {getattr(self, name)!r}{suggestion(getattr(self, name), words)}")
        parse_duration(self.timeout)
        parse_size(self.memory)
        parse_size(self.cache_size)

    @property
    def workers(self) -> int:
        """Worker processes: as told, or one for each core that this process may use."""
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        return self.jobs or max(1, cores // self.threads)
