"""The part of a run that one suite, or some methods, are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from prunebench.analysis.results import Results


def of_suite(results: Results, suite: str) -> Results:
    """The run as if it had been of that suite alone."""
    if results.suites == [suite]:
        return results
    plan = {
        **results.plan,
        "suites": [plain for plain in results.plan["suites"] if plain["name"] == suite],
        "rows": [plain for plain in results.plan["rows"] if plain["suite"] == suite],
    }
    return replace(results, plan=plan, records=tuple(r for r in results.records if r.row.suite == suite))


def of_places(results: Results, places: Collection[tuple[str, str]]) -> Results:
    """The run as if it had been of those suites and scales alone."""
    suites = {suite for suite, _ in places}
    plan = {
        **results.plan,
        "suites": [plain for plain in results.plan["suites"] if plain["name"] in suites],
        "rows": [plain for plain in results.plan["rows"] if (plain["suite"], plain["scale"]) in places],
    }
    records = tuple(record for record in results.records if (record.row.suite, record.row.scale) in places)
    return replace(results, plan=plan, records=records)


def of_methods(results: Results, methods: Collection[str]) -> Results:
    """Plan and records of some methods; nothing that compares methods can be read off it."""
    plan = {**results.plan, "rows": [plain for plain in results.plan["rows"] if plain["method"] in methods]}
    return replace(results, plan=plan, records=tuple(r for r in results.records if r.row.method in methods))
