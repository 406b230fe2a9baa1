"""A comparison as text."""

from __future__ import annotations

import json
import sys
import textwrap
from typing import TYPE_CHECKING, Any

from prunebench.analysis.boards.cells import NONE
from prunebench.analysis.comparison.states import State, number, numbers
from prunebench.analysis.tables import Table, render

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prunebench.analysis.comparison.compare import Comparison, SuiteComparison
    from prunebench.analysis.comparison.states import Item
    from prunebench.analysis.comparison.times import Time
    from prunebench.records.baseline import Task

_LONG = 20
"""Rows that a comment shows without being asked to."""
_HEADERS = ("state", "task", "method", "what", "old", "new", "difference", "gates", "detail")
_NUMERIC = (False, False, False, False, True, True, True, False, False)
_MEANING = {
    State.WORSE: "a regression: beyond the tolerance and significant, or not equal where equality is asked for",
    State.CHANGED: "of what is neither good nor bad; a regression where the table says so",
    State.FAILING: "failed, skipped or without a value now: a regression",
    State.MISSING: "in what is compared with, not in the run; a regression unless the run was restricted on purpose",
    State.APART: "versions, scales or devices differ: nothing is known",
    State.DRIFT: "beyond the tolerance and not significant, or at one density alone; or significant where none gates",
    State.BETTER: "beyond the tolerance and significant, or other where equality is asked for",
    State.FIXED: "failed, was skipped or had no value before",
    State.NEW: "not in what is compared with",
    State.SAME: "within the tolerance",
}


def shown(comparison: Comparison, format: str, *, everything: bool = False, width: int | None = None) -> str:
    """The outcome in a line, then a summary a suite, what is not the same, and times.

    Args:
        comparison: of any number of suites.
        format: `table`, `md`, `csv` or `json`; a CSV is of the items alone.
        everything: show what is the same as well.
        width: columns of the terminal.

    Raises:
        UsageError: unknown format.
    """
    if format == "json":
        return json.dumps(_plain(comparison, everything), indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    if format == "csv":
        rows = [
            (found.suite, *row[0].split(" ", 1)[::-1], *row[1:])
            for found in comparison.suites
            for row in _rows(found, everything)
        ]
        return render([Table("", ("suite", "state", "mark", *_HEADERS[1:]), tuple(rows))], format)
    if format == "md":
        return _markdown(comparison, everything)
    texts = [f"{outcome(comparison)}\n"]
    for found in comparison.suites:
        texts.append(textwrap.fill(summary(found), width or sys.maxsize, subsequent_indent="  ") + "\n")
        if tables := [*_by_task(found, everything), *_times(found)]:
            texts.append(render(tables, format, width))
    return "\n".join(texts)


def outcome(comparison: Comparison) -> str:
    """Whether there are regressions, in a line."""
    regressions = sum(len(found.regressions) for found in comparison.suites)
    told = f"{regressions or 'no'} regression{'s' * (regressions > 1)}"
    if not comparison.compared:
        told = told if regressions else "nothing could be compared"
    elif left := len(comparison.unanswered):
        told += f"; {left} suite{'s' * (left > 1)} not compared"
    return f"{told}: {_sides(comparison)}"


def summary(found: SuiteComparison) -> str:
    """Items by mark, with words beside the marks."""
    counts = found.counts
    parts = [f"{state.mark} {counts[state]} {state.word}" for state in State if counts[state]]
    how = f"{found.compared} values compared"
    if found.incomparable:
        how = found.incomparable
    else:
        how += f", {found.skipped} cells skipped on both sides" * bool(found.skipped)
        if found.apart:
            how += f", not to the bit (another platform: {'; '.join(found.apart)})"
    how = "; ".join([how, *found.notes])
    return f"{found.suite} · {found.scale}: {', '.join(parts) or 'nothing'} — {how}"


def task_name(task: Task) -> str:
    """Model, dataset and recipe."""
    return " · ".join(part for part in task[1:] if part)


def method_name(item: Item) -> str:
    """Method, and arm if there is one."""
    return item.method if item.arm is None else f"{item.method} · {item.arm}"


def _sides(comparison: Comparison) -> str:
    return "; ".join(dict.fromkeys(f"{found.new} against {found.old}" for found in comparison.suites))


def _by_task(found: SuiteComparison, everything: bool) -> list[Table]:
    """For a terminal: a table a task, without what the detail says as well."""
    tasks: dict[str, list[tuple[str, ...]]] = {}
    for state, task, method, what, old, new, _, gates, detail in _rows(found, everything):
        tasks.setdefault(task, []).append((state, gates, method, what, old, new, detail))
    headers = ("state", "regression", "method", "what", "old", "new", "detail")
    numeric = (False, False, False, False, True, True, False)
    return [
        Table(task, headers, tuple(rows), numeric, True, _legend(found, everything)) for task, rows in tasks.items()
    ]


def _rows(found: SuiteComparison, everything: bool) -> list[tuple[str, ...]]:
    order = {state: place for place, state in enumerate(State)}
    items = [item for item in found.items if everything or item.state is not State.SAME]
    items.sort(key=lambda item: (not item.gates, order[item.state]))
    return [
        (
            f"{item.state.mark} {item.state.word}",
            task_name(item.task),
            method_name(item),
            item.what.replace("_", " "),
            *((NONE, NONE) if item.old is None or item.new is None else numbers(item.old, item.new)),
            NONE if item.difference is None else number(item.difference),
            "yes" if item.gates else "no",
            item.detail,
        )
        for item in items
    ]


def _legend(found: SuiteComparison, everything: bool) -> tuple[tuple[str, str], ...]:
    counts = found.counts
    return tuple(
        (f"{s.mark} {s.word}", _MEANING[s]) for s in State if counts[s] and (everything or s is not State.SAME)
    )


def _times(found: SuiteComparison) -> list[Table]:
    rows = [
        (task_name(t.task), t.method, f"{t.old_seconds:.3g}", f"{t.new_seconds:.3g}",
         NONE if t.ratio is None else f"{t.ratio:.2f}",
         *(NONE if peak is None else f"{peak / 2**20:.0f}" for peak in (t.old_peak, t.new_peak)))
        for t in found.times
    ]  # fmt: skip
    table = Table(
        f"{found.suite} · mean CPU seconds of a cell, and highest peak of memory in MiB",
        ("task", "method", "old s", "new s", "ratio", "old MiB", "new MiB"),
        tuple(rows),
        (False, False, True, True, True, True, True),
    )
    return [table] if rows else []


def _markdown(comparison: Comparison, everything: bool) -> str:
    """For a comment: the outcome first, what is long folded away."""
    parts = [f"**prunebench: {_escaped(outcome(comparison))}**\n"]
    for found in comparison.suites:
        parts.append(f"{_escaped(summary(found))}\n")
        rows = tuple(_rows(found, everything))
        first, rest = rows[:_LONG], rows[_LONG:]
        if first:
            legend = _legend(found, everything)
            parts.append(render([Table("", _HEADERS, first, _NUMERIC, legend=legend)], "md"))
        if rest:
            parts.append(_folded(f"{len(rest)} more", Table("", _HEADERS, rest, _NUMERIC)))
        parts += [_folded("CPU seconds and memory", table) for table in _times(found)]
    return "\n".join(parts)


def _folded(title: str, table: Table) -> str:
    return f"<details><summary>{title}</summary>\n\n{render([table], 'md')}\n</details>\n"


def _escaped(text: str) -> str:
    """One line in which nothing is Markdown."""
    return render([Table(text, ("",), ())], "md").split("\n", 1)[0].removeprefix("**").removesuffix("**")


def _plain(comparison: Comparison, everything: bool) -> dict[str, Any]:
    return {
        "regressed": comparison.regressed,
        "compared": comparison.compared,
        "not_compared": [found.suite for found in comparison.unanswered],
        "suites": [
            {
                "suite": found.suite,
                "scale": found.scale,
                "old": found.old,
                "new": found.new,
                "compared": found.compared,
                "skipped": found.skipped,
                "incomparable": found.incomparable,
                "notes": list(found.notes),
                "platform": list(found.apart),
                "counts": {state.word: n for state in State if (n := found.counts[state])},
                "items": [_item(i) for i in found.items if everything or i.state is not State.SAME],
                "times": [_time(time) for time in found.times],
            }
            for found in comparison.suites
        ],
    }


def _item(item: Item) -> dict[str, Any]:
    return {
        "task": _task(item.task),
        "method": item.method,
        "arm": item.arm,
        "what": item.what,
        "state": item.state.word,
        "mark": item.state.mark,
        "gates": item.gates,
        "old": item.old,
        "new": item.new,
        "detail": item.detail,
    }


def _time(time: Time) -> dict[str, Any]:
    return {
        "task": _task(time.task), "method": time.method, "old_seconds": time.old_seconds,
        "new_seconds": time.new_seconds, "old_peak_bytes": time.old_peak, "new_peak_bytes": time.new_peak,
    }  # fmt: skip


def _task(task: Sequence[str | None]) -> dict[str, str | None]:
    return dict(zip(("check", "model", "dataset", "recipe"), task, strict=True))
