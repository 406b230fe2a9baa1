"""JSON values that have to be of a type."""

from __future__ import annotations

from typing import Any


def text(value: Any) -> str:
    """The value, a text.

    Raises:
        TypeError: it is none.
    """
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def text_or_none(value: Any) -> str | None:
    """The value, a text or None.

    Raises:
        TypeError: it is neither.
    """
    return None if value is None else text(value)
