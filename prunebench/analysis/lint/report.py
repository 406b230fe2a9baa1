"""Looking through the checklist, and the tables that tell what came of it."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunebench.analysis.lint import controls, recording, repetitions, training
from prunebench.analysis.lint.items import ITEMS, Item, State
from prunebench.analysis.tables import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from prunebench.analysis.lint.items import Answer
    from prunebench.analysis.lint.sheet import Sheet

CHECKS: Mapping[str, Callable[[Sheet], Answer]] = {
    "dense-control": controls.dense_control,
    "operating-points": repetitions.operating_points,
    "seeds": repetitions.seeds,
    "spread": repetitions.spread,
    "raw-rows": repetitions.raw_rows,
    "same-ratios": controls.same_ratios,
    "magnitude": controls.magnitude,
    "budget": training.budget,
    "learning-rate": training.learning_rate,
    "achieved-density": recording.achieved_density,
    "size-and-macs": recording.size_and_macs,
    "collapse": recording.collapse,
    "selection": training.selection,
    "top-5": training.top5,
    "tasks": controls.tasks,
    "hardware-software": recording.hardware_software,
}


_HEADERS = ("item", "asks", "source", "mend")


@dataclass(frozen=True, slots=True)
class Finding:
    """How one item stands."""

    item: Item
    state: State
    found: str
    """What is there, what is missing, or why that cannot be told or asked."""


def lint(sheet: Sheet) -> list[Finding]:
    """All items in the order of the checklist."""
    if sheet.rows.is_empty():
        return [Finding(item, "cannot tell", "no row has a result") for item in ITEMS.values()]
    return [Finding(item, *CHECKS[name](sheet)) for name, item in ITEMS.items()]


def lacking(findings: Sequence[Finding]) -> list[str]:
    """Names of the items that are missing."""
    return [finding.item.name for finding in findings if finding.state == "missing"]


def detailed(sheet: Sheet, findings: Sequence[Finding]) -> list[Table]:
    """Every item with its state; then, of what is missing or cannot be told, what is asked, by whom, and the remedy."""
    caption = f"lint of {sheet.name}: {_counted(findings)}; {_looked_at(sheet)}"
    states = tuple((finding.item.name, finding.state, finding.found) for finding in findings)
    found = [Table(caption, ("item", "state", "found"), states, whole=True)]
    remedies = tuple(
        (finding.item.name, finding.item.asks, finding.item.source, finding.item.mend)
        for finding in findings
        if finding.state in {"missing", "cannot tell"}
    )
    if remedies:
        found.append(Table("what is asked, and how to mend it", _HEADERS, remedies, whole=True))
    if sheet.ignored:
        names = tuple((name,) for name in sheet.ignored)
        found.append(Table("columns that are ignored", ("column",), names))
    return found


def brief(findings: Sequence[Finding], run: str) -> Table:
    """A line a state, for a run's summary."""
    names: dict[str, list[str]] = {}
    for finding in findings:
        names.setdefault(finding.state, []).append(finding.item.name)
    order = [state for state in ("missing", "cannot tell", "not applicable", "ok") if state in names]
    rows = tuple((state, str(len(names[state])), ", ".join(names[state])) for state in order)
    caption = f"lint; all of it: prunebench lint {run}"
    return Table(caption, ("state", "n", "items"), rows, (False, True, False), whole=True)


def sentence(findings: Sequence[Finding], run: str) -> str:
    """One line for the end of a run."""
    missing = lacking(findings)
    if not missing:
        return f"lint: {_counted(findings)}; see prunebench lint {run}"
    return f"lint: {len(missing)} of {len(findings)} items missing: {', '.join(missing)}; see prunebench lint {run}"


def _counted(findings: Sequence[Finding]) -> str:
    counts = Counter(finding.state for finding in findings)
    missing = f"{counts['missing'] or 'none'} of {len(findings)} items missing"
    return ", ".join([missing, *(f"{n} {state}" for state, n in counts.items() if state not in {"missing", "ok"})])


def _looked_at(sheet: Sheet) -> str:
    left = ", ".join(f"{n} {status}" for status, n in sorted(sheet.left_out.items()))
    return f"{len(sheet.rows)} rows" + (f", {sum(sheet.left_out.values())} left out ({left})" if left else "")
