"""A run, from suites to records."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from prunebench import plugins
from prunebench.environment import Environment
from prunebench.errors import ExitCode, StoreError
from prunebench.harness.artifacts import ArtifactStore
from prunebench.harness.execute import Execution
from prunebench.harness.executors.inline import InlineExecutor
from prunebench.harness.executors.processes import ProcessExecutor
from prunebench.harness.files import write_whole
from prunebench.harness.interrupt import Interrupt
from prunebench.harness.journal import Journal
from prunebench.harness.plan import Plan, make_plan
from prunebench.harness.progress import Progress, Silence
from prunebench.harness.provenance import digest_of, provenance
from prunebench.harness.worker import Setting
from prunebench.units import parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from prunebench.harness.executors.base import Executor
    from prunebench.harness.options import RunOptions
    from prunebench.records.schema import Record
    from prunebench.records.suite import Suite


@dataclass(frozen=True, slots=True)
class Done:
    """How a run ended."""

    run_id: str
    folder: Path
    cells: int
    resumed: int
    """Cells that had their record before."""
    steps_run: int
    exit_code: ExitCode


def plan_run(suites: Sequence[Suite], options: RunOptions) -> Plan:
    """The plan of a run, with plug-ins loaded; nothing is written."""
    plugins.ready(options.plugins)
    environment = Environment.here(device=options.device, threads=options.threads)
    return make_plan(suites, options.scale, environment, methods=options.methods, seeds=options.seeds)


def execute_run(plan: Plan, options: RunOptions, show: Callable[[int, int], Progress] | None = None) -> Done:
    """Run a plan, or go on with it.

    Args:
        plan: of this environment.
        options: where and how.
        show: makes the progress display from the number of cells and how many are done.

    Raises:
        StoreError: the store cannot be used, or is in use.
    """
    folder = options.store.resolve() / "runs" / plan.run_id
    with ExitStack() as stack:
        stack.enter_context(_locked(options.store))
        journal = stack.enter_context(Journal(folder))
        journal.forget(lambda record: _runs_again(record, options))
        resumed = len(journal.done)
        cells = [cell for cell in plan.cells if cell.row.digest not in journal.done]
        origin = provenance(plan.environment, options.plugins)
        _write_beside(folder, plan, origin)
        interrupt = stack.enter_context(Interrupt(raises=options.executor == "inline"))
        display = stack.enter_context(show(len(plan.cells), resumed) if show else Silence())
        store = ArtifactStore(options.store.resolve(), plan.environment)

        def write(record: Record) -> None:
            journal.append(record)
            display.cell(record)

        ran = 0
        if cells:
            with _executor(options, plan, folder) as executor:
                execution = Execution(
                    cells, store, executor, write, interrupt, plan.environment.digest, digest_of(origin),
                    fail_fast=options.fail_fast, reuse=options.rerun != "all",
                )  # fmt: skip
                try:
                    execution.run()
                except KeyboardInterrupt:
                    interrupt.level = max(interrupt.level, 1)
                ran = execution.ran
        failed = any(r.status in {"failed", "timeout", "cancelled"} for r in journal.done.values())
        if not failed and not interrupt.level and len(journal.done) == len(plan.cells):
            # Killed between a step and its clean-up, an earlier pass may have left tensors that nothing needs.
            for key in {node.key for node in plan.nodes} & store.keys()[1]:
                store.drop_tensors(key)
        code = ExitCode.FAILED_CELLS if failed else ExitCode.OK
        return Done(
            plan.run_id, folder, len(plan.cells), resumed, ran, interrupt.exit_code if interrupt.level else code
        )


def _runs_again(record: Record, options: RunOptions) -> bool:
    if options.rerun == "all" or record.status == "cancelled":
        return True
    return options.rerun == "failed" and record.status in {"failed", "timeout"}


def _locked(store: Path) -> ExitStack:
    """The store's lock: one run at a time writes to it.

    Raises:
        StoreError: it cannot be made, or another run has it.
    """
    stack = ExitStack()
    try:
        store.mkdir(parents=True, exist_ok=True)
        ignore = store / ".gitignore"
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
        stack.enter_context(FileLock(store / "lock", timeout=0))
    except Timeout:
        raise StoreError(f"another run is using the store {store}: wait for it, or give another with --store") from None
    except OSError as error:
        raise StoreError(f"the store {store} cannot be written: {error.strerror or error}") from error
    return stack


def _executor(options: RunOptions, plan: Plan, folder: Path) -> Executor:
    processes = options.executor == "processes"
    setting = Setting(
        store=str(options.store.resolve()),
        environment=plan.environment.plain(),
        plugins=tuple(plugins.canonical(p) for p in options.plugins),
        data=None if options.data is None else str(options.data.resolve()),
        memory=parse_size(options.memory),
        log=str(folder / "log") if processes else None,
    )
    if not processes:
        return InlineExecutor(setting)
    limits = [parse_duration(suite.at(plan.scale).timeout) for suite in plan.suites]
    finite = [limit for limit in limits if limit is not None]
    suites_own = max(finite) if len(finite) == len(limits) else None
    return ProcessExecutor(setting, options.workers, parse_duration(options.timeout) if options.timeout else suites_own)


def _write_beside(folder: Path, plan: Plan, origin: dict[str, Any]) -> None:
    """The plan, before any work starts, and the provenance of this pass beside those of earlier ones."""
    known_origins = folder / "provenance.json"
    try:
        write_whole(folder / "plan.json", json.dumps(plan.plain()).encode())
        known = json.loads(known_origins.read_text(encoding="utf-8")) if known_origins.exists() else {}
        write_whole(known_origins, json.dumps({**known, digest_of(origin): origin}, indent=1).encode())
        shutil.rmtree(folder / "log", ignore_errors=True)
    except (OSError, ValueError) as error:
        raise StoreError(f"{folder} cannot be written: {error}") from error
