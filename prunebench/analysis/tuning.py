"""Which of several recipes counts for a method: chosen on validation data."""

from __future__ import annotations

from statistics import fmean
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prunebench.records.schema import Record, Row

CRITERION = "validation_accuracy"
"""What recipes are chosen by. Never a number of the test split."""
FINISHED = frozenset({"ok", "skipped"})
"""Statuses of cells whose outcome is known; a skipped one is impossible."""


def best_recipe(rows: Sequence[Row], records: Mapping[Row, Record]) -> str | None:
    """The recipe with the fewest unfinished cells, and of those the highest mean validation accuracy.

    So one with missing cells is chosen only if none is complete. One without any validation accuracy stands behind all
    others; the first in the order of `rows` is taken among equals.

    Args:
        rows: planned cells of one method, density and arm of a model and dataset, of all recipes and repetitions.
        records: by row.

    Raises:
        ValueError: no rows.
    """

    def merit(recipe: str | None) -> tuple[int, float]:
        found = [records.get(row) for row in rows if row.recipe == recipe]
        unfinished = sum(record is None or record.status not in FINISHED for record in found)
        values = [r.metrics.get(CRITERION) for r in found if r is not None and r.status == "ok"]
        known = [value for value in values if value is not None]
        return -unfinished, fmean(known) if known else -1.0

    recipes = dict.fromkeys(row.recipe for row in rows)
    return max(recipes, key=merit) if len(recipes) > 1 else rows[0].recipe
