"""Options that verbs share; every one has its environment variable."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from prunebench.analysis.tables import FORMATS

if TYPE_CHECKING:
    from collections.abc import Callable

F = TypeVar("F", bound="Callable[..., Any]")


def option(*names: str, variable: str = "", **settings: Any) -> Callable[[F], F]:
    """A click option with the variable `PRUNEBENCH_<LONG_NAME>`, or another where the word means something else."""
    long = next(name for name in names if name.startswith("--")).split("/")[0]
    variable = variable or long.removeprefix("--").replace("-", "_").upper()
    return click.option(*names, envvar=f"PRUNEBENCH_{variable}", **settings)


def terminal_width() -> int | None:
    """Columns of the terminal that standard output goes to; None where it goes elsewhere."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def common(function: F) -> F:
    """`--debug`, understood after the verb as well."""
    return click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks of errors.")(function)


def format_option(function: F) -> F:
    """`--format`."""
    return option(
        "--format", "format_", type=click.Choice(FORMATS), default="table", show_default=True, help="Of the output."
    )(function)


def store_option(function: F) -> F:
    """`--store`."""
    return option(
        "--store", type=click.Path(path_type=Path), default=".prunebench", show_default=True,
        help="Folder of records and artifacts.",
    )(function)  # fmt: skip


def plugin_option(function: F) -> F:
    """`--plugin`."""
    return option(
        "--plugin", "plugins", multiple=True, metavar="FILE|MODULE", help="Load methods from there; repeatable."
    )(function)
