"""`prunebench report`."""

from __future__ import annotations

from pathlib import Path

import click

from prunebench.cli.completion import runs
from prunebench.cli.options import common, option, plugin_option, store_option
from prunebench.errors import ExitCode

FORMATS = ("html", "md", "csv", "json")
_CHARTS = "svg"


@click.command("report")
@click.argument("names", nargs=-1, metavar="[RUN...]", shell_complete=runs)
@option(
    "-o", "--output", type=click.Path(path_type=Path, file_okay=False), default="prunebench-report", show_default=True,
    metavar="DIR", variable="REPORT_OUTPUT", help="Folder; files of the same names are replaced, others left alone.",
)  # fmt: skip
@option(
    "--format", "formats", type=click.Choice([*FORMATS, _CHARTS]), multiple=True, variable="REPORT_FORMAT",
    help="Only these files; repeatable. svg makes one of every chart.  [default: all others]",
)  # fmt: skip
@plugin_option
@store_option
@common
def command(
    names: tuple[str, ...], output: Path, formats: tuple[str, ...], plugins: tuple[str, ...], store: Path
) -> int:  # fmt: skip
    """A page for the browser, tables and records of runs, as files that stand for themselves.

    RUN is an id, `latest`, the folder of a run or an archive of it; without one, the latest. Each suite becomes
    SUITE.SCALE.html (charts, tables, failures, lint, provenance: one file that needs no network), .md (the tables),
    .csv (a line a cell) and .json (with the series); of several there is an index.html and a README.md. Everything is
    made of the records alone: the same records give the same bytes.

    \b
    prunebench report
    prunebench report 8e4f reports/records/sanity.standard.tar.xz -o site
    """  # noqa: D301 - click looks for the backspace itself
    from prunebench import plugins as ways_in
    from prunebench.analysis.results import open_run
    from prunebench.report.charts.pen import warm
    from prunebench.report.files import write_report

    ways_in.ready(plugins)
    if not formats or {"html", _CHARTS} & {*formats}:
        warm()
    found = [open_run(store, name) for name in dict.fromkeys(names or ("latest",))]
    for path in write_report(found, output, formats or FORMATS):
        click.echo(path)
    return ExitCode.OK
