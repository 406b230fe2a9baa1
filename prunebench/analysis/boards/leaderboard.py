"""Leaderboards: one table a task, methods ranked by the suite's primary metric."""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import median
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE, captioned, context, mean_text, number, values_at, without_record
from prunebench.analysis.tables import Table
from prunebench.records.metrics import METRICS
from prunebench.records.overrides import comparable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prunebench.analysis.results import Results
    from prunebench.records.presentation import Column, Presentation, Primary
    from prunebench.records.schema import Record, Row


def leaderboard(suite: str, presentation: Presentation, results: Results) -> list[Table]:
    """One table a task and arm.

    Methods are ordered by the mean of the primary metric in its direction. A method with failed or missing cells stands
    after those without, its count of good cells shown; nothing is imputed.
    """
    records = results.by_row
    groups: dict[tuple[str, str], dict[str, list[Row]]] = defaultdict(lambda: defaultdict(list))
    for row in results.rows:
        if row.suite == suite:
            mark = "" if comparable(row.scale) else f" · compares with no others: {row.scale}"
            task = " · ".join(part for part in row.task if part)
            groups[task, f"{row.arm or ''}{mark}"][row.method].append(row)
    return [
        _table(presentation, f"{task} · {arm}" if arm else task, methods, records)
        for (task, arm), methods in groups.items()
    ]


def _table(
    presentation: Presentation, title: str, methods: dict[str, list[Row]], records: Mapping[Row, Record]
) -> Table:
    lines: list[tuple[tuple[bool, float, str], tuple[str, ...]]] = []
    everything: list[Record] = []
    untouched = 0
    for method, rows in methods.items():
        found = [records[row] for row in rows if row in records]
        if not found:
            untouched += 1
            continue
        good = [record for record in found if record.status == "ok"]
        everything += good
        fine = sum(record.status in {"ok", "skipped"} for record in found)
        values = _ranked(good, presentation.primary)
        sign = -1 if METRICS[presentation.primary.metric].direction == "higher" else 1
        rank = sign * sum(values) / len(values) if values else float("inf")
        repetitions = str(len({row.repetition for row in rows}))
        n = repetitions if fine == len(rows) else f"{repetitions} ({fine}/{len(rows)} cells)"
        shown = [_cell(column, good) for column in presentation.column]
        lines.append(((fine < len(rows), rank, method), (method, *shown, n)))
    lines.sort()
    return Table(
        captioned(title, context(presentation, everything), without_record(untouched)),
        ("method", *(column.header for column in presentation.column), "n"),
        tuple(line for _, line in lines),
        (False, *(column.label is None for column in presentation.column), True),
        legend=tuple((column.header, _meaning(column)) for column in presentation.column),
        dataset=next(row.dataset for rows in methods.values() for row in rows),
        methods=tuple(method for (_, _, method), _ in lines),
        holes=tuple(holes for (holes, _, _), _ in lines),
    )


def _ranked(records: Sequence[Record], primary: Primary) -> list[float]:
    """Values that a method is ranked by: at the primary density, or at its own where that is its outcome."""
    return values_at(records, primary.metric, primary.density) or values_at(records, primary.metric, None)


def _cell(column: Column, records: Sequence[Record]) -> str:
    """One column of one method: a statistic over its repetitions, or its most frequent label."""
    if column.label is not None:
        labels = Counter(
            r.labels[column.label] for r in records if r.row.density == column.density and column.label in r.labels
        )
        return labels.most_common(1)[0][0] if labels else NONE
    assert column.metric is not None, "a column has a metric or a label"
    values = values_at(records, column.metric, column.density)
    if not values:
        return NONE
    if column.show == "mean":
        return mean_text(values, 2 if METRICS[column.metric].unit == "%" else 3)
    statistic = median(values) if column.show == "median" else min(values) if column.show == "min" else max(values)
    return number(statistic)


def _meaning(column: Column) -> str:
    """The column's statistic and definition."""
    at = "" if column.density is None else f" at density {column.density:g}"
    if column.metric is None:
        return f"most frequent {str(column.label).replace('_', ' ')}{at}"
    metric = METRICS[column.metric]
    return f"{'mean ± 95 % interval' if column.show == 'mean' else column.show}{at}, {metric.definition}"
