"""`prunebench list`."""

from __future__ import annotations

import re
import tomllib
from collections import defaultdict
from typing import TYPE_CHECKING

import click

from prunebench.analysis.tables import Table, render
from prunebench.cli.completion import completing
from prunebench.cli.options import common, format_option, option, plugin_option, store_option, terminal_width
from prunebench.errors import StoreError, UsageError, suggestion

if TYPE_CHECKING:
    from pathlib import Path

    from prunebench.registry import Entry, Registry

_LARGE = 10
"""Members from which on a family, `FAMILY:MEMBER`, is one row."""
_KINDS = ("methods", "suites", "models", "datasets", "recipes", "metrics", "checks", "arms", "runs")


@click.command("list")
@click.argument(
    "kind",
    required=False,
    shell_complete=completing(lambda: _KINDS),
    metavar="[methods|suites|models|datasets|recipes|metrics|checks|arms|runs]",
)
@option("--all", "every", is_flag=True, variable="LIST_ALL", help="A row for each member of a large family, too.")
@plugin_option
@store_option
@format_option
@common
def command(kind: str | None, every: bool, plugins: tuple[str, ...], store: Path, format_: str) -> None:
    """What there is. Without an argument: all kinds but runs.

    In tables for people, a large family such as torchvision's models is one row, unless --all is given.
    """
    from prunebench import plugins as ways_in

    if kind is not None and kind not in _KINDS:
        raise UsageError(f"unknown kind {kind!r}{suggestion(kind, _KINDS)}")
    broken = ways_in.ready(plugins)
    kinds = _KINDS[:-1] if kind is None else (kind,)
    whole = every or format_ in {"csv", "json"}
    click.echo(render([_table(k, store, whole=whole) for k in kinds], format_, terminal_width()), nl=False)
    for name, error in broken.items():
        click.echo(f"broken plug-in {name}: {error}", err=True)


def _table(kind: str, store: Path, *, whole: bool) -> Table:
    from prunebench.registry import ARMS, CHECKS, DATASETS, METHODS, MODELS, RECIPES

    if kind == "suites":
        return _suites()
    if kind == "metrics":
        return _metrics()
    if kind == "runs":
        return _runs(store)
    if kind == "recipes":
        return _recipes(RECIPES)
    kinds = {"methods": METHODS, "models": MODELS, "datasets": DATASETS, "checks": CHECKS, "arms": ARMS}
    return _entries(kinds[kind], kind, whole)


def _entries(registry: Registry, caption: str, whole: bool) -> Table:
    families: dict[str, list[Entry]] = defaultdict(list)
    for entry in registry:
        family, colon, _ = entry.name.partition(":")
        families[f"{family}:" if colon and not whole else entry.name].append(entry)
    rows: list[tuple[str, ...]] = []
    for family, members in families.items():
        if len(members) >= _LARGE:
            what = f"{len(members)} {caption} such as {members[0].name}; --all names them"
            rows.append((f"{family}…", what, _parameters(members[0]), members[0].paper))
        else:
            rows += [(e.name, e.summary, _parameters(e), e.paper) for e in members]
    return Table(caption, ("name", "what", "parameters", "paper"), tuple(rows))


def _parameters(entry: Entry) -> str:
    return ", ".join(p.name for p in entry.parameters)


def _recipes(registry: Registry) -> Table:
    """Without the parameters, which all recipes share."""
    rows = [(entry.name, entry.summary, entry.paper) for entry in registry]
    return Table("recipes", ("name", "what", "paper"), tuple(rows))


def _suites() -> Table:
    """Read as plain TOML without its long lists of grids: whether it validates is asked when it is run or shown."""
    from prunebench.records.places import suite_folder

    rows: list[tuple[str, ...]] = []
    for path in sorted(suite_folder().glob("*.toml")):
        try:
            tables = re.split(r"^(?=\[)", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
            plain = tomllib.loads("".join(table for table in tables if not table.startswith("[[")))
            rows.append((path.stem, str(plain["version"]), ", ".join(plain["scale"]), plain["question"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            rows.append((path.stem, "–", "–", f"broken: {error}"))
    return Table("suites", ("name", "version", "scales", "question"), tuple(rows))


def _metrics() -> Table:
    from prunebench.records.metrics import METRICS

    rows = [(m.name, m.unit or "–", m.direction, m.definition) for m in METRICS.values()]
    return Table("metrics", ("name", "unit", "better", "definition"), tuple(rows))


def _runs(store: Path) -> Table:
    from prunebench.analysis.results import load_results, run_folders

    rows: list[tuple[str, ...]] = []
    for folder in run_folders(store):
        try:
            results = load_results(folder)
        except StoreError as error:
            rows.append((folder.name, "–", "–", f"broken: {error}"))
            continue
        statuses = ", ".join(f"{n} {status}" for status, n in sorted(results.statuses().items()))
        rows.append((results.run_id, ", ".join(results.suites), str(results.plan["scale"]), statuses))
    return Table("runs, the latest last", ("run", "suites", "scale", "cells"), tuple(rows))
