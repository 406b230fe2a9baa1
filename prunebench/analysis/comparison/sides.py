"""The two sides of a comparison: records of a run or of a baseline, with what made them."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from prunebench.analysis.results import Results
from prunebench.errors import StoreError
from prunebench.records.baseline import Task, digests
from prunebench.records.origin import Origin
from prunebench.records.presentation import Presentation
from prunebench.records.selection import Selection

if TYPE_CHECKING:
    from collections.abc import Mapping

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
    absent: str = ""
    """Why there are no records, where there should be."""

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

    def about(self, suite: str) -> dict[str, Any]:
        """What the plan says of a suite.

        Raises:
            StoreError: nothing.
        """
        for found in self.results.plan["suites"]:
            if found["name"] == suite:
                return dict(found)
        raise StoreError(f"{self.name} has cells of suite {suite!r} and does not say what that is")

    def presentation(self, suite: str) -> Presentation:
        """What a suite shows, and how much is too much.

        Raises:
            StoreError: damaged.
        """
        try:
            return Presentation.model_validate(self.about(suite).get("presentation"))
        except ValidationError as error:
            fault = error.errors(include_url=False, include_context=False)[0]
            place = ".".join(["presentation", *map(str, fault["loc"])])
            raise StoreError(f"{self.name}, suite {suite!r}: {place}: {fault['msg']}") from error

    def on_purpose(self, suite: str, group: Group, cell: Cell) -> bool:
        """Whether the user left out a cell of a suite."""
        return self._selection.left_out(suite, *group, *cell)

    @cached_property
    def _selection(self) -> Selection:
        return Selection.of(self.results.plan)


def of_run(results: Results) -> Side:
    """A run as a side."""
    return Side(f"run {results.run_id}", results, origin_of(results), digests(results.records))


def nothing(name: str, why: str) -> Side:
    """A side that should be there and is not."""
    return Side(name, Results(Path(name), {"run": name, "suites": [], "rows": []}, ()), Origin(), {}, why)


def of_baseline(baseline: Baseline, results: Results) -> Side:
    """A baseline as a side, with its records as results."""
    return Side(f"baseline {baseline.suite}.{baseline.scale}", results, baseline.origin, baseline.digests)


def origin_of(results: Results) -> Origin:
    """What made the records of a run."""
    named = {record.provenance for record in results.records}
    passes = [found for key, found in results.provenance.items() if key in named]
    return Origin.of(results.run_id, results.plan.get("environment", {}), passes)
