"""The four kinds of field: what a setting may change.

Every field of a suite, scale, grid, task, method or run option is annotated with exactly one kind,
`name: Annotated[str, Kind.ROW]`; `kinds` reads the annotations and refuses a field with none or two.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Any, get_args, get_origin, get_type_hints


class Kind(Enum):
    """What a field takes part in."""

    ROW = "row"
    """Identity of a cell: journal, tables and baselines join on it. Enters the content key where a step uses it."""
    CONTENT = "content"
    """Enters the content key of the steps that use it, but names no row."""
    ENVIRONMENT = "environment"
    """Moves results in their last digits: namespaces the artifact store, enters no row and no key."""
    RUNTIME = "runtime"
    """Changes no result: workers, paths, timeouts, texts for people."""


def kinds(cls: type) -> dict[str, Kind]:
    """Kind of each annotated field of a class.

    Raises:
        TypeError: a field has no kind, or more than one.
    """
    found: dict[str, Kind] = {}
    for name, hint in get_type_hints(cls, include_extras=True).items():
        if name.startswith("_") or name == "model_config" or "ClassVar" in str(hint):
            continue
        marks = [m for m in get_args(hint)[1:] if isinstance(m, Kind)] if get_origin(hint) is Annotated else []
        if len(marks) != 1:
            raise TypeError(f"{cls.__name__}.{name} has {len(marks)} kinds of field, needs exactly one")
        found[name] = marks[0]
    return found


def select(value: object, kind: Kind) -> dict[str, Any]:
    """The fields of one kind, by name."""
    return {name: getattr(value, name) for name, k in kinds(type(value)).items() if k is kind}
