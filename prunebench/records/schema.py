"""The record of one measured cell: the one typed schema of `records.jsonl`."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import dataclass, field
from itertools import chain
from operator import attrgetter, itemgetter
from sys import intern
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args

from prunebench.errors import StoreError
from prunebench.fields import Kind
from prunebench.records.older import SCHEMA, present

if TYPE_CHECKING:
    from collections.abc import Mapping

PLAN_SCHEMA = 1
"""Number of the schema of `plan.json`; keys that were added since are absent in older ones."""

Status = Literal["ok", "failed", "timeout", "skipped", "cancelled"]
_STATUSES = frozenset(get_args(Status))


@dataclass(frozen=True, slots=True)
class Row:
    """Identity of a cell. Journal, tables, comparisons and baselines join on it; no code edit changes it."""

    suite: Annotated[str, Kind.ROW]
    suite_version: Annotated[int, Kind.ROW]
    check: Annotated[str, Kind.ROW]
    scale: Annotated[str, Kind.ROW]
    model: Annotated[str, Kind.ROW]
    """Spec of the model, minimal."""
    dataset: Annotated[str, Kind.ROW]
    recipe: Annotated[str | None, Kind.ROW]
    """Spec of the recipe, or None where nothing is trained."""
    method: Annotated[str, Kind.ROW]
    """Spec of the method, minimal."""
    density: Annotated[float | None, Kind.ROW]
    """Requested share of weights kept; None where the density is the outcome."""
    arm: Annotated[str | None, Kind.ROW]
    """Which variant of the experiment this is."""
    repetition: Annotated[int, Kind.ROW]

    @property
    def digest(self) -> str:
        """24 hexadecimal digits that stand for the row."""
        return hashlib.sha256(json.dumps(self.plain(), sort_keys=True).encode()).hexdigest()[:24]

    @property
    def task(self) -> tuple[str, str, str | None]:
        """Model, dataset and recipe."""
        return self.model, self.dataset, self.recipe

    def plain(self) -> dict[str, Any]:
        """JSON form, the task nested."""
        return {
            "suite": self.suite,
            "suite_version": self.suite_version,
            "check": self.check,
            "scale": self.scale,
            "task": {"model": self.model, "dataset": self.dataset, "recipe": self.recipe},
            "method": self.method,
            "density": self.density,
            "arm": self.arm,
            "repetition": self.repetition,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Row:
        """Inverse of `plain`; rows share their texts, of which a large run has few.

        Raises:
            KeyError, TypeError: no row; a value of another type, or a density outside 0 to 1, is a `TypeError`.
        """
        own: dict[str, Any] = {k: intern(v) if type(v) is str else v for k, v in {**plain, **plain["task"]}.items()}
        del own["task"]
        row = cls(**own)
        cells = row.cells()
        if tuple(map(type, cells)) not in _KINDS:
            raise TypeError(f"row with a value of a wrong type among {', '.join(map(repr, cells))}")
        if row.density is not None and not 0 <= row.density <= 1:
            raise TypeError("row with a density outside 0 to 1")
        return row

    def __hash__(self) -> int:
        """Of its values: a table of 10⁵ records looks rows up millions of times."""
        return hash(_cells(self))

    def cells(self) -> tuple[Any, ...]:
        """Its values, those of the task last."""
        return _cells(self)

    def __str__(self) -> str:
        parts = [self.model, self.dataset, self.method]
        if self.density is not None:
            parts.append(f"d={self.density:g}")
        if self.arm is not None:
            parts.append(self.arm)
        return " · ".join([*parts, f"#{self.repetition}"])


_cells = attrgetter(
    "suite", "suite_version", "check", "scale", "method", "density", "arm", "repetition", "model", "dataset", "recipe"
)
_NONE = type(None)
_KINDS = frozenset(
    (str, int, str, str, str, density, arm, int, str, str, recipe)
    for density in (float, int, _NONE)
    for arm in (str, _NONE)
    for recipe in (str, _NONE)
)
"""Types that the values of a row may have, in the order of `Row.cells`."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a cell has no result."""

    type: str
    message: str
    step: str = ""
    """The step that failed, which may be one that the cell only depends on."""
    traceback: str = ""
    output: str = ""
    """Tail of what the step printed."""

    def __str__(self) -> str:
        return f"{self.type}: {self.message}"

    def plain(self) -> dict[str, str]:
        """JSON form."""
        return {name: getattr(self, name) for name in ("type", "message", "step", "traceback", "output")}


@dataclass(frozen=True, slots=True)
class Record:
    """One cell's row, outcome, status, cost and provenance."""

    row: Row
    status: Status
    key: str = ""
    """Content key of the node that was measured; empty for a skipped cell."""
    metrics: Mapping[str, float | None] = field(default_factory=dict)
    """Numbers by metric name; None where a metric has no value, never NaN or infinite."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Outcomes that are names, such as the layer that goes first."""
    series: Mapping[str, Any] | None = None
    """Vectors by name; in the journal, a reference into the sidecar file."""
    error: Failure | None = None
    reason: str = ""
    """Why a cell was skipped."""
    cost: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """Seconds and peak bytes by role: `find` the ticket, `train` it, `measure` it. Seconds add up, peaks do not."""
    environment: str = ""
    provenance: str = ""
    """Digest of an entry in the run's `provenance.json`."""
    metric_versions: Mapping[str, int] = field(default_factory=dict)
    """Versions of the definitions by which its metrics were taken, of those beyond the first."""

    def version(self, metric: str) -> int:
        """Version of the definition by which a metric was taken: numbers of two versions compare with nothing."""
        return self.metric_versions.get(metric, 1)

    def plain(self) -> dict[str, Any]:
        """JSON form, `schema` included.

        Raises:
            ValueError: a metric is NaN or infinite.
        """
        if (name := _not_finite(self.metrics)) is not None:
            raise ValueError(f"metric {name!r} of {self.row} is {self.metrics[name]}; one without a value is None")
        return {
            "schema": SCHEMA,
            "row": self.row.plain(),
            "status": self.status,
            "key": self.key,
            "metrics": dict(self.metrics),
            "metric_versions": dict(self.metric_versions),
            "labels": dict(self.labels),
            "series": self.series,
            "error": self.error.plain() if self.error else None,
            "reason": self.reason,
            "cost": {role: dict(spent) for role, spent in self.cost.items()},
            "environment": self.environment,
            "provenance": self.provenance,
        }

    @classmethod
    def from_plain(cls, plain: Mapping[str, Any]) -> Record:
        """Inverse of `plain`; records of earlier schemas are brought up to the present one.

        Raises:
            StoreError: not a record, or one of a schema that this version does not read.
        """
        try:
            plain = present(plain)
            if plain["status"] not in _STATUSES:
                raise StoreError(f"record with unknown status {plain['status']!r}")
            if (wrong := _mistyped(plain)) is not None:
                raise StoreError(f"record whose {wrong}")
            if (name := _no_version(plain["metric_versions"])) is not None:
                raise StoreError(f"record whose metric {name!r} has version {plain['metric_versions'][name]!r}")
            error = Failure(**plain["error"]) if plain["error"] else None
            if error is not None and {*map(type, error.plain().values())} != {str}:
                raise StoreError("record whose error is not made of texts")
            rest = {**plain, "row": Row.from_plain(plain["row"]), "error": error}
            del rest["schema"]
            return cls(**rest)
        except (KeyError, TypeError, AttributeError, OverflowError) as error:
            raise StoreError(f"not a record: {type(error).__name__}: {error}") from error


_MEASURED = frozenset((float, int, _NONE))
_TEXTS = frozenset((str,))
_texts = itemgetter("key", "reason", "environment", "provenance")


def _mistyped(plain: Mapping[str, Any]) -> str | None:
    """What of a record has a value that no record has, in words; sets of types, as there may be 10⁵ records."""
    metrics, labels, cost, series = plain["metrics"], plain["labels"], plain["cost"], plain["series"]
    if not _MEASURED.issuperset(map(type, metrics.values())):
        name = next(name for name, value in metrics.items() if type(value) not in _MEASURED)
        return f"metric {name!r} is no number"
    if (name := _not_finite(metrics)) is not None:
        return f"metric {name!r} is {_shown(metrics[name])}"
    if labels and not _TEXTS.issuperset(map(type, labels.values())):
        return "labels are not all texts"
    if not all(map(math.isfinite, chain.from_iterable(map(dict.values, cost.values())))):
        return "cost is not all finite numbers"
    if series is not None and type(series) is not dict:
        return "series are neither vectors nor a place in the sidecar"
    if not _TEXTS.issuperset(map(type, _texts(plain))):
        return "key, reason, environment or provenance is no text"
    return None


def _not_finite(metrics: Mapping[str, float | None]) -> str | None:
    """Name of the first metric that is NaN or infinite, or too large for a float."""
    try:
        if all(map(math.isfinite, filter(None, metrics.values()))):
            return None
    except OverflowError:
        pass
    return next(name for name, value in metrics.items() if value and not _finite(value))


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:
        return False


def _shown(value: float | None) -> str:
    return "too large" if isinstance(value, int) else str(value)


def _no_version(versions: Mapping[str, int]) -> str | None:
    """Name of the first metric whose version is no number beyond 1."""
    for name, version in versions.items():
        if type(version) is not int or version < 2:
            return name
    return None
