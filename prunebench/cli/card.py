"""`prunebench card`."""

from __future__ import annotations

from pathlib import Path

import click

from prunebench.cli.completion import completing, methods
from prunebench.cli.options import common, option, plugin_option, store_option, terminal_width
from prunebench.errors import StoreError


@click.command("card")
@click.argument("method", metavar="METHOD", shell_complete=completing(methods))
@click.argument("names", nargs=-1, metavar="[RUN...]")
@option(
    "--format", "format_", type=click.Choice(["table", "md", "html"]), variable="CARD_FORMAT",
    help="Of the output.  [default: html where --output ends so, else table]",
)  # fmt: skip
@option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", variable="CARD_OUTPUT",
    help="Instead of standard output; replaced if it is there.",
)  # fmt: skip
@plugin_option
@store_option
@common
def command(
    method: str, names: tuple[str, ...], format_: str | None, output: Path | None, plugins: tuple[str, ...], store: Path
) -> None:  # fmt: skip
    """One method: what it is, where it stands in the field, its verdicts, cost and failures, from records.

    METHOD is a spec, or a name that stands for all specs with it. RUN is an id, `latest`, a folder or an archive;
    without one, the latest run of every suite and scale in the store that has the method.

    \b
    prunebench card synflow
    prunebench card 'snip(rounds=100)' latest -o snip.html
    """  # noqa: D301 - click looks for the backspace itself
    from prunebench import plugins as ways_in
    from prunebench.analysis.results import open_run
    from prunebench.analysis.tables import render
    from prunebench.harness.files import write_whole
    from prunebench.report.card import card, page_of, recent

    ways_in.ready(plugins)
    kind = format_ or _kind(output)
    runs = [open_run(store, name) for name in dict.fromkeys(names)] if names else recent(store, method)
    found = card(method, runs)
    width = terminal_width() if output is None else None
    text = page_of(found) if kind == "html" else render(found.tables, kind, width)
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        write_whole(output, text.encode())
    except OSError as error:
        raise StoreError(f"{output} cannot be written: {error.strerror or error}") from error


def _kind(output: Path | None) -> str:
    ending = "" if output is None else output.suffix.lower()
    return {".html": "html", ".htm": "html", ".md": "md"}.get(ending, "table")
