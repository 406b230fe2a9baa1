"""`prunebench run`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from prunebench.cli.completion import completing, methods, suites
from prunebench.cli.options import common, format_option, option, plugin_option, store_option, terminal_width
from prunebench.errors import ExitCode, UsageError

if TYPE_CHECKING:
    from prunebench.analysis.results import Results
    from prunebench.harness.plan import Plan
    from prunebench.harness.run import Done


SCALES = ("quick", "standard", "paper")
_SHOWN = 5
"""Failures that are named at the end of a run."""


@click.command("run")
@click.argument("suites", nargs=-1, required=True, metavar="SUITE...", shell_complete=completing(suites, files=True))
@option(
    "--scale",
    default="quick",
    show_default=True,
    metavar="SCALE",
    shell_complete=completing(lambda: SCALES),
    help="quick, standard or paper.",
)
@option(
    "-m", "--method", "methods", multiple=True, metavar="SPEC", shell_complete=completing(methods),
    help="Instead of the suite's methods: a spec, such as snip:rounds=100, or a glob among the suite's own; "
    "+SPEC adds one to them. Repeatable.",
)  # fmt: skip
@plugin_option
@option(
    "--set", "overrides", multiple=True, metavar="KEY=VALUE",
    help="Change a field of the suite's scale, such as 'densities=[0.1]': results that compare with no others. "
    "Repeatable.",
)  # fmt: skip
@option("--seeds", type=int, metavar="N", help="Repetitions, instead of the scale's.")
@option("-j", "--jobs", metavar="N|auto", default="auto", show_default=True, help="Worker processes; auto: cores.")
@option("--threads", type=int, default=1, show_default=True, metavar="N", help="Of each worker; moves last digits.")
@option("--memory", metavar="SIZE", help="Limit of each worker, such as 4GiB.")
@option("--device", type=click.Choice(["auto", "cpu", "cuda"]), default="auto", show_default=True)
@option(
    "--executor", type=click.Choice(["processes", "inline"]), default="processes", show_default=True,
    help="inline: in this process, for debugging; timeouts are not enforced.",
)  # fmt: skip
@option("--timeout", metavar="TIME", help="Of one step: 90s, 10m, 2h or none.  [default: the scale's]")
@option(
    "--rerun", type=click.Choice(["never", "failed", "all"]), default="never", show_default=True,
    help="Which finished cells run again.",
)  # fmt: skip
@store_option
@option("--data", type=click.Path(path_type=Path), help="Folder of data sets.  [default: the user's cache]")
@option("--download", is_flag=True, help="Fetch data sets that are missing there; nothing else uses the network.")
@option("--cache-size", metavar="SIZE", help="Bound of the stored artifacts, kept after the run, such as 2GiB.")
@option(
    "--report", type=click.Path(path_type=Path, file_okay=False), metavar="DIR",
    help="Write the files of `prunebench report` there: page, tables, records.",
)  # fmt: skip
@option("-n", "--dry-run", is_flag=True, help="Show cells, steps after sharing and an estimate; run nothing.")
@option("-x", "--fail-fast", is_flag=True, help="Stop after the first failed cell.")
@format_option
@common
def command(suites: tuple[str, ...], jobs: str, format_: str, dry_run: bool, **settings: Any) -> int:
    """Run suites, print their leaderboard, keep the records.

    A run that was stopped goes on when the same command is given again. SUITE is a name (see `prunebench list suites`)
    or the path of a TOML file.

    \b
    prunebench run collapse
    prunebench run collapse -m snip -m 'synflow*' --seeds 5
    prunebench run collapse --plugin my_method.py -m +my-method
    """  # noqa: D301 - click looks for the backspace itself
    from prunebench.harness.options import RunOptions
    from prunebench.harness.run import execute_run, plan_run
    from prunebench.records.suite import load_suite

    options = RunOptions(jobs=_jobs(jobs), **settings)
    plan = plan_run([load_suite(name) for name in dict.fromkeys(suites)], options)
    if dry_run:
        _describe(plan, options.workers)
        return ExitCode.OK
    from prunebench.harness.progress import progress

    if options.executor == "inline" and options.timeout is not None:
        print("prunebench: --timeout is not enforced by --executor inline", file=sys.stderr)
    done = execute_run(plan, options, progress)
    return _conclude(done, format_, options.report)


def _jobs(text: str) -> int | None:
    if text == "auto":
        return None
    try:
        return int(text)
    except ValueError:
        raise UsageError(f"--jobs {text}: a number, or auto") from None


def _describe(plan: Plan, workers: int) -> None:
    from prunebench.records.overrides import comparable
    from prunebench.units import written_duration

    for suite in plan.suites:
        click.echo(f"{suite.name} {suite.version} at scale {plan.scale}: {suite.question}")
    if not comparable(plan.label):
        click.echo(f"compares with no other results: {plan.label}")
    unshared = plan.unshared()
    click.echo(f"cells      {len(plan.cells)}")
    click.echo(f"steps      {len(plan.nodes)} after sharing, {unshared} without")
    staff = f"{workers} worker{'s' * (workers != 1)}"
    click.echo(f"estimate   {written_duration(plan.seconds / workers)} with {staff} and an empty store")
    click.echo(f"run        {plan.run_id}")


def _conclude(done: Done, format_: str, report: Path | None) -> int:
    """The leaderboard on standard output; where the records are, what failed and how to go on, on standard error."""
    from prunebench.analysis.results import load_results

    results = load_results(done.folder)
    click.echo(results.leaderboard(format_, terminal_width()), nl=False)
    statuses = ", ".join(f"{n} {status}" for status, n in sorted(results.statuses().items()))
    resumed = f"; {done.resumed} had their record before" if done.resumed else ""
    print(f"\nrun {done.run_id}: {done.cells} cells ({statuses}), {done.steps_run} steps run{resumed}", file=sys.stderr)
    groups = results.failures()
    for first, *others in groups[:_SHOWN]:
        more = f" (and {len(others)} more cells of the same step)" if others else ""
        print(f"{first.status}: {first.row}: {first.error}{more}", file=sys.stderr)
    if len(groups) > _SHOWN:
        print(f"… and {len(groups) - _SHOWN} more failures", file=sys.stderr)
    if groups:
        print(
            f"details: prunebench show {done.run_id} --errors; again: the same command with --rerun failed",
            file=sys.stderr,
        )
    if results.missing():
        print("stopped early: the same command goes on from here", file=sys.stderr)
    print(_lint(results), file=sys.stderr)
    if report is not None:
        from prunebench.report.files import write_report

        print(f"report: {', '.join(str(path) for path in write_report([results], report))}", file=sys.stderr)
    print(f"records: {_near(done.folder / 'records.jsonl')}", file=sys.stderr)
    return done.exit_code


def _lint(results: Results) -> str:
    """What the run lacks by the literature's checklists, in one line."""
    from prunebench.analysis.lint.report import lint, sentence
    from prunebench.analysis.lint.sheet import of_results

    return sentence(lint(of_results(results)), results.run_id)


def _near(path: Path) -> Path:
    """Relative to the working folder where it lies below it."""
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path
