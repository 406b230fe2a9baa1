"""Records of the check `tradeoff` as outcomes and curves: what its boards need of a task."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Literal

from prunebench.analysis.curves import OnePoint, Point, area, one_point
from prunebench.analysis.tuning import FINISHED, best_recipe
from prunebench.records.overrides import comparable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prunebench.analysis.results import Results
    from prunebench.records.presentation import Curve, Presentation
    from prunebench.records.schema import Record, Row

DENSE = "dense"
SAME_RATIOS = "same-ratios"
"""The arm of random masks with the method's own counts by layer."""

State = Literal["alive", "collapsed", "impossible", "missing"]


@dataclass(frozen=True)
class Cells:
    """Repetitions of one method, density and arm by one recipe."""

    recipe: str | None
    records: Mapping[int, Record | None]
    """By repetition; None where there is no record yet."""
    candidates: frozenset[str | None] = frozenset()
    """Recipes that it was chosen among."""

    @cached_property
    def states(self) -> Mapping[int, State]:
        """By repetition; see `state`."""
        return {n: _state(record) for n, record in self.records.items()}

    def state(self, repetition: int) -> State:
        """Alive; collapsed, where no path of kept weights is left; impossible, where skipped; else missing."""
        return self.states.get(repetition, "missing")

    def count(self, state: State) -> int:
        """Repetitions of that state."""
        return list(self.states.values()).count(state)

    def values(self, metric: str) -> Mapping[int, float]:
        """The metric of networks that are alive, by repetition: the same mapping every time."""
        if metric not in self._values:
            self._values[metric] = {n: value for n, m in self._alive if (value := m.get(metric)) is not None}
        return self._values[metric]

    @cached_property
    def _values(self) -> dict[str, dict[int, float]]:
        return {}

    @cached_property
    def _alive(self) -> Sequence[tuple[int, Mapping[str, float | None]]]:
        """Metrics of the networks that are alive."""
        return [(n, r.metrics) for n, r in self.records.items() if r is not None and self.states[n] == "alive"]


@dataclass(frozen=True)
class Task:
    """A model and dataset, by one recipe or by the best for each method, density and arm."""

    title: str
    dataset: str
    curve: Curve
    cells: Mapping[tuple[str, float | None, str | None], Cells]
    """By method, density (None where it is the outcome) and arm."""
    dense: Mapping[str | None, Cells]
    """The dense network by every recipe of the model and dataset."""
    best_dense: Cells | None
    """By the recipe with the best validation accuracy among them."""
    chance: float | None
    """100 / K; None where no network of the dataset tells how many classes K there are."""
    tuned: bool = False
    """Whether recipes are candidates."""

    @cached_property
    def densities(self) -> list[float]:
        """The grid, descending."""
        return sorted({density for _, density, _ in self.cells if density is not None}, reverse=True)

    @cached_property
    def arms(self) -> list[str | None]:
        """Arms that are methods of their own: all but the control."""
        return list(dict.fromkeys(arm for _, _, arm in self.cells if arm != SAME_RATIOS))

    def methods(self, arm: str | None) -> list[str]:
        """Methods with cells of an arm, in the order of the plan."""
        return list(dict.fromkeys(method for method, _, found in self.cells if found == arm))

    def of(self, method: str, arm: str | None) -> dict[float | None, Cells]:
        """Cells of a method by density, descending, None last."""
        return {d: self.cells[method, d, arm] for d in (*self.densities, None) if (method, d, arm) in self.cells}

    def at(self, method: str, arm: str | None, density: float | None) -> Cells | None:
        """Cells at a density, or at the method's own where that is its outcome."""
        return self.cells.get((method, density, arm)) or self.cells.get((method, None, arm))

    def areas(self, method: str) -> Mapping[int, float | None]:
        """Area by repetition, see `curves.area`. Compression 1 is the dense network by its best recipe."""
        if method not in self._areas:
            self._areas[method] = self._area_of(method)
        return self._areas[method]

    @cached_property
    def _areas(self) -> dict[str, Mapping[int, float | None]]:
        return {}

    def _area_of(self, method: str) -> Mapping[int, float | None]:
        low, high = self.curve.compressions
        found = self._sparse(method)
        start = {1.0: self.best_dense} if self.best_dense and 1.0 not in found else {}
        return {
            n: area([self._point(density, cells, n) for density, cells in {**start, **found}.items()], low, high)
            for n in _repetitions(found)
        }

    def one_point(self, method: str) -> OnePoint | None:
        """Where the mean curve falls the curve's `loss` below the dense network, see `curves.one_point`.

        A loss is against the dense network of the repetition: by its own best recipe where recipes are tuned, so that a
        recipe that does the dense network harm makes no method look good, else by the task's. Repetitions count in
        which every cell of the method has an outcome.
        """
        found = self._sparse(method)
        losses = [
            [loss for loss in row if loss is not None]
            for n in _repetitions(found)
            if None not in (row := [self._loss(density, cells, n) for density, cells in found.items()])
        ]
        return one_point([1 / density for density in found], losses, self.curve.loss)

    def candidates(self, method: str, arm: str | None) -> int:
        """Of how many recipes the one that counts was chosen: the fewest of any density."""
        return min(len(cells.candidates) for cells in self.of(method, arm).values())

    @cached_property
    def most_candidates(self) -> int:
        """Of any method, density and arm."""
        return max(len(cells.candidates) for cells in self.cells.values())

    def unfinished(self, method: str, arm: str | None) -> tuple[int, int]:
        """Cells without outcome, and all."""
        found = self.of(method, arm).values()
        return sum(cells.count("missing") for cells in found), sum(len(cells.records) for cells in found)

    def _sparse(self, method: str) -> dict[float, Cells]:
        return {density: cells for density, cells in self.of(method, None).items() if density is not None}

    def _point(self, density: float, cells: Cells, repetition: int) -> Point:
        state = cells.state(repetition)
        accuracy = cells.values(self.curve.metric).get(repetition) if state == "alive" else None
        if state in {"collapsed", "impossible"}:
            accuracy = self.chance
        return Point(1 / density, accuracy, state == "impossible")

    def _loss(self, density: float, cells: Cells, repetition: int) -> float | None:
        dense = self.best_dense if self.tuned else self.dense.get(cells.recipe)
        found = self._point(density, cells, repetition).accuracy
        whole = None if dense is None else dense.values(self.curve.metric).get(repetition)
        return None if whole is None or found is None else whole - found


def tasks(suite: str, presentation: Presentation, results: Results) -> list[Task]:
    """The tasks of a suite that has a curve: models × datasets, × recipes unless these are tuned."""
    key = ("tasks", suite, presentation.tuned, presentation.curve and presentation.curve.model_dump_json())
    return results.once(key, lambda: _every(suite, presentation, results))


def _every(suite: str, presentation: Presentation, results: Results) -> list[Task]:
    records = results.by_row
    pairs: dict[tuple[str, str, str], list[Row]] = defaultdict(list)
    for row in results.rows:
        if row.suite == suite:
            pairs[row.model, row.dataset, row.scale].append(row)
    chances = _chances(results.records)
    return [task for rows in pairs.values() for task in _tasks(rows, presentation, records, chances)]


def _tasks(
    rows: Sequence[Row], presentation: Presentation, records: Mapping[Row, Record], chances: Mapping[str, float]
) -> list[Task]:
    """Of one model and dataset."""
    assert presentation.curve is not None, "a suite with the sections `curves` or `ranks` has a curve"
    recipes = list(dict.fromkeys(row.recipe for row in rows))
    dense_rows = [row for row in rows if row.method == DENSE]
    first = rows[0]
    mark = "" if comparable(first.scale) else f"compares with no others: {first.scale}"
    found: list[Task] = []
    for together in [recipes] if presentation.tuned else [[recipe] for recipe in recipes]:
        named = together[0] if len(together) == 1 else f"{len(together)} recipes"
        groups: dict[tuple[str, float | None, str | None], list[Row]] = defaultdict(list)
        for row in rows:
            if row.recipe in together:
                groups[row.method, row.density, row.arm].append(row)
        found.append(
            Task(
                " · ".join(part for part in (first.model, first.dataset, named, mark) if part),
                first.dataset,
                presentation.curve,
                {key: _best(group, records) for key, group in groups.items()},
                {recipe: _best(group, records) for recipe in recipes if (group := _by(dense_rows, recipe))},
                _best(dense_rows, records) if dense_rows else None,
                chances.get(first.dataset),
                presentation.tuned,
            )
        )
    return found


def _state(record: Record | None) -> State:
    if record is None or record.status not in FINISHED:
        return "missing"
    if record.status == "skipped":
        return "impossible"
    return "collapsed" if record.metrics.get("has_path") == 0 else "alive"


def _best(rows: Sequence[Row], records: Mapping[Row, Record]) -> Cells:
    recipe = best_recipe(rows, records)
    candidates = frozenset(row.recipe for row in rows)
    return Cells(recipe, {row.repetition: records.get(row) for row in _by(rows, recipe)}, candidates)


def _by(rows: Sequence[Row], recipe: str | None) -> list[Row]:
    return [row for row in rows if row.recipe == recipe]


def _repetitions(found: Mapping[float, Cells]) -> list[int]:
    return sorted({repetition for cells in found.values() for repetition in cells.records})


def _chances(records: Iterable[Record]) -> dict[str, float]:
    """100 / K by dataset, K being the most classes that any network of it reaches: the dense one reaches all."""
    classes: dict[str, float] = {}
    for record in records:
        if reached := record.metrics.get("classes_reached"):
            classes[record.row.dataset] = max(reached, classes.get(record.row.dataset, 0))
    return {dataset: 100 / count for dataset, count in classes.items()}
