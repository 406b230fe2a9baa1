"""The files of a report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.analysis.boards.sections import parts
from prunebench.analysis.export import pieces
from prunebench.analysis.tables import Table, one_line, render
from prunebench.analysis.uncollected import uncollected
from prunebench.errors import StoreError
from prunebench.harness.files import write_whole
from prunebench.report.charts.alone import alone
from prunebench.report.charts.sections import charts
from prunebench.report.markdown import markdown
from prunebench.report.page import facts, page, question, rendered, sections, statuses, title
from prunebench.report.places import distinct, stems
from prunebench.report.scope import of_suite

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from prunebench.analysis.results import Results
    from prunebench.report.charts.base import Chart

FORMATS = ("html", "md", "csv", "json")
"""The page, its tables, the records with a line a cell, the records with their series."""
CHARTS = "svg"
"""What has a file a chart, and is made only where it is asked for."""
_MARK = "<!-- A list of reports, made by `prunebench report`. -->"
_GENERATOR = '<meta name="generator" content="prunebench">'


def write_report(runs: Sequence[Results], folder: Path, formats: Sequence[str] = FORMATS) -> list[Path]:
    """Write `SUITE.SCALE.FORMAT` of every suite of some runs, and a list of them where they are several.

    With `svg` among the formats, also `SUITE.SCALE.CHART.svg` of every chart, in the colours of both themes. Files of
    those names are replaced, others are left alone, and so is a list, `index.html` or `README.md`, that something else
    has made. One content is one file to the byte.

    Runs that are the same are written once; others that have one id are numbered.

    Raises:
        StoreError: the folder cannot be written.
    """
    asked, formats = formats, [known for known in FORMATS if known in formats]
    suites = [(results, suite) for results in distinct(runs) for suite in results.suites]
    scoped = [of_suite(results, suite) for results, suite in suites]
    names = stems(suites)
    written: list[Path] = []
    for results, name in zip(scoped, names, strict=True):
        with uncollected():
            written += _files(results, folder / name, formats)
        if CHARTS in asked:
            written += [_written(folder / f"{name}.{chart.name}.svg", alone(chart).encode()) for chart in _all(results)]
    if len(suites) > 1 and "html" in formats and _free(folder / "index.html", _GENERATOR):
        written.append(_written(folder / "index.html", _index(scoped, names, formats)))
    if len(suites) > 1 and "md" in formats and _free(folder / "README.md", _MARK):
        written.append(_written(folder / "README.md", _readme(scoped, names, formats)))
    return written


def _files(results: Results, stem: Path, formats: Sequence[str]) -> list[Path]:
    """The page last: its charts are drawn while the others are written."""
    if "html" in formats:
        sections(results)
    made: dict[str, Path] = {}
    for kind in sorted(formats, key="html".__eq__):
        beside = [f"{stem.name}.{other}" for other in formats if other != kind]
        made[kind] = _written(stem.with_name(f"{stem.name}.{kind}"), _content(results, kind, beside))
    return [made[kind] for kind in formats]


def _free(path: Path, mark: str) -> bool:
    """Whether a list may be written there: a README.md that somebody wrote is not to be lost."""
    try:
        return mark in path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return True
    except (OSError, ValueError):
        return False


def _all(results: Results) -> list[Chart]:
    return [chart for part in parts(results) for chart in charts(part.suite, part.section, part.presentation, results)]


def _content(results: Results, kind: str, beside: Sequence[str]) -> bytes | Iterable[bytes]:
    if kind == "html":
        return page(results, beside).encode()
    return markdown(results).encode() if kind == "md" else pieces(results, kind)


def _index(runs: Sequence[Results], names: Sequence[str], formats: Sequence[str]) -> bytes:
    listed = [
        {
            "name": title(run),
            "question": question(run),
            "run": one_line(run.run_id),
            "facts": facts(run),
            "statuses": statuses(run),
            "files": [(kind, f"{name}.{kind}") for kind in formats],
        }
        for run, name in zip(runs, names, strict=True)
    ]
    return rendered("index.html", title="Reports", reports=listed).encode()


def _readme(runs: Sequence[Results], names: Sequence[str], formats: Sequence[str]) -> bytes:
    """Links are written as they are: names of files need no escape, and `render` would escape them."""
    rows = [
        (question(run), run.run_id, ", ".join(facts(run)), _said(run)) for run in runs
    ]  # fmt: skip
    table = render([Table("", ("question", "run", "size", "cells"), tuple(rows))], "md").splitlines()
    links = [" ".join(f"[{kind}]({name}.{kind})" for kind in formats) for name in names]
    lines = [f"| {name} | {link} {row}" for name, link, row in zip(names, links, table[2:], strict=True)]
    return "\n".join(
        [_MARK, "# Reports", "", f"| report | files {table[0]}", f"|:---|:---{table[1]}", *lines, ""]
    ).encode()


def _said(results: Results) -> str:
    return ", ".join(f"{count} {name}" for _, count, name in statuses(results))


def _written(path: Path, content: bytes | Iterable[bytes]) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror or error}") from error
    return path
