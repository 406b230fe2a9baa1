"""`prunebench export`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from prunebench.cli.completion import runs
from prunebench.cli.options import common, option, store_option
from prunebench.errors import StoreError, UsageError


@click.command("export")
@click.argument("run", required=False, default="latest", metavar="[RUN]", shell_complete=runs)
@option(
    "--format", "file_format", type=click.Choice(["csv", "json", "parquet", "archive"]), variable="EXPORT_FORMAT",
    help="json has the series too; archive is the whole run.  [default: the ending of --output, else csv]",
)  # fmt: skip
@option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
    help="Instead of standard output; its ending tells the format.",
)  # fmt: skip
@option("--long", is_flag=True, help="csv and parquet: one line a metric, instead of one a cell.")
@option("--force", is_flag=True, help="Replace the file if there is one.")
@store_option
@common
def command(run: str, file_format: str | None, output: Path | None, long: bool, force: bool, store: Path) -> None:
    """Records of a run, one line a cell.

    A run is named by the beginning of its id, `latest`, its folder, or an archive of that.

    \b
    prunebench export > records.csv
    prunebench export 8e4f --output records.parquet
    prunebench export --long > metrics.csv
    prunebench export latest --output run.tar.xz
    """  # noqa: D301 - click looks for the backspace itself
    from prunebench.analysis.export import pieces
    from prunebench.analysis.results import open_run
    from prunebench.harness.files import write_whole

    kind = file_format or _ending(output)
    if long and kind not in {"csv", "parquet"}:
        raise UsageError(f"--long is of csv and parquet: {kind} has every metric as it is")
    if output is None and kind in {"parquet", "archive"} and sys.stdout.isatty():
        raise UsageError(f"{kind} is no text: give --output FILE, or send standard output to a file")
    if output is not None and output.exists() and not force:
        raise UsageError(f"{output} is there already: give --force to replace it")
    content = pieces(open_run(store, run), kind, long=long)
    if output is None:
        sys.stdout.buffer.write(b"".join(content))  # all of it or nothing
        return
    try:
        write_whole(output, content)
    except OSError as error:
        raise StoreError(f"{output} cannot be written: {error.strerror or error}") from error


def _ending(output: Path | None) -> str:
    from prunebench.analysis.export import EXPORTS

    if output is None:
        return "csv"
    for kind, endings in EXPORTS.items():
        if output.name.lower().endswith(endings):
            return kind
    known = ", ".join(first for first, *_ in EXPORTS.values())
    raise UsageError(f"{output} does not tell the format: end it in one of {known}, or give --format")
