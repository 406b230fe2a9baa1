"""Reading a stored baseline, which anybody may have written."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any, get_args

from prunebench.errors import StoreError
from prunebench.records.baseline import LABEL, ROLES, SCHEMA, STATUS, Baseline, Place, Task
from prunebench.records.metrics import Gate
from prunebench.records.origin import Origin
from prunebench.records.schema import Record, Row, Status
from prunebench.records.typed import text, text_or_none

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    Lines = Mapping[Place, Mapping[str, list[Any]]]

_LONGEST = 60
"""Characters of a wrong value that a message shows."""


def read_baseline(path: Path) -> Baseline:
    """The baseline in a file.

    Raises:
        StoreError: unreadable, of another schema, or damaged; file and place are named.
    """
    try:
        plain = json.loads(path.read_bytes().decode(), parse_constant=_refuse)
    except OSError as error:
        raise StoreError(f"{path} is no readable baseline: {error.strerror or error}") from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path} is no readable baseline: {error}") from error
    found = plain.get("schema") if isinstance(plain, dict) else None
    if found != SCHEMA:
        raise StoreError(f"{path} is no baseline of schema {SCHEMA}: its schema is {found!r}")
    try:
        return _baseline(plain)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise StoreError(f"{path} is a damaged baseline: {what}") from error


def _baseline(plain: Mapping[str, Any]) -> Baseline:
    suite, version, scale = text(plain["suite"]), plain["suite_version"], text(plain["scale"])
    metrics = dict(_each(plain, "metrics", _metric))
    costs = _each(plain, "costs", _cost)
    lines: dict[Place, dict[str, list[Any]]] = {}
    for number, (place, name, values) in enumerate(_each(plain, "values", _line), start=1):
        own = lines.setdefault(place, {})
        if name in own:
            raise ValueError(f"values, line {number}: {name} of {place} is there twice")
        if not name.startswith(LABEL) and name != STATUS and name not in metrics:
            raise ValueError(f"values, line {number}: {name} is none of the baseline's metrics")
        own[name] = values
    known = {(task, method): cost for task, method, cost in costs}
    later = {name: number for name, (number, _) in metrics.items() if number > 1}
    if not lines:
        raise ValueError("it holds no values")
    return Baseline(
        suite, _integer(version), scale, text(plain["question"]), _presentation(plain["presentation"]),
        _origin(plain["origin"]), metrics, dict(_each(plain, "digests", _digest)),
        tuple(
            record
            for place, own in lines.items()
            for record in _records((suite, _integer(version), scale), place, own, known.get(place[:2], {}), later)
        ),
    )  # fmt: skip


def _records(
    suite: tuple[str, int, str], place: Place, lines: Mapping[str, list[Any]],
    cost: Mapping[str, Mapping[str, float]], later: Mapping[str, int],
) -> list[Record]:  # fmt: skip
    (check, model, dataset, recipe), method, density, arm = place
    name, version, scale = suite
    lengths = {len(values) for values in lines.values()}
    if len(lengths) != 1:
        raise ValueError(f"{method} at {density} has lines of {' and '.join(map(str, sorted(lengths)))} repetitions")
    statuses = lines.get(STATUS, ["ok"] * lengths.pop())
    found = []
    for n, status in enumerate(statuses):
        if status is None:
            continue
        row = Row(name, version, check, scale, model, dataset, recipe, method, density, arm, n)
        if status != "ok":
            found.append(Record(row, status, cost=cost))
            continue
        labels = {key.removeprefix(LABEL): values[n] for key, values in lines.items() if key.startswith(LABEL)}
        metrics = {key: values[n] for key, values in lines.items() if key != STATUS and not key.startswith(LABEL)}
        told = {label: value for label, value in labels.items() if value is not None}
        versions = {key: later[key] for key in metrics if key in later}
        found.append(Record(row, "ok", metrics=metrics, labels=told, cost=cost, metric_versions=versions))
    return found


def _each(plain: Mapping[str, Any], block: str, read: Any) -> list[Any]:
    """Every line of a block, by a function; its place is named where it is damaged."""
    found = []
    for number, line in enumerate(plain[block], start=1):
        try:
            found.append(read(line))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ValueError(f"{block}, line {number}: {error}") from error
    return found


def _line(line: Any) -> tuple[Place, str, list[Any]]:
    task, method, density, arm, name, values = line
    of = _number if not text(name).startswith(LABEL) and name != STATUS else _status if name == STATUS else text
    place = _task(task), text(method), None if density is None else float(_number(density)), text_or_none(arm)
    if not isinstance(values, list) or not values:
        raise ValueError(f"{values!r} is no list of values")
    return place, name, [None if value is None else of(value) for value in values]


def _metric(line: Any) -> tuple[str, tuple[int, Gate]]:
    name, version, gate = line
    if gate not in get_args(Gate):
        raise ValueError(f"{gate!r} is no gate")
    return text(name), (_integer(version), gate)


def _cost(line: Any) -> tuple[Task, str, dict[str, dict[str, float]]]:
    task, method, *seconds, peak = line
    cost = {
        role: {"cpu_seconds": _number(value)} for role, value in zip(ROLES, seconds, strict=True) if value is not None
    }
    if peak is not None:
        cost.setdefault("measure", {})["peak_bytes"] = _number(peak)
    return _task(task), text(method), cost


def _digest(line: Any) -> tuple[tuple[Task, str], tuple[str | None, ...]]:
    task, method, found = line
    return (_task(task), text(method)), tuple(text_or_none(digest) for digest in found)


def _origin(plain: Mapping[str, Any]) -> Origin:
    texts = {name: text(plain[name]) for name in ("run", "prunebench", "commit", "platform", "processor")}
    environment = {text(name): _simple(value) for name, value in plain["environment"].items()}
    libraries = {text(name): text(value) for name, value in plain["libraries"].items()}
    instructions = text(plain.get("instructions", ""))
    return Origin(**texts, instructions=instructions, libraries=libraries, environment=environment)


def _presentation(plain: Any) -> dict[str, Any]:
    found = dict(plain)
    columns = found.get("column", [])
    if not isinstance(columns, list) or not all(isinstance(column, dict) for column in columns):
        raise TypeError("presentation: column is no list of columns")
    return found


def _task(value: Any) -> Task:
    check, model, dataset, recipe = value
    return text(check), text(model), text(dataset), text_or_none(recipe)


def _integer(value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{value!r} is no whole number")
    return value


def _number(value: Any) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not _finite(value):
        raise ValueError(f"{_short(value)} is no number")
    return value


def _finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond any float
        return False


def _simple(value: Any) -> str | float:
    return value if isinstance(value, str) else _number(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _status(value: Any) -> str:
    if value not in get_args(Status):
        raise ValueError(f"{value!r} is no status")
    return text(value)


def _refuse(text: str) -> float:
    raise ValueError(f"{text} is no JSON")
