"""The two sides of a comparison: records of a run or of a baseline, with what made them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from prunebench.records.baseline import Task, digests
from prunebench.records.origin import Origin

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prunebench.analysis.results import Results
    from prunebench.records.baseline import Baseline
    from prunebench.records.schema import Record

Group = tuple[Task, str, str | None]
"""Task, method, arm."""
Cell = tuple[float | None, int]
"""Density, repetition."""


@dataclass(frozen=True)
class Side:
    """Records, where they come from, and digests of the code and the arguments behind them."""

    name: str
    results: Results
    origin: Origin
    digests: Mapping[tuple[Task, str], tuple[str | None, ...]]
    """One a repetition, by task and method."""

    @cached_property
    def records(self) -> Mapping[str, Mapping[Group, Mapping[Cell, Record | None]]]:
        """By suite, group and cell, in the order of the plan; None where a planned cell has no outcome yet."""
        known = {record.row: record for record in self.results.records if record.status != "cancelled"}
        found: dict[str, dict[Group, dict[Cell, Record | None]]] = defaultdict(lambda: defaultdict(dict))
        for row in self.results.rows:
            task = row.check, row.model, row.dataset, row.recipe
            found[row.suite][task, row.method, row.arm][row.density, row.repetition] = known.get(row)
        return found

    def scale(self, suite: str) -> str:
        """Of a suite's rows, with what `--set` changed of it."""
        return next(row.scale for row in self.results.rows if row.suite == suite)

    def on_purpose(self, suite: str, method: str, repetition: int) -> bool:
        """Whether the user left out a repetition of a method of a suite."""
        selection = self.results.plan.get("selection") or {}
        seeds, chosen = selection.get("seeds"), selection.get("methods") or []
        if seeds is not None and repetition >= seeds:
            return True
        return any(not text.startswith("+") for text in chosen) and method not in self._methods[suite]

    @cached_property
    def _methods(self) -> Mapping[str, set[str]]:
        found: dict[str, set[str]] = defaultdict(set)
        for row in self.results.rows:
            found[row.suite].add(row.method)
        return found


def of_run(results: Results) -> Side:
    """A run as a side."""
    return Side(f"run {results.run_id}", results, origin_of(results), digests(results.records))


def of_baseline(baseline: Baseline, results: Results) -> Side:
    """A baseline as a side, with its records as results."""
    return Side(f"baseline {baseline.suite}.{baseline.scale}", results, baseline.origin, baseline.digests)


def origin_of(results: Results) -> Origin:
    """What made the records of a run."""
    named = {record.provenance for record in results.records}
    passes = [found for key, found in results.provenance.items() if key in named]
    return Origin.of(results.run_id, results.plan.get("environment", {}), passes)
