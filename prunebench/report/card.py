"""One method against the field, from the records of some runs."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from prunebench.analysis.boards.sections import parts
from prunebench.analysis.boards.specs import method_name
from prunebench.analysis.lint.report import lint, sentence
from prunebench.analysis.lint.sheet import of_results
from prunebench.analysis.results import load_results, run_folders
from prunebench.analysis.tables import Table, one_line
from prunebench.errors import SpecError, StoreError, UnknownNameError, suggestion
from prunebench.records.reader import read_plan
from prunebench.records.sources import source_of
from prunebench.registry import NEEDS
from prunebench.report.charts.fields import fields
from prunebench.report.families import FAMILIES, entry_of, family_of
from prunebench.report.field import field_table, standings
from prunebench.report.headings import HEADINGS
from prunebench.report.looks import looks_of
from prunebench.report.markdown import head
from prunebench.report.outcomes import failures
from prunebench.report.page import rendered, title
from prunebench.report.places import distinct
from prunebench.report.scope import of_methods, of_places, of_suite
from prunebench.report.spent import cost_table
from prunebench.report.views import view, views
from prunebench.spec import Spec, written

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from prunebench.analysis.results import Results
    from prunebench.registry import Entry
    from prunebench.report.charts.base import Chart

_RANKED = frozenset({"leaderboard", "curves", "ranks"})
"""Sections whose tables stand in the order of merit."""


@dataclass(frozen=True, slots=True)
class Chapter:
    """A part of a card."""

    title: str
    tables: tuple[Table, ...]
    charts: tuple[Chart, ...] = ()
    note: str = ""


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of a method."""

    title: str
    summary: str
    variants: tuple[str, ...]
    """Specs of it in the records."""
    chapters: tuple[Chapter, ...]

    @property
    def tables(self) -> list[Table]:
        """All of them, in order, with the titles of their chapters, and at the end the notes: a text for itself."""
        found = [
            replace(table, caption=" · ".join(part for part in (chapter.title, table.caption) if part))
            for chapter in self.chapters
            for table in chapter.tables
        ]
        notes = tuple((chapter.title, chapter.note) for chapter in self.chapters if chapter.note)
        return [*found, *([Table("the runs", ("part", "what it is made of"), notes, whole=True)] if notes else [])]


def card(method: str, runs: Sequence[Results]) -> Card:
    """The card of a method: of one spec, or of all with that name where no parameters are given.

    Raises:
        UnknownNameError: no run has a record of it; the message suggests the nearest that there is.
    """
    every = sorted({row.method for results in runs for row in results.rows})
    mine = variants(method, every)
    if not mine:
        known = {*every, *(_name(spec) for spec in every)}
        where = f"run{'s' * (len(runs) != 1)} {', '.join(results.run_id for results in runs)}" if runs else "the store"
        raise UnknownNameError(f"no record of method {one_line(method)!r} in {where}{suggestion(method, known)}")
    entry = entry_of(mine[0])
    chapters = [Chapter("What it is", (_about(entry, mine), *_parameters(entry)))]
    for results in distinct(runs):
        for suite in results.suites:
            scoped = of_suite(results, suite)
            if any(row.method in mine for row in scoped.rows):
                chapters += _of_run(scoped, suite, mine)
    return Card(one_line(method), entry.summary if entry else "", tuple(mine), tuple(chapters))


def variants(method: str, every: Sequence[str]) -> list[str]:
    """The specs that a name stands for, or that one spec, of those that there are."""
    exact = {method, method_name(method)} & set(every)
    return sorted(exact | {spec for spec in every if _name(spec) == method})


def recent(store: Path, method: str) -> list[Results]:
    """The latest run of every suite and scale that has a method planned.

    Raises:
        UnknownNameError: no run of the store has; the message suggests the nearest that there is.
    """
    seen: set[tuple[str, str]] = set()
    every: set[str] = set()
    found = []
    for folder in reversed(list(run_folders(store))):
        try:
            plan = read_plan(source_of(folder))
            rows = {(plain["suite"], str(plain["scale"]), plain["method"]) for plain in plan["rows"]}
        except (StoreError, KeyError, TypeError):
            continue  # what cannot be read has no records to show; `list runs` names it
        every |= {spec for _, _, spec in rows}
        mine = set(variants(method, sorted({spec for _, _, spec in rows})))
        places = {(suite, scale) for suite, scale, spec in rows if spec in mine}
        if new := places - seen:
            seen |= places
            found.append(of_places(load_results(folder), new))
    if not found:
        known = {*every, *(_name(spec) for spec in every)}
        raise UnknownNameError(f"no record of method {one_line(method)!r} in {store}{suggestion(method, known)}")
    return sorted(found, key=lambda results: (results.suites, str(results.plan["scale"])))


def page_of(found: Card) -> str:
    """The card as a page of its own."""
    known = looks_of(found.variants)
    return rendered(
        "card.html",
        title=found.title,
        card=found,
        family=FAMILIES[family_of(found.variants[0])],
        chapters=[
            {
                "id": f"part-{n}",
                "title": chapter.title,
                "note": chapter.note,
                "tables": views(f"part-{n}", chapter.tables, known),
                "figures": [
                    {"chart": chart, "numbers": view(chart.table, f"{chart.name}-numbers", known)}
                    for chart in chapter.charts
                ],
                "legend": tuple(dict(pair for table in chapter.tables for pair in table.legend).items()),
            }
            for n, chapter in enumerate(found.chapters, 1)
        ],
    )


def _of_run(results: Results, suite: str, mine: Sequence[str]) -> list[Chapter]:
    """The chapters of one suite of one run."""
    name = title(results)
    run_parts = parts(results)
    presentation = run_parts[0].presentation if run_parts else None
    found = []
    if presentation is not None and (standing := standings(suite, presentation, results, mine)):
        metric = presentation.curve.metric if presentation.curve else presentation.primary.metric
        charts = fields(name, standing, metric, looks_of(mine)) if presentation.curve else []
        found.append(Chapter(f"{name}: against the field", (field_table(standing, metric),), tuple(charts)))
    for part in run_parts:
        tables = [own for table in part.tables if (own := _own(table, mine, part.section in _RANKED)).rows]
        if tables:
            found.append(Chapter(f"{name}: {HEADINGS[part.section][0].lower()}", tuple(tables)))
    failed = failures(of_methods(results, mine))
    tables = [table for table in (cost_table(results, mine), failed) if table.rows]
    note = "; ".join([*head(results), sentence(lint(of_results(results)), results.run_id)])
    found.append(Chapter(f"{name}: cost and failures", tuple(tables), note=note))
    return found


def _own(table: Table, mine: Sequence[str], ranked: bool) -> Table:
    """Those rows of a table that are about some methods, with their places where they stand in order."""
    kept = [n for n, method in enumerate(table.methods) if method in mine]
    rows = [table.rows[n] for n in kept]
    numeric = table.numeric or (False,) * len(table.headers)
    holes = tuple(table.holes[n] for n in kept) if table.holes else ()
    if not ranked:
        return replace(table, rows=tuple(rows), methods=tuple(table.methods[n] for n in kept), holes=holes)
    return replace(
        table,
        headers=(table.headers[0], "place", *table.headers[1:]),
        rows=tuple((row[0], f"{n + 1} of {len(table.rows)}", *row[1:]) for n, row in zip(kept, rows, strict=True)),
        numeric=(numeric[0], True, *numeric[1:]),
        methods=tuple(table.methods[n] for n in kept),
        holes=holes,
    )


def _about(entry: Entry | None, mine: Sequence[str]) -> Table:
    told = {
        "kind": FAMILIES[family_of(mine[0])],
        "summary": entry.summary if entry else "",
        "paper": entry.paper if entry else "",
        "needs": ", ".join(word for word in NEEDS if entry and word in entry.capabilities),
        "traits": ", ".join(word for word in (entry.capabilities if entry else ()) if word not in NEEDS),
        "notes": entry.notes if entry else "",
        "in the records": ", ".join(mine),
    }
    return Table("", ("field", "value"), tuple((k, v) for k, v in told.items() if v), whole=True)


def _parameters(entry: Entry | None) -> list[Table]:
    if entry is None or not entry.parameters:
        return []
    rows = tuple((p.name, written(p.default), " or ".join([*p.types, *p.choices])) for p in entry.parameters)
    return [Table("parameters", ("name", "default", "values"), rows, whole=True)]


def _name(spec: str) -> str:
    try:
        return Spec.parse(spec).name
    except SpecError:
        return spec
