"""A stored baseline: one suite at one scale, a line a task, method, density, arm and metric.

The file is JSON whose bytes depend on its content alone. Above stands where it comes from; then four blocks of one
array a line, so that a difference in git reads like a table:

    metrics   name, version of the definition, gate
    digests   task, method, one digest a repetition of the content keys of its cells
    costs     task, method, mean CPU seconds of a cell for finding, training and measuring, highest peak in bytes
    values    task, method, density, arm, name, one value a repetition

A task is check, model, dataset and recipe. A name is a metric; `status` where not all repetitions are ok, null being
one that was not planned; or `label:` and a label that verdicts or columns need. Values are as records have them, to the
bit.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any

from prunebench.errors import StoreError
from prunebench.records.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prunebench.records.metrics import Gate
    from prunebench.records.origin import Origin
    from prunebench.records.schema import Record

SCHEMA = 1
"""Number of this format, written into every file."""
STATUS = "status"
LABEL = "label:"
ROLES = ("find", "train", "measure")
_LABELS = ("reference", "mask", "ticket")
"""What verdicts need to know of an arm."""

Task = tuple[str, str, str, str | None]
"""Check, model, dataset, recipe."""
Place = tuple[Task, str, float | None, str | None]
"""Task, method, density, arm."""


@dataclass(frozen=True)
class Baseline:
    """The numbers of one suite at one scale, and where they come from."""

    suite: str
    suite_version: int
    scale: str
    question: str
    presentation: Mapping[str, Any]
    origin: Origin
    metrics: Mapping[str, tuple[int, Gate]]
    """Version and gate of what was compared when it was made, by name."""
    digests: Mapping[tuple[Task, str], tuple[str | None, ...]]
    """One a repetition, by task and method."""
    records: tuple[Record, ...] = field(repr=False)
    """Without keys and series; the cost is the mean of the method's on the task."""

    def plan(self) -> dict[str, Any]:
        """What a run's `plan.json` would say."""
        suite = {
            "name": self.suite, "version": self.suite_version, "question": self.question,
            "presentation": self.presentation,
        }  # fmt: skip
        return {
            "run": self.origin.run,
            "suites": [suite],
            "scale": self.scale,
            "environment": dict(self.origin.environment),
            "rows": [record.row.plain() for record in self.records],
        }


def make(suite: Mapping[str, Any], scale: str, origin: Origin, records: Iterable[Record]) -> Baseline:
    """The baseline of some records of a suite.

    Args:
        suite: name, version, question and presentation, as in a plan.
        scale: in rows.
        origin: of the records.
        records: of that suite and scale.
    """
    own = sorted(records, key=lambda record: (_order(_place(record)), record.row.repetition))
    versions = {name: record.version(name) for record in own for name in record.metrics if gated(name)}
    return Baseline(
        suite["name"], int(suite["version"]), scale, suite["question"], suite["presentation"], origin,
        {name: (version, gate_of(name)) for name, version in sorted(versions.items())}, digests(own), tuple(own),
    )  # fmt: skip


def gate_of(metric: str) -> Gate:
    """How a metric is compared; one that nothing defines as what comes out of a draw."""
    return METRICS[metric].gate if metric in METRICS else "sampled"


def gated(metric: str) -> bool:
    """Whether a metric is compared at all."""
    return gate_of(metric) != "shown"


def digests(records: Iterable[Record]) -> dict[tuple[Task, str], tuple[str | None, ...]]:
    """Eight hexadecimal digits a repetition, over densities, arms and content keys of its cells."""
    cells: dict[tuple[Task, str], dict[int, list[str]]] = defaultdict(lambda: defaultdict(list))
    for record in records:
        row = record.row
        task, method, density, arm = _place(record)
        cells[task, method][row.repetition].append(json.dumps([density, arm, record.key]))
    return {
        place: tuple(_digest(found[n]) if n in found else None for n in range(max(found) + 1))
        for place, found in cells.items()
    }


def write(baseline: Baseline) -> bytes:
    """The file."""
    head = {
        "schema": SCHEMA,
        "suite": baseline.suite,
        "suite_version": baseline.suite_version,
        "scale": baseline.scale,
        "question": baseline.question,
        "origin": _sorted(baseline.origin.plain()),
        "presentation": _sorted(baseline.presentation),
    }
    shown = {label for column in baseline.presentation.get("column", []) if (label := column.get("label"))}
    blocks: dict[str, list[Any]] = {
        "metrics": [[name, *defined] for name, defined in sorted(baseline.metrics.items())],
        "digests": [[*place, found] for place, found in sorted(baseline.digests.items(), key=_digests_first)],
        "costs": list(_costs(baseline.records)),
        "values": list(_values(baseline.records, [*_LABELS, *sorted(shown)])),
    }  # fmt: skip
    text = json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}")
    for name, lines in blocks.items():
        body = ",\n".join(
            json.dumps(line, ensure_ascii=False, allow_nan=False, separators=(",", ":")) for line in lines
        )
        text += f',\n "{name}": [\n{body}\n ]'
    return f"{text}\n}}\n".encode()


def file_name(suite: str, scale: str) -> str:
    """Of a baseline in its folder.

    Raises:
        StoreError: a name that is no file's.
    """
    name = f"{suite}.{scale}.json"
    if "/" in name or "\\" in name or "\0" in name:
        raise StoreError(f"no baseline can be called {name!r}")
    return name


def _values(records: Sequence[Record], labels: Sequence[str]) -> Iterable[list[Any]]:
    places: dict[Place, dict[int, Record]] = defaultdict(dict)
    for record in records:
        places[_place(record)][record.row.repetition] = record
    for place, found in sorted(places.items(), key=lambda item: _order(item[0])):
        every = [found.get(n) for n in range(max(found) + 1)]
        ok = [record if record is not None and record.status == "ok" else None for record in every]
        lines: dict[str, list[Any]] = {}
        for name in labels:
            if any(record and name in record.labels for record in ok):
                lines[LABEL + name] = [record and record.labels.get(name) for record in ok]
        for name in sorted({name for record in ok if record for name in record.metrics if gated(name)}):
            lines[name] = [None if record is None else record.metrics.get(name) for record in ok]
        if None in ok or not lines:
            lines = {STATUS: [record and record.status for record in every], **lines}
        for name, values in lines.items():
            yield [*place, name, values]


def _costs(records: Sequence[Record]) -> Iterable[list[Any]]:
    spent: dict[tuple[Task, str], list[Record]] = defaultdict(list)
    for record in records:
        if record.cost:
            spent[_place(record)[:2]].append(record)
    for (task, method), found in spent.items():
        seconds = [
            [record.cost.get(role, {}).get("cpu_seconds", 0.0) for record in found]
            if any("cpu_seconds" in record.cost.get(role, {}) for record in found)
            else []
            for role in ROLES
        ]
        peaks = [int(part["peak_bytes"]) for r in found for part in r.cost.values() if "peak_bytes" in part]
        # Times are shown, never compared to the bit.
        means = [float(f"{fmean(values):.3g}") if values else None for values in seconds]
        yield [task, method, *means, max(peaks, default=None)]


def _place(record: Record) -> Place:
    row = record.row
    return (row.check, row.model, row.dataset, row.recipe), row.method, row.density, row.arm


def _order(place: Place) -> tuple[Any, ...]:
    """Without a density first, then from dense to sparse; the untouched ticket before its arms."""
    (*task, recipe), method, density, arm = place
    return *task, recipe or "", method, density is not None, -(density or 0.0), arm or ""


def _digests_first(item: tuple[tuple[Task, str], object]) -> tuple[Any, ...]:
    (*task, recipe), method = item[0]
    return *task, recipe or "", method


def _digest(cells: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(cells)).encode()).hexdigest()[:8]


def _sorted(value: Mapping[str, Any]) -> dict[str, Any]:
    return dict(json.loads(json.dumps(value, sort_keys=True)))
