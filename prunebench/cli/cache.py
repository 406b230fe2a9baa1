"""`prunebench cache`."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING

import click

from prunebench.analysis.tables import Table, render
from prunebench.cli.options import common, format_option, option, store_option, terminal_width
from prunebench.errors import UsageError
from prunebench.units import parse_duration, parse_size, written_size

if TYPE_CHECKING:
    from pathlib import Path


@click.group("cache", invoke_without_command=True)
@store_option
@format_option
@common
@click.pass_context
def command(context: click.Context, store: Path, format_: str) -> None:
    """What the stored artifacts take, by environment and step; `prune` deletes some.

    Artifacts are work that later runs need not do again. Records of runs are no artifacts: nothing here touches them.
    """
    if context.invoked_subcommand is not None:
        return
    from prunebench.harness.cache import environments, stored

    known = environments(store)
    sums: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0])
    for artifact in stored(store):
        place = sums[known.get(artifact.environment, artifact.environment), artifact.step()]
        place[0] += 1
        place[1] += artifact.bytes
    rows = [(*place, str(n), written_size(size)) for place, (n, size) in sorted(sums.items())]
    if rows:
        total = [sum(column) for column in zip(*sums.values(), strict=True)]
        rows.append(("all", "", str(total[0]), written_size(total[1])))
    headers, numeric = ("environment", "step", "artifacts", "size"), (False, False, True, True)
    table = Table(f"artifacts in {store}", headers, tuple(rows), numeric)
    click.echo(render([table], format_, terminal_width()), nl=False)


@command.command("prune", short_help="Delete artifacts that were not used for long.")
@option(
    "--size", metavar="SIZE", variable="CACHE_PRUNE_SIZE", help="Least recently used first, until it fits, as 2GiB."
)
@option("--older", metavar="TIME", variable="CACHE_PRUNE_OLDER", help="What was not used for so long, as 30d.")
@option("--all", "everything", is_flag=True, variable="CACHE_PRUNE_ALL", help="Everything.")
@option("-n", "--dry-run", is_flag=True, help="Say what would be deleted; delete nothing.")
@store_option
@common
def prune(size: str | None, older: str | None, everything: bool, dry_run: bool, store: Path) -> None:
    """Delete artifacts that were not used for long; never while a run uses the store."""
    from prunebench.harness.cache import evict, stored, too_much
    from prunebench.harness.lock import locked

    limit, age = parse_size(size), parse_duration(older)
    if [limit is not None, age is not None, everything].count(True) != 1:
        raise UsageError("give one of --size SIZE, --older TIME and --all")
    if not (store / "artifacts").is_dir():
        click.echo(f"{store} holds no artifacts")
        return
    with locked(store):
        found = list(stored(store))
        if everything:
            chosen = found
        elif limit is not None:
            chosen = too_much(found, limit)
        else:
            assert age is not None, "one of the three is given"
            chosen = [artifact for artifact in found if artifact.used < time.time() - age]
        freed = sum(artifact.bytes for artifact in chosen) if dry_run else evict(chosen)
    verb = "would delete" if dry_run else "deleted"
    left = sum(artifact.bytes for artifact in found) - freed
    click.echo(f"{verb} {len(chosen)} of {len(found)} artifacts, {written_size(freed)}; {written_size(left)} stay")
