"""`prunebench validate`."""

from __future__ import annotations

import fnmatch
from typing import TYPE_CHECKING

import click

from prunebench.analysis.tables import Table, render
from prunebench.cli.options import common, format_option, option, plugin_option
from prunebench.errors import ExitCode, NothingToDoError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prunebench.testing import Finding


@click.command("validate")
@click.argument("methods", nargs=-1, metavar="[METHOD…]")
@option("--all", "every", is_flag=True, help="All methods that there are.")
@option("--check", "checks", multiple=True, metavar="NAME", help="Only these checks; repeatable.")
@option("--skip", "skip", multiple=True, metavar="NAME", help="Leave out these checks; repeatable.")
@plugin_option
@format_option
@common
def command(
    methods: tuple[str, ...], every: bool, checks: tuple[str, ...], skip: tuple[str, ...], plugins: tuple[str, ...],
    format_: str,
) -> int:  # fmt: skip
    """Whether methods do what they declare: specs, or globs over names; with a plug-in alone, its methods.

    Small networks and artificial data, some seconds a method. Exit code 1 if a fault is found; notes break nothing.

    \b
    prunebench validate 'synflow(rounds=20)' snip
    prunebench validate --plugin my_method.py
    prunebench validate 'my-*' --plugin my_method.py --check data --check labels
    """  # noqa: D301 - click looks for the backspace itself
    import time

    from prunebench import plugins as ways_in

    broken = ways_in.ready(plugins)
    for name, error in broken.items():
        click.echo(f"broken plug-in {name}: {error}", err=True)
    found: list[tuple[str, list[Finding]]] = []
    chosen = _chosen(methods, plugins, every=every)
    # Imports torch: seconds that a wrong word must not cost.
    from prunebench.testing import conformance

    for spec in chosen:
        begun = time.perf_counter()
        found.append((spec, conformance(spec, plugins=plugins, checks=checks, skip=skip)))
        faults = sum(finding.weight == "fault" for finding in found[-1][1])
        took = time.perf_counter() - begun
        click.echo(f"{spec}: {faults or 'no'} fault{'s' * (faults != 1)}, {took:.1f} s", err=True)
    click.echo(render(_tables(found), format_), nl=False)
    return ExitCode.FAULTS if any(finding.weight == "fault" for _, all_ in found for finding in all_) else ExitCode.OK


def _chosen(methods: Sequence[str], plugins: Sequence[str], *, every: bool) -> list[str]:
    """Specs: those given, globs as the names that they match; all, or those of the plug-ins.

    Raises:
        UsageError: nothing is chosen, both some and all, or a method that is not known.
        NothingToDoError: a glob matches no method, or the plug-ins register none.
    """
    from prunebench.plugins import canonical
    from prunebench.registry import METHODS
    from prunebench.spec import Spec

    if every and methods:
        raise UsageError("give methods or --all, not both")
    names = [entry.name for entry in METHODS]
    if every:
        return names
    if methods:
        chosen: list[str] = []
        for text in methods:
            matching = fnmatch.filter(names, text) if any(c in text for c in "*?") and "(" not in text else [text]
            if not matching:
                raise NothingToDoError(f"no method matches {text!r}; see `prunebench list methods`")
            METHODS.entry(Spec.parse(matching[0]).name)
            chosen += [name for name in matching if name not in chosen]
        return chosen
    if not plugins:
        raise UsageError("give methods, --plugin for those of a plug-in, or --all")
    origins = {canonical(plugin) for plugin in plugins}
    own = [entry.name for entry in METHODS if entry.module in origins or entry.module.partition(".")[0] in origins]
    if not own:
        raise NothingToDoError(f"{', '.join(plugins)} registers no method")
    return own


def _tables(found: Sequence[tuple[str, list[Finding]]]) -> list[Table]:
    from prunebench.testing import QUESTIONS

    rows = [
        (spec, finding.weight, finding.check, f"{finding.what}: {finding.evidence}", finding.mend)
        for spec, findings in found
        for finding in findings
    ]
    asked = sorted({row[2] for row in rows}, key=list(QUESTIONS).index)
    legend = tuple((name, QUESTIONS[name]) for name in asked)
    counts = [
        (spec, *(str(sum(f.weight == weight for f in findings)) for weight in ("fault", "note")))
        for spec, findings in found
    ]
    summary = Table("validated", ("method", "faults", "notes"), tuple(counts), (False, True, True), whole=True)
    headers = ("method", "weight", "check", "finding", "mend")
    return [summary, *([Table("findings", headers, tuple(rows), whole=True, legend=legend)] if rows else [])]
