"""`prunebench show`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from prunebench.analysis.tables import Table, render
from prunebench.cli.completion import completing, things
from prunebench.cli.options import common, format_option, option, plugin_option, store_option, terminal_width
from prunebench.errors import UnknownNameError, suggestion

if TYPE_CHECKING:
    from pathlib import Path

    from prunebench.analysis.results import Results
    from prunebench.registry import Entry


@click.command("show")
@click.argument("name", metavar="NAME|RUN", shell_complete=completing(things))
@option("--cells", is_flag=True, help="Of a run: every cell with its status and metrics.")
@option("--errors", is_flag=True, help="Of a run: tracebacks and output of what failed.")
@plugin_option
@store_option
@format_option
@common
def command(name: str, cells: bool, errors: bool, plugins: tuple[str, ...], store: Path, format_: str) -> None:
    """One thing in full: a method, model, dataset, recipe, suite, metric, check, or a run.

    A run is named by the beginning of its id, `latest`, its folder, or an archive of that.
    """
    from prunebench import plugins as ways_in

    ways_in.ready(plugins)
    tables = _described(name)
    if tables is None:
        from prunebench.analysis.boards.sections import sections

        results = _results(name, store)
        tables = [*sections(results), *_outcome(results), _lint(results), *([_cells(results)] if cells else [])]
        if errors:
            _explain(results)
    click.echo(render(tables, format_, terminal_width()), nl=False)


def _explain(results: Results) -> None:
    """Tracebacks and output, on standard error: they are no table."""
    for first, *_ in results.failures():
        error = first.error
        assert error is not None, "a failure has an error"
        click.echo(f"{first.status}: {first.row}: step {error.step}: {error}", err=True)
        click.echo(f"{error.traceback}{error.output}", err=True)


def _described(name: str) -> list[Table] | None:
    """The tables of a named thing; a suite comes before a check of the same name."""
    from prunebench.records.metrics import METRICS
    from prunebench.records.places import suite_folder
    from prunebench.registry import REGISTRIES

    if name.endswith(".toml") or (suite_folder() / f"{name}.toml").is_file():
        return _suite(name)
    if name in METRICS:
        m = METRICS[name]
        about = {"name": name, "unit": m.unit or "–", "better": m.direction, "gate": m.gate, "is": m.definition}
        return [_pairs("metric", about)]
    return [table for r in REGISTRIES.values() if name in r.entries for table in _entry(r.entry(name))] or None


def _pairs(caption: str, pairs: dict[str, str]) -> Table:
    return Table(caption, ("field", "value"), tuple(pairs.items()), whole=True)


def _entry(entry: Entry) -> list[Table]:
    from prunebench.registry import ARMS, NEEDS
    from prunebench.spec import written

    about = {
        "name": entry.name,
        "what": entry.summary,
        "paper": entry.paper,
        "needs": ", ".join(word for word in NEEDS if word in entry.capabilities),
        "stage" if entry.kind == ARMS.kind else "traits": ", ".join(w for w in entry.capabilities if w not in NEEDS),
        "notes": entry.notes,
        "origin": entry.target,
    }
    rows = [
        (
            p.name,
            written(p.default),
            f"a {p.names}" if p.names else " or ".join([*p.types, *p.choices]),
            "" if p.minimum is None else f"{p.minimum:g}",
        )
        for p in entry.parameters
    ]
    parameters = Table("parameters", ("name", "default", "values", "at least"), tuple(rows), whole=True)
    return [_pairs(entry.kind, {k: v for k, v in about.items() if v}), *([parameters] if rows else [])]


def _suite(name: str) -> list[Table]:
    from prunebench.records.suite import load_suite

    suite = load_suite(name)
    about = {
        "name": suite.name,
        "version": str(suite.version),
        "question": suite.question,
        "primary metric": f"{suite.primary.metric}, tolerance {suite.primary.tolerance:g}",
    }
    scales = [(scale, str(s.seeds), f"{s.minutes:g}", s.about) for scale, s in suite.scale.items()]
    columns = ("models", "datasets", "recipes", "methods", "arms", "densities")
    rows = [
        (scale, *(" ".join(map(str, getattr(grid, name))) for name in columns),
         " ".join([*(["always"] if grid.always else []), *grid.families]))
        for scale, found in suite.scale.items()
        for grid in found.grid
    ]  # fmt: skip
    shown = [i for i, column in enumerate(zip(*rows, strict=True)) if any(column)]
    headers = ("scale", *columns, "tickets")
    grids = [tuple(row[i] for i in shown) for row in rows]
    return [
        _pairs("suite", about),
        Table("scales", ("scale", "seeds", "minutes", "about"), tuple(scales), whole=True),
        Table("grids", tuple(headers[i] for i in shown), tuple(grids), whole=True),
    ]


def _results(name: str, store: Path) -> Results:
    from prunebench.analysis.results import open_run
    from prunebench.records.metrics import METRICS
    from prunebench.records.places import suite_folder
    from prunebench.registry import REGISTRIES

    try:
        return open_run(store, name)
    except UnknownNameError:
        if name == "latest":
            raise
        known = {name for registry in REGISTRIES.values() for name in registry.entries}
        known |= {*METRICS, *(path.stem for path in suite_folder().glob("*.toml"))}
        hint = suggestion(name, known)
        raise UnknownNameError(
            f"{name!r} names no method, model, dataset, recipe, suite, metric or check, and no run in {store}"
            + (hint if "mean" in hint else "; see `prunebench list`")
        ) from None


def _outcome(results: Results) -> list[Table]:
    """Statuses, and what failed."""
    failures = [
        (str(first.row), str(1 + len(others)), first.status, str(first.error)) for first, *others in results.failures()
    ]
    table = Table("failures", ("first cell", "cells", "status", "error"), tuple(failures), (False, True, False, False))
    return [_status(results), *([table] if failures else [])]


def _status(results: Results) -> Table:
    from prunebench.records.overrides import comparable

    pairs = {status: str(count) for status, count in sorted(results.statuses().items())}
    scale = str(results.plan["scale"])
    mark = "" if comparable(scale) else f", compares with no others: {scale}"
    return Table(f"run {results.run_id}{mark}", ("status", "cells"), tuple(pairs.items()), (False, True))


def _lint(results: Results) -> Table:
    """What the run lacks by the literature's checklists, in short."""
    from prunebench.analysis.lint.report import brief, lint
    from prunebench.analysis.lint.sheet import of_results

    return brief(lint(of_results(results)), results.run_id)


def _cells(results: Results) -> Table:
    rows: list[tuple[str, ...]] = []
    for record in results.records:
        metrics = " ".join(f"{k}={'–' if v is None else f'{v:g}'}" for k, v in record.metrics.items())
        rows.append((str(record.row), record.status, record.reason or metrics))
    rows += [(str(row), "missing", "") for row in results.missing()]
    return Table("cells", ("cell", "status", "metrics"), tuple(rows))
