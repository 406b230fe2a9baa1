"""`prunebench lint`."""

from __future__ import annotations

from pathlib import Path

import click

from prunebench.analysis.tables import render
from prunebench.cli.completion import runs
from prunebench.cli.options import common, format_option, option, plugin_option, store_option, terminal_width
from prunebench.errors import ExitCode


@click.command("lint")
@click.argument("results", metavar="[RUN|FILE.csv]", required=False, default="latest", shell_complete=runs)
@option("--strict", is_flag=True, help="End with exit code 1 if an item is missing; what cannot be told is none.")
@plugin_option
@store_option
@format_option
@common
def command(results: str, strict: bool, plugins: tuple[str, ...], store: Path, format_: str) -> int:
    """What a set of results lacks by the checklists of the pruning literature, with who asks for it and how to mend it.

    Of a run, by its id, `latest`, its folder or an archive of that, or of a CSV file of anybody's results. Each item
    is `ok`, `missing`, `cannot tell` (the file lacks the column) or `not applicable`. The exit code is 0 whatever is
    found, unless --strict is given.

    \b
    prunebench lint latest
    prunebench lint paper.csv --strict
    """  # noqa: D301 - click looks for the backspace itself
    from prunebench import plugins as ways_in
    from prunebench.analysis.lint.report import detailed, lacking, lint
    from prunebench.analysis.lint.sheet import of_file, of_results
    from prunebench.analysis.results import open_run

    ways_in.ready(plugins)
    sheet = of_file(Path(results)) if results.lower().endswith(".csv") else of_results(open_run(store, results))
    findings = lint(sheet)
    click.echo(render(detailed(sheet, findings), format_, terminal_width()), nl=False)
    return ExitCode.GAPS if strict and lacking(findings) else ExitCode.OK
