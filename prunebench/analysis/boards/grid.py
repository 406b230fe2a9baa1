"""Tasks at densities, and the cells of methods and arms there."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from prunebench.analysis.tradeoff import Cells
from prunebench.records.overrides import comparable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prunebench.analysis.results import Results
    from prunebench.records.schema import Record

UNTOUCHED = ""
"""What the label `reference` calls the ticket that no arm has changed."""
NOT_YET = "not measured yet"
"""Why an arm has no repetition: none of its cells has a record."""
_EMPTY = Cells(None, {})


@dataclass(frozen=True)
class Place:
    """One task at one density."""

    model: str
    dataset: str
    recipe: str | None
    density: float | None
    scale: str
    cells: Mapping[tuple[str, str | None], Cells] = field(repr=False)
    """By method and arm, in the order of the plan."""

    @property
    def title(self) -> str:
        """Task, density, and whether these are the suite's own cells."""
        parts = [self.model, self.dataset, self.recipe]
        if self.density is not None:
            parts.append(f"density {self.density:g}")
        if not comparable(self.scale):
            parts.append(f"compares with no others: {self.scale}")
        return " · ".join(part for part in parts if part)

    @property
    def task(self) -> tuple[str, str, str | None, str]:
        """Model, dataset, recipe and scale."""
        return self.model, self.dataset, self.recipe, self.scale

    @cached_property
    def methods(self) -> Mapping[str, Cells]:
        """Those without arm."""
        return {method: cells for (method, arm), cells in self.cells.items() if arm is None}

    def of(self, method: str, arm: str | None) -> Cells:
        """The repetitions of a method's arm; none if it is not planned."""
        return self.cells.get((method, arm), _EMPTY)

    def arms(self) -> list[tuple[str, str]]:
        """Methods and their arms, in the order of the plan, those of a method together."""
        methods = dict.fromkeys(method for method, _ in self.cells)
        return [(own, arm) for own in methods for method, arm in self.cells if method == own and arm is not None]


def places(suite: str, results: Results) -> list[Place]:
    """Every task and density of a suite, in the order of the plan."""
    return results.once(("places", suite), lambda: _places(suite, results))


def _places(suite: str, results: Results) -> list[Place]:
    records = results.by_row
    found: dict[
        tuple[str, str, str | None, float | None, str, str], dict[tuple[str, str | None], dict[int, Record | None]]
    ]
    found = defaultdict(lambda: defaultdict(dict))
    for row in results.rows:
        if row.suite == suite:
            group = found[*row.task, row.density, row.scale, row.check]
            group[row.method, row.arm][row.repetition] = records.get(row)
    return [
        Place(model, dataset, recipe, density, scale, {key: Cells(recipe, cells) for key, cells in group.items()})
        for (model, dataset, recipe, density, scale, _), group in found.items()
    ]


def absent(cells: Cells) -> str:
    """Why none of the repetitions has an outcome."""
    records = [record for record in cells.records.values() if record is not None]
    if not records:
        return NOT_YET if cells.records else "not in this run"
    reasons = dict.fromkeys(record.reason for record in records if record.status == "skipped" and record.reason)
    if reasons:
        return f"skipped: {'; '.join(reasons)}"
    return ", ".join(dict.fromkeys(record.status for record in records))
