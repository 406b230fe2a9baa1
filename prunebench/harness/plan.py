"""From suites to a plan: the cells of a run, and the graph of steps that they share."""

from __future__ import annotations

import fnmatch
import hashlib
import json
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property, partial
from itertools import product
from typing import TYPE_CHECKING, Any

from prunebench.checks.base import Block, Cell
from prunebench.errors import DuplicateNameError, NothingToDoError, SuiteError, UsageError, suggestion
from prunebench.graph import Node, ancestors, planning
from prunebench.records.metrics import METRICS, later_versions
from prunebench.records.overrides import changed, repetitions
from prunebench.records.schema import PLAN_SCHEMA, Row
from prunebench.records.selection import Always, Selection, is_glob
from prunebench.registry import ARMS, CHECKS, DATASETS, METHODS, MODELS, RECIPES
from prunebench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from prunebench.environment import Environment
    from prunebench.records.suite import Grid, Suite


@dataclass(frozen=True)
class Plan:
    """Cells of one run, in order."""

    suites: tuple[Suite, ...]
    scale: str
    """Its name in the suites."""
    label: str
    """Its name in rows: with what `--set` changes of it."""
    cells: tuple[Cell, ...]
    environment: Environment
    selection: Selection = field(default_factory=Selection)
    """What the user chose of the suites."""

    @cached_property
    def run_id(self) -> str:
        """12 hexadecimal digits over rows, content keys and environment: the same plan is the same run.

        Versions of metrics count, so that no run holds numbers of two.
        """
        cells = [(cell.row.digest, cell.node.key, cell.pick) for cell in self.cells]
        versions = later_versions(METRICS)
        identity = json.dumps([self.environment.plain(), cells, *([versions] if versions else [])])
        return hashlib.sha256(identity.encode()).hexdigest()[:12]

    @cached_property
    def nodes(self) -> tuple[Node, ...]:
        """Every distinct node, dependencies first."""
        return tuple(ancestors([cell.node for cell in self.cells]))

    @property
    def seconds(self) -> float:
        """Estimated seconds of work after sharing, on one core."""
        return sum({cell.node.key: cell.seconds for cell in self.cells}.values())

    def unshared(self) -> int:
        """Steps that the same cells would take if none were shared."""
        return sum(len(list(ancestors([cell.node]))) for cell in self.cells)

    def plain(self) -> dict[str, Any]:
        """JSON form of what a reader needs to see what is missing."""
        return {
            "schema": PLAN_SCHEMA,
            "run": self.run_id,
            "suites": [
                {"name": s.name, "version": s.version, "question": s.question, "presentation": s.presentation()}
                for s in self.suites
            ],
            "scale": self.label,
            "environment": self.environment.plain(),
            "steps": len(self.nodes),
            "selection": self.selection.plain(),
            "rows": [cell.row.plain() for cell in self.cells],
        }


def make_plan(
    suites: Sequence[Suite], scale: str, environment: Environment, *, methods: Sequence[str] = (),
    seeds: int | None = None, overrides: Sequence[str] = (),
) -> Plan:  # fmt: skip
    """All cells of some suites at a scale.

    Args:
        suites: validated suites.
        scale: `quick`, `standard` or `paper`.
        environment: of the run.
        methods: specs that replace every grid's methods; globs choose among a grid's own; `+SPEC` adds one.
        seeds: repetitions instead of the scale's.
        overrides: `KEY=VALUE` for the scale of every suite.

    Raises:
        UsageError: unknown names, parameters that do not fit, globs that match nothing.
        DuplicateNameError: two suites of one name, or two kinds of one cell.
        NothingToDoError: no cell is left.
    """
    if seeds is not None and seeds < 1:
        raise UsageError(f"--seeds {seeds}: at least one repetition is needed")
    # Tables are by suite: those of two versions would share rows.
    if twice := [name for name, count in Counter(suite.name for suite in suites).items() if count > 1]:
        raise DuplicateNameError(f"two suites are called {twice[0]!r}: run one at a time")
    cells: dict[Row, Cell] = {}
    always: list[Always] = []
    altered = [changed(suite, scale, overrides) for suite in suites]
    for suite, label in altered:
        chosen = suite.at(scale)
        grids = list(_chosen_methods(chosen.grid, methods))
        always += [own for grid, specs in grids if grid.always for own in _always(suite, grid, specs)]
        with planning():
            for number in range(chosen.seeds if seeds is None else seeds):
                for grid, specs in grids:
                    for cell in _cells(suite, label, grid, _fitting(suite, grid, specs, chosen.grid), number):
                        if cells.setdefault(cell.row, cell).node.key != cell.node.key:
                            raise DuplicateNameError(f"suite {suite.name!r} has two kinds of the cell {cell.row}")
        _refuse_left_out(suite, grids, methods, cells)
    if not cells:
        raise NothingToDoError(f"no cell in {', '.join(s.name for s in suites)} at scale {scale!r}")
    labels = " / ".join(dict.fromkeys(label for _, label in altered))
    named = [str(METHODS.minimal(Spec.parse(text.removeprefix("+")))) for text in methods if not is_glob(text)]
    asked = repetitions(overrides) if seeds is None else seeds
    selection = Selection(tuple(methods), asked, tuple(overrides), tuple(dict.fromkeys(named)), tuple(always))
    return Plan(tuple(suite for suite, _ in altered), scale, labels, tuple(cells.values()), environment, selection)


def _always(suite: Suite, grid: Grid, methods: Sequence[Spec]) -> Iterator[Always]:
    """What a grid has that is there whatever is chosen."""
    arms = (None, *(str(ARMS.minimal(Spec.parse(arm))) for arm in grid.arms))
    recipes: list[str | None] = [str(RECIPES.minimal(spec)) for spec in grid.recipes]
    for model, dataset in product(map(MODELS.minimal, grid.models), map(DATASETS.minimal, grid.datasets)):
        for recipe in recipes or [None]:
            for method in methods:
                yield Always(
                    suite.name, (grid.check, str(model), str(dataset), recipe), str(method), arms,
                    (None, *grid.densities),
                )  # fmt: skip


def _fitting(suite: Suite, grid: Grid, methods: Sequence[Spec], grids: Sequence[Grid]) -> list[Spec]:
    """The methods that a grid has a use for: without recipes, those that do not train.

    Raises:
        UsageError: a method trains, and no grid of the scale has recipes.
    """
    training = [m for m in methods if "training" in METHODS.entry(m.name).capabilities]
    if grid.recipes or not training:
        return list(methods)
    if not any(other.recipes for other in grids):
        where = f"the grid of check {grid.check!r} in suite {suite.name!r}"
        raise UsageError(f"method {training[0]} trains, and {where} has no recipes")
    return [method for method in methods if method not in training]


def _cells(suite: Suite, scale: str, grid: Grid, methods: Sequence[Spec], repetition: int) -> Iterator[Cell]:
    builder = CHECKS.get(grid.check)
    recipes: list[Spec | None] = [RECIPES.minimal(spec) for spec in grid.recipes]
    for recipe in recipes or [None]:
        if recipe is not None:
            RECIPES.get(recipe.name)(**RECIPES.resolve(recipe))  # refuses values that no training can have
        for model, dataset in product(map(MODELS.minimal, grid.models), map(DATASETS.minimal, grid.datasets)):
            task = (str(model), str(dataset), None if recipe is None else str(recipe))
            for method in methods:
                row = partial(_row, suite, scale, grid.check, task, str(method), repetition)
                block = Block(
                    model, dataset, recipe, method, tuple(grid.densities), tuple(grid.arms), repetition, grid.curves,
                    tuple(grid.families), grid.seconds, row,
                )  # fmt: skip
                yield from builder(block)


def _row(
    suite: Suite, scale: str, check: str, task: tuple[str, str, str | None], method: str, repetition: int,
    density: float | None, arm: str | None,
) -> Row:  # fmt: skip
    return Row(
        suite=suite.name,
        suite_version=suite.version,
        check=check,
        scale=scale,
        model=task[0],
        dataset=task[1],
        recipe=task[2],
        method=method,
        density=density,
        arm=arm,
        repetition=repetition,
    )


def _refuse_left_out(
    suite: Suite, grids: Sequence[tuple[Grid, list[Spec]]], wanted: Sequence[str], cells: Iterable[Row]
) -> None:
    """Families leave methods out of grids: not the suite's own, nor what a user asks for out of all of them."""
    planned = {row.method for row in cells if row.suite == suite.name}
    for grid, specs in grids:
        for spec in specs:
            if str(spec) not in planned:
                families = sorted({family for grid, _ in grids for family in grid.families})
                what = (
                    f"suite {suite.name!r} has no grid for method {spec}: its tickets are none of {', '.join(families)}"
                )
                if str(spec) in {str(METHODS.minimal(own)) for own in grid.methods} and not wanted:
                    raise SuiteError(what)
                raise UsageError(what)


def _chosen_methods(grids: Sequence[Grid], wanted: Sequence[str]) -> Iterator[tuple[Grid, list[Spec]]]:
    """Each grid with its methods, minimal and without repeats, as the command line restricts them.

    Grids that a suite always wants keep theirs.
    """
    added = [text[1:] for text in wanted if text.startswith("+")]
    replaced = [text for text in wanted if not text.startswith("+")]
    own = {id(grid): [METHODS.minimal(spec) for spec in grid.methods] for grid in grids}
    every = sorted({str(spec) for specs in own.values() for spec in specs})
    for glob in filter(is_glob, replaced):
        if not fnmatch.filter(every, glob):
            raise UsageError(f"no method of the suite matches {glob!r}{suggestion(glob, every)}")
    extra = [METHODS.minimal(Spec.parse(text)) for text in added]
    for grid in grids:
        specs = own[id(grid)]
        if grid.always:
            yield grid, list(dict.fromkeys(specs))
            continue
        if replaced:
            specs = []
            for text in replaced:
                if is_glob(text):
                    specs += [spec for spec in own[id(grid)] if fnmatch.fnmatchcase(str(spec), text)]
                else:
                    specs.append(METHODS.minimal(Spec.parse(text)))
        yield grid, list(dict.fromkeys([*specs, *extra]))
