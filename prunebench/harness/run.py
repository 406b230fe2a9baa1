"""A run, from suites to records."""

from __future__ import annotations

import json
import shutil
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from prunebench import plugins
from prunebench.environment import Environment, require
from prunebench.errors import ExitCode, StoreError
from prunebench.graph import ancestors
from prunebench.harness.artifacts import ArtifactStore
from prunebench.harness.cache import evict, stored, too_much
from prunebench.harness.execute import Execution
from prunebench.harness.executors.inline import InlineExecutor
from prunebench.harness.executors.processes import ProcessExecutor
from prunebench.harness.files import write_whole
from prunebench.harness.interrupt import Interrupt
from prunebench.harness.journal import Journal
from prunebench.harness.lock import locked
from prunebench.harness.plan import Plan, make_plan
from prunebench.harness.progress import Progress, Silence
from prunebench.harness.provenance import digest_of, instructions, provenance
from prunebench.harness.worker import Setting
from prunebench.spec import Spec
from prunebench.tasks.datasets import identity
from prunebench.tasks.datasets.places import data_at
from prunebench.units import parse_duration, parse_size

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
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
    identity.forget()
    with data_at(options.data):
        return make_plan(
            suites,
            options.scale,
            environment,
            methods=options.methods,
            seeds=options.seeds,
            overrides=options.overrides,
        )


def execute_run(plan: Plan, options: RunOptions, show: Callable[[int, int], Progress] | None = None) -> Done:
    """Run a plan, or go on with it.

    Args:
        plan: of this environment.
        options: where and how.
        show: makes the progress display from the number of cells and how many are done.

    Raises:
        UsageError: the device is not there.
        StoreError: the store cannot be used, or is in use.
        DataError: a data set that was to be downloaded cannot be.
    """
    require(plan.environment)
    folder = options.store.resolve() / "runs" / plan.run_id
    with ExitStack() as stack:
        stack.enter_context(locked(options.store))
        journal = stack.enter_context(Journal(folder))
        journal.forget(lambda record: _runs_again(record, options))
        resumed = len(journal.done)
        cells = [cell for cell in plan.cells if cell.row.digest not in journal.done]
        if options.download:
            _download({cell.row.dataset for cell in cells}, options)
        origin = provenance(plan.environment, options.plugins)
        if cells:  # without any there is nothing that needs torch
            origin["instructions"] = instructions()
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
        limit = parse_size(options.cache_size)
        if limit is not None:
            undone = [cell.node for cell in plan.cells if cell.row.digest not in journal.done]
            evict(too_much(stored(options.store.resolve()), limit, {node.key for node in ancestors(undone)}))
        code = ExitCode.FAILED_CELLS if failed else ExitCode.OK
        return Done(
            plan.run_id, folder, len(plan.cells), resumed, ran, interrupt.exit_code if interrupt.level else code
        )


def _download(datasets: Iterable[str], options: RunOptions) -> None:
    """Fetch data here, before there are workers: once, without a timeout, and with one error instead of one a cell."""
    from prunebench.tasks.build import fetch_dataset

    with data_at(options.data):
        for text in sorted(datasets):
            fetch_dataset(Spec.parse(text))


def _runs_again(record: Record, options: RunOptions) -> bool:
    if options.rerun == "all" or record.status == "cancelled":
        return True
    return options.rerun == "failed" and record.status in {"failed", "timeout"}


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
