"""The group of all verbs."""

from __future__ import annotations

import importlib
from typing import Any

import click
from click.shell_completion import CompletionItem

from prunebench.errors import suggestion

_VERBS = {
    "baseline": "stored results that later runs are compared with",
    "cache": "what the stored artifacts take, and deleting some",
    "card": "one method: what it is, where it stands, its verdicts, cost and failures",
    "compare": "what became better, worse or otherwise since a baseline or another run",
    "completion": "the script that completes words in a shell",
    "env": "versions, device, and every option with where its value comes from",
    "export": "records of a run as CSV, JSON, Parquet or an archive",
    "lint": "what a run, or a CSV file of results, lacks by the literature's checklists",
    "list": "what there is: methods, suites, models, datasets, metrics, checks, runs",
    "report": "a page for the browser, tables and records of runs, as files",
    "run": "run suites, or go on with an earlier run",
    "show": "one thing in full: a method, model, dataset, suite, metric, check or run",
    "validate": "whether methods do what they declare",
}

_HELP_WANTED = "prunebench.help"
_EPILOG = """\
\b
Exit codes:
  0 fine            3 some cells failed     70 internal error
  1 regression,     4 nothing to do        130 interrupted
    faults or                              143 terminated
    gaps found
  2 usage

Results go to standard output, everything else to standard error.
"""


class LazyGroup(click.Group):
    """Imports the file of a verb when the verb is used; help needs none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All verbs."""
        return sorted(_VERBS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """The verb of that name."""
        if name not in _VERBS:
            return None
        command = importlib.import_module(f"prunebench.cli.{name}").command
        return command if isinstance(command, click.Command) else None

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        """As click does, with a suggestion for a misspelt verb; note whether its help is asked for."""
        if args and args[0] not in _VERBS and not args[0].startswith("-") and not ctx.resilient_parsing:
            raise click.UsageError(f"unknown verb {args[0]!r}{suggestion(args[0], _VERBS)}")
        ctx.meta[_HELP_WANTED] = bool({*args[1:]} & {*ctx.help_option_names})
        return super().resolve_command(ctx, args)

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Verbs with their one line, and options, without importing a verb."""
        verbs = [CompletionItem(name, help=_VERBS[name]) for name in sorted(_VERBS) if name.startswith(incomplete)]
        return [*verbs, *click.Command.shell_complete(self, ctx, incomplete)]

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Verbs with their one line, without importing them."""
        with formatter.section("Verbs"):
            formatter.write_dl(sorted(_VERBS.items()))


def _print_version(ctx: click.Context, _parameter: click.Parameter, wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version
        from platform import python_version

        click.echo(f"prunebench {version('prunebench')}, Python {python_version()}, torch {version('torch')}")
        ctx.exit()


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=_EPILOG,
    invoke_without_command=False,
    no_args_is_help=True,
)
@click.option(
    "-V", "--version", is_flag=True, expose_value=False, is_eager=True, callback=_print_version,
    help="Print versions and exit.",
)  # fmt: skip
@click.option("--debug", is_flag=True, expose_value=False, help="Show tracebacks of errors.")
@click.pass_context
def root(context: click.Context) -> None:
    """Benchmark and sanity checks for neural-network pruning methods.

    \b
    prunebench run collapse                  all of its methods, about a minute
    prunebench run collapse -m 'synflow*'    some of them
    prunebench list methods                  what can be run
    prunebench show synflow                  one method: paper, parameters, traps
    """  # noqa: D301 - click looks for the backspace itself
    from prunebench.cli.config import configuration

    assert isinstance(context.command, click.Group), "verbs are in a group"
    if context.invoked_subcommand == "completion" or context.meta.get(_HELP_WANTED):
        return  # what the files say, and whether they can be read, changes neither
    context.obj = configuration(context.command, context)
    context.default_map = context.obj.values
