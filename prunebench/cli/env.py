"""`prunebench env`."""

from __future__ import annotations

from enum import Enum
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from prunebench.analysis.tables import Table, render
from prunebench.cli.config import Configuration
from prunebench.cli.options import common, format_option, terminal_width
from prunebench.errors import UsageError, suggestion

if TYPE_CHECKING:
    from collections.abc import Iterator

_WORDS = {
    ParameterSource.COMMANDLINE: "flag",
    ParameterSource.ENVIRONMENT: "variable",
    ParameterSource.DEFAULT: "default",
}


@click.command("env", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("words", nargs=-1, type=click.UNPROCESSED, metavar="[VERB [OPTION...]]")
@format_option
@common
@click.pass_context
def command(context: click.Context, words: tuple[str, ...], format_: str) -> None:
    """Versions and device, and every option of a verb with its value and where that comes from.

    Without a VERB: of run. With options after it: as they would hold in that command.

    \b
    prunebench env
    prunebench env --format json
    prunebench env run collapse --seeds 3
    """  # noqa: D301 - click looks for the backspace itself
    assert context.parent is not None, "env is a verb"
    group = context.parent.command
    assert isinstance(group, click.Group), "verbs are in a group"
    verb, *arguments = words or ("run",)
    if verb not in group.list_commands(context):
        raise UsageError(f"unknown verb {verb!r}{suggestion(verb, group.list_commands(context))}")
    asked = group.get_command(context, verb)
    assert asked is not None, "a verb has a command"
    options = Table(
        f"options of {verb}", ("option", "value", "from"), tuple(_options(asked, context.parent, arguments))
    )
    tables = [Table("environment", ("what", "is"), tuple(_environment())), options]
    click.echo(render(tables, format_, terminal_width()), nl=False)


def _environment() -> Iterator[tuple[str, str]]:
    """Versions of what is installed, platform, device, threads."""
    import re

    from prunebench.environment import Environment
    from prunebench.harness.options import RunOptions
    from prunebench.harness.provenance import provenance

    here = Environment.here()
    known = provenance(here, ())
    commit = known["git"]
    yield "prunebench", known["prunebench"] + (f", commit {commit['commit'][:12]}" if commit else "")
    if commit:
        yield "changed since the commit", "yes" if commit["dirty"] else "no"
    yield "Python", known["python"]
    yield "platform", known["platform"]
    yield "device", here.device
    yield "cores", str(RunOptions().workers)
    for line in sorted(requires("prunebench") or ()):
        if "extra ==" in line:
            continue
        name = re.split(r"[^A-Za-z0-9_.\-]", line)[0]
        try:
            yield name, version(name)
        except PackageNotFoundError:
            yield name, "not installed"


def _options(asked: click.Command, parent: click.Context, arguments: list[str]) -> Iterator[tuple[str, str, str]]:
    """Every option with its value and origin, as click would find them."""
    context = click.Context(asked, info_name=asked.name, parent=parent)
    given, _, _ = asked.make_parser(context).parse_args(list(arguments))
    files = parent.obj if isinstance(parent.obj, Configuration) else Configuration()
    for option in asked.params:
        if not isinstance(option, click.Option) or not option.envvar:
            continue
        option.handle_parse_result(context, given, [])
        value, source = context.params[str(option.name)], context.get_parameter_source(str(option.name))
        origin = "" if source is None else _WORDS.get(source, "")
        if source is ParameterSource.DEFAULT_MAP:
            origin = str(files.origins[str(asked.name), str(option.name)])
        elif source is ParameterSource.ENVIRONMENT:
            origin = str(option.envvar)
        yield next(name for name in option.opts if name.startswith("--")), _written(value), origin


def _written(value: Any) -> str:
    if value is None or value == () or isinstance(value, Enum):  # click's mark of a value that there is not
        return "–"
    if isinstance(value, bool):
        return str(value).lower()
    return " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
