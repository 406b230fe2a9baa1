"""Records of earlier schemas, brought up to the present one step by step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from prunebench.errors import StoreError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SCHEMA = 2
"""Number of the present schema, written into every record."""


def _to_2(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Metrics have versions; until then every one was at its first."""
    return {**plain, "metric_versions": {}}


MIGRATIONS: Mapping[int, Callable[[Mapping[str, Any]], dict[str, Any]]] = {1: _to_2}
"""By the schema that each reads; it gives the next."""


def present(plain: Mapping[str, Any]) -> Mapping[str, Any]:
    """A record as the present schema has it, but for the number.

    Raises:
        StoreError: of a schema that this version does not know.
        KeyError, TypeError: no record.
    """
    number = plain["schema"]
    if number == SCHEMA:
        return plain
    if isinstance(number, bool) or not isinstance(number, int) or number < min(MIGRATIONS):
        raise StoreError(f"record of schema {number!r}; there is none, they begin at {min(MIGRATIONS)}")
    if number > SCHEMA:
        raise StoreError(f"record of schema {number}; this version reads up to {SCHEMA}: update prunebench")
    for step in range(number, SCHEMA):
        plain = MIGRATIONS[step](plain)
    return plain
