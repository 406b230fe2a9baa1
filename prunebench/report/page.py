"""One self-contained HTML page for one suite of one run."""

from __future__ import annotations

import base64
import hashlib
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from prunebench.analysis.boards.sections import parts
from prunebench.analysis.lint.report import detailed, lacking, lint
from prunebench.analysis.lint.sheet import of_results
from prunebench.analysis.tables import one_line
from prunebench.records.overrides import comparable
from prunebench.report.charts.sections import charts
from prunebench.report.families import FAMILIES, family_of
from prunebench.report.headings import HEADINGS
from prunebench.report.looks import looks, swatch
from prunebench.report.outcomes import failures, skipped
from prunebench.report.views import MOST, View, room, view, views

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from jinja2 import Environment

    from prunebench.analysis.boards.sections import Part
    from prunebench.analysis.results import Results
    from prunebench.report.charts.base import Chart
    from prunebench.report.looks import Look

_STYLES = ("charts.css", "page.css")
_SCRIPT = "page.js"
_LONGEST = 2000
"""Characters of a text."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A chart of a page, and its numbers."""

    chart: Chart
    numbers: View


@dataclass(frozen=True, slots=True)
class Block:
    """A table, and the charts of the same task."""

    table: View
    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """A section of a page."""

    id: str
    title: str
    asks: str
    blocks: tuple[Block, ...]
    legend: tuple[tuple[str, str], ...]
    """What headers mean, of all its tables."""
    left: str
    """What there is no room for, in words; empty where all is there."""


@dataclass(frozen=True, slots=True)
class Method:
    """A method of a page, for its legend."""

    index: int
    spec: str
    family: str
    swatch: Markup


def page(results: Results, files: Sequence[str] = ()) -> str:
    """The page of a run of one suite, with links to files beside it."""
    (suite,) = results.plan["suites"]
    scale = one_line(results.plan["scale"], _LONGEST)
    known = looks(results)
    found = sections(results)
    sheet = of_results(results)
    findings = lint(sheet)
    return rendered(
        "page.html",
        title=f"{one_line(suite['name'])} · {scale}",
        suite={"name": one_line(suite["name"]), "version": suite["version"], "question": question(results)},
        run=one_line(results.run_id),
        scale=scale,
        comparable=comparable(results.plan["scale"]),
        selection=selection(results),
        facts=facts(results),
        statuses=statuses(results),
        alarms=[block.table for part in found for block in part.blocks if block.table.alarm],
        parts_shown=found,
        methods=methods(known),
        families=_families(known),
        datasets=sorted({one_line(name, _LONGEST) for name in {row.dataset for row in results.rows}}),
        failures=view(failures(results), "failed-cells", known),
        skipped=view(skipped(results), "skipped-cells", known),
        lint=views("lint", detailed(sheet, findings), known),
        lacking=lacking(findings),
        provenance=provenance(results),
        files=files,
    )


def sections(results: Results) -> list[Shown]:
    """The sections of the page of a run, made once: from then on their charts are being drawn."""
    known = looks(results)
    return results.once("sections of a page", lambda: [_shown(part, results, known) for part in parts(results)])


def rendered(template: str, **context: Any) -> str:
    """A page with its style and script inside, which alone its security policy admits."""
    style = "\n".join(_text(name) for name in _STYLES)
    script = _text(_SCRIPT)
    return (
        _templates()
        .get_template(template)
        .render(
            style=Markup(style),
            script=Markup(script),
            style_hash=_digest(style),
            script_hash=_digest(script),
            **context,
        )
    )


def facts(results: Results) -> list[str]:
    """How large a run is, in words."""
    rows = results.rows
    counts = (
        (len({row.method for row in rows}), "method"),
        (len({row.task for row in rows}), "task"),
        (len({row.repetition for row in rows}), "repetition"),
        (len(rows), "cell"),
    )
    return [f"{count:,}".replace(",", "\u202f") + f" {thing}{'s' * (count != 1)}" for count, thing in counts]


def statuses(results: Results) -> list[tuple[str, str, str]]:
    """Marks, counts and names of the statuses of a run, the good one first."""
    marks = {"ok": "✓", "skipped": "–", "failed": "✕", "timeout": "✕", "cancelled": "✕", "missing": "?"}
    found = results.statuses()
    return [(mark, f"{found[name]:,}".replace(",", "\u202f"), name) for name, mark in marks.items() if found[name]]


def methods(known: Mapping[str, Look]) -> list[Method]:
    """The legend, by sorted spec."""
    return [
        Method(look.index, one_line(spec, _LONGEST), family_of(spec), Markup(swatch(look)))
        for spec, look in known.items()
    ]


def provenance(results: Results) -> list[dict[str, str]]:
    """What is to be known about each start of a run, by the words of the page."""
    found = []
    for entry in results.provenance.values():
        git = entry.get("git") or {}
        environment = entry.get("environment") or {}
        libraries = entry.get("libraries") or {}
        told = {
            "started": entry.get("started"),
            "prunebench": entry.get("prunebench"),
            "commit": f"{git['commit']}{', with changes' if git.get('dirty') else ''}" if git.get("commit") else None,
            "Python": entry.get("python"),
            "platform": entry.get("platform"),
            "processor": entry.get("processor"),
            "libraries": ", ".join(f"{name} {version}" for name, version in libraries.items()),
            "numbers": ", ".join(f"{name} {value}" for name, value in environment.items() if name != "torch"),
            "plug-ins": ", ".join(entry.get("plugins") or ()),
            "command": entry.get("command"),
        }
        found.append({name: one_line(str(value), _LONGEST) for name, value in told.items() if value})
    return found


def blocks(part: Part, results: Results, known: Mapping[str, Look]) -> tuple[Block, ...]:
    """The first tables of a section, each with the charts that are about its task, and those that are an alarm.

    The title of a chart ends with that of its task, as captions do; a chart of no one task stands by the first table.
    """
    tables = part.tables
    places = [n for n, table in enumerate(tables) if n < room(tables) or table.alarm]
    titles = [one_line(table.caption, _LONGEST).partition(" — ")[0] for table in tables]
    beside: dict[int, list[Figure]] = defaultdict(list)
    for chart in charts(part.suite, part.section, part.presentation, results):
        task = re.sub(r" \(\d+ of \d+\)$", "", chart.title.partition(" · ")[2])
        place = next((n for n, title in enumerate(titles) if task and title.endswith(task)), 0)
        if place in places:
            numbers = view(chart.table, f"{chart.name}-numbers", known)
            beside[place].append(Figure(chart, numbers))
    shown = views(part.section, tables, known, places)
    return tuple(Block(table, tuple(beside[n])) for n, table in zip(places, shown, strict=True))


def legend(part: Part) -> tuple[tuple[str, str], ...]:
    """What the headers of a section mean, each once."""
    return tuple(dict(pair for table in part.tables for pair in table.legend).items())


def _shown(part: Part, results: Results, known: Mapping[str, Look]) -> Shown:
    title, asks = HEADINGS[part.section]
    found = blocks(part, results, known)
    return Shown(part.section, title, asks, found, legend(part), _left(part, found))


def _left(part: Part, found: Sequence[Block]) -> str:
    tables = len(part.tables) - len(found)
    if not tables:
        return ""
    rows = sum(len(table.rows) for table in part.tables) - sum(len(block.table.lines) for block in found)
    more = f"{tables} more table{'s' * (tables != 1)} of {rows} row{'s' * (rows != 1)}"
    return (
        f"A page has room for {MOST} rows of a section. It leaves out {more}, and their charts; the Markdown has all."
    )


def _families(known: Mapping[str, Look]) -> list[tuple[str, str, int]]:
    counts = Counter(family_of(spec) for spec in known)
    return [(name, words, counts[name]) for name, words in FAMILIES.items() if counts[name]]


def selection(results: Results) -> list[str]:
    """What the user left out of the suite, in words."""
    chosen = results.plan.get("selection") or {}
    found = []
    if chosen.get("methods"):
        found.append(f"methods given by hand: {', '.join(chosen['methods'])}")
    if chosen.get("seeds") is not None:
        found.append(f"repetitions given by hand: {chosen['seeds']}")
    if chosen.get("set"):
        found.append(f"settings given by hand: {', '.join(chosen['set'])}")
    return [one_line(text, _LONGEST) for text in found]


def title(results: Results) -> str:
    """Suite and scale of a run of one suite."""
    return one_line(f"{results.suites[0]} {results.plan['scale']}", _LONGEST)


def question(results: Results) -> str:
    """What the suite of a run of one suite asks."""
    return one_line(results.plan["suites"][0].get("question", ""), _LONGEST)


@cache
def _templates() -> Environment:
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader("prunebench.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


@cache
def _text(name: str) -> str:
    from importlib.resources import files

    return files("prunebench.report").joinpath("templates", name).read_text(encoding="utf-8").strip()


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
