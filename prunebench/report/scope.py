"""The part of a run that one suite, or some methods, are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from prunebench.analysis.results import Results
    from prunebench.records.schema import Row


def of_suite(results: Results, suite: str) -> Results:
    """The run as if it had been of that suite alone."""
    return results if results.suites == [suite] else _part(results, lambda row: row.suite == suite, {suite})


def of_places(results: Results, places: Collection[tuple[str, str]]) -> Results:
    """The run as if it had been of those suites and scales alone."""
    return _part(results, lambda row: (row.suite, row.scale) in places, {suite for suite, _ in places})


def of_methods(results: Results, methods: Collection[str]) -> Results:
    """Plan and records of some methods; nothing that compares methods can be read off it."""
    return _part(results, lambda row: row.method in methods, set(results.suites))


def _part(results: Results, wanted: Callable[[Row], bool], suites: Collection[str]) -> Results:
    plan = {**results.plan, "suites": [plain for plain in results.plan["suites"] if plain["name"] in suites]}
    rows = [row for row in results.rows if wanted(row)]
    return replace(results, plan=plan, planned=rows, records=tuple(r for r in results.records if wanted(r.row)))
