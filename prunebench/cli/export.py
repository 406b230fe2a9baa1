"""`prunebench export`."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from prunebench.cli.options import common, option, store_option
from prunebench.errors import StoreError, UsageError


@click.command("export")
@click.argument("run", required=False, default="latest", metavar="[RUN]")
@option(
    "--format", "file_format", type=click.Choice(["csv", "json", "parquet"]), variable="EXPORT_FORMAT",
    help="json has the series too.  [default: the ending of --output, else csv]",
)  # fmt: skip
@option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE",
    help="Instead of standard output; its ending tells the format.",
)  # fmt: skip
@option("--force", is_flag=True, help="Replace the file if there is one.")
@store_option
@common
def command(run: str, file_format: str | None, output: Path | None, force: bool, store: Path) -> None:
    """Records of a run, by its id or `latest`, one line a cell.

    \b
    prunebench export > records.csv
    prunebench export 8e4f --output records.parquet
    """  # noqa: D301 - click looks for the backspace itself
    from prunebench.analysis.export import exported
    from prunebench.analysis.results import find_run, load_results

    kind = file_format or _ending(output)
    if output is None and kind == "parquet" and sys.stdout.isatty():
        raise UsageError("Parquet is no text: give --output FILE, or send standard output to a file")
    if output is not None and output.exists() and not force:
        raise UsageError(f"{output} is there already: give --force to replace it")
    content = exported(load_results(find_run(store, run)), kind)
    if output is None:
        sys.stdout.buffer.write(content)
        return
    try:
        output.write_bytes(content)
    except OSError as error:
        raise StoreError(f"{output} cannot be written: {error.strerror or error}") from error


def _ending(output: Path | None) -> str:
    if output is None:
        return "csv"
    ending = output.suffix.lower().removeprefix(".")
    if ending not in {"csv", "json", "parquet"}:
        raise UsageError(f"{output} does not tell the format: end it in .csv, .json or .parquet, or give --format")
    return ending
