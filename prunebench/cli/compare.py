"""`prunebench compare`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from prunebench.cli.completion import runs
from prunebench.cli.options import common, format_option, option, store_option, terminal_width
from prunebench.errors import ExitCode, StoreError


@click.command("compare")
@click.argument("run", required=False, default="latest", metavar="[RUN]", shell_complete=runs)
@option(
    "--to", metavar="RUN|FILE", variable="COMPARE_TO", shell_complete=runs,
    help="Another run, or a baseline file.  [default: baselines/<suite>.<scale>.json of every suite]",
)  # fmt: skip
@option("--all", "everything", is_flag=True, variable="COMPARE_ALL", help="Show what is the same as well.")
@option(
    "--max-slowdown", type=click.FloatRange(min=0, min_open=True), metavar="FACTOR",
    help="CPU seconds of a method that are more than so many times the old ones are a regression.",
)  # fmt: skip
@option("--junit", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Write a JUnit report there.")
@option("--exit-zero", is_flag=True, help="Exit with 0 whatever is found.")
@store_option
@format_option
@common
def command(
    run: str, to: str | None, everything: bool, max_slowdown: float | None, junit: Path | None, exit_zero: bool,
    store: Path, format_: str,
) -> int:  # fmt: skip
    """What became better, worse or otherwise since a baseline, or since another run.

    RUN is the beginning of a run's id, `latest`, its folder, or an archive of that. The exit code is 1 if there is a
    regression, and 4 if nothing of a suite could be compared.

    \b
    prunebench compare
    prunebench compare latest --to 8e4f
    prunebench compare --format md --junit compare.xml
    """  # noqa: D301 - click looks for the backspace itself
    from prunebench.analysis.comparison.compare import compare
    from prunebench.analysis.comparison.finding import opened, with_baselines, with_side
    from prunebench.analysis.comparison.junit import junit as report
    from prunebench.analysis.comparison.showing import outcome
    from prunebench.analysis.results import open_run
    from prunebench.analysis.tables import one_line
    from prunebench.harness.files import write_whole

    results = open_run(store, run)
    old = None if to is None else opened(store, to)
    found = compare(with_baselines(results) if old is None else with_side(results, old), max_slowdown)
    click.echo(found.table(format_, everything=everything, width=terminal_width()), nl=False)
    if junit is not None:
        try:
            write_whole(junit, report(found))
        except OSError as error:
            raise StoreError(f"{junit} cannot be written: {error.strerror or error}") from error
    if exit_zero:
        return ExitCode.OK
    if found.regressed:
        return ExitCode.REGRESSION
    if found.unanswered:
        print(f"prunebench: error: {one_line(outcome(found), sys.maxsize)}", file=sys.stderr)
        return ExitCode.NOTHING
    return ExitCode.OK
