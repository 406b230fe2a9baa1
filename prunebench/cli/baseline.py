"""`prunebench baseline`."""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import TYPE_CHECKING

import click

from prunebench.cli.completion import completing, runs, suites
from prunebench.cli.options import common, option, store_option, terminal_width
from prunebench.cli.run import SCALES
from prunebench.errors import StoreError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from prunebench.records.baseline import Baseline


@click.group("baseline")
def command() -> None:
    """Stored results that later runs are compared with; `update` makes them."""


@command.command("update", short_help="Make the baseline of a suite from a finished run.")
@click.argument("names", nargs=-1, required=True, metavar="SUITE...", shell_complete=completing(suites))
@option(
    "--from", "run", metavar="RUN", variable="BASELINE_FROM", shell_complete=runs,
    help="A run by its id, folder or archive.  [default: the newest finished one of the suite and scale]",
)  # fmt: skip
@option(
    "--scale", default="quick", show_default=True, metavar="SCALE", shell_complete=completing(lambda: SCALES),
    help="quick, standard or paper.",
)  # fmt: skip
@option("-y", "--yes", is_flag=True, variable="BASELINE_YES", help="Do not ask.")
@store_option
@common
def update(names: tuple[str, ...], run: str | None, scale: str, yes: bool, store: Path) -> None:
    """Make baselines/<suite>.<scale>.json from a finished run, and show what it changes.

    A run that is not finished, or that was restricted or changed by --method, --seeds or --set, is refused. Failed
    cells are kept as such.

    \b
    prunebench baseline update collapse
    prunebench baseline update tradeoff --scale standard --from 8e4f --yes
    """  # noqa: D301 - click looks for the backspace itself
    from prunebench.analysis.comparison.finding import baseline_of, newest
    from prunebench.analysis.results import open_run
    from prunebench.records.overrides import unaltered

    given = None if run is None else open_run(store, run)
    if given is not None and unaltered(given.plan["scale"].split(" / ")[0]) != scale:
        raise UsageError(f"run {given.run_id} is of scale {given.plan['scale']}, not {scale}: give --scale")
    if not yes and not sys.stdin.isatty():
        raise UsageError("nobody is there to be asked: give --yes")
    for name in dict.fromkeys(names):
        suite = _name(name)
        results = newest(store, suite, scale) if given is None else given
        _write(baseline_of(results, suite), results.run_id, yes)


def _name(text: str) -> str:
    """Of a suite, by its name or by its file."""
    from prunebench.records.suite import load_suite

    return load_suite(text).name if text.endswith(".toml") else text


def _write(baseline: Baseline, run: str, yes: bool) -> None:
    from prunebench.harness.files import write_whole
    from prunebench.records.baseline import file_name, write
    from prunebench.records.places import OWN_BASELINES, baseline_file

    content, name = write(baseline), file_name(baseline.suite, baseline.scale)
    path, present = OWN_BASELINES / name, baseline_file(name)
    if path.is_file() and path.read_bytes() == content:
        click.echo(f"{path} is that of run {run} already")
        return
    if present.is_file():
        click.echo(_difference(baseline, present, run), nl=False)
    if not yes and not click.confirm(f"Write {path} from run {run}?", err=True):
        click.echo(f"{path} stays as it is", err=True)
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error
    click.echo(f"{path}: {len(baseline.records)} cells of run {run}")


def _difference(baseline: Baseline, present: Path, run: str) -> str:
    """What the new baseline changes of the present one."""
    from prunebench.analysis.comparison.compare import compare
    from prunebench.analysis.comparison.finding import side_of
    from prunebench.analysis.comparison.sides import of_baseline
    from prunebench.analysis.results import Results

    new = replace(of_baseline(baseline, Results(present, baseline.plan(), baseline.records)), name=f"run {run}")
    try:
        old = side_of(present)
    except StoreError as error:
        return f"{error}\n"  # what is there is damaged, or of another schema: a reason to replace it
    return compare([(baseline.suite, old, new)]).table("table", width=terminal_width())
