"""How answers are worded."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.analysis.lint.sheet import OWN

if TYPE_CHECKING:
    from collections.abc import Sequence

    import polars as pl

    from prunebench.analysis.lint.items import Answer

UNTRAINED = "no row has an accuracy: nothing was trained"
_SHOWN = 3


def answer(reasons: Sequence[str], fine: str) -> Answer:
    """Missing for some reasons, or ok."""
    return ("missing", "; also ".join(reasons)) if reasons else ("ok", fine)


def listed(names: Sequence[str] | pl.Series, between: str = "; ") -> str:
    """The first few, and how many there are."""
    shown = between.join(names[:_SHOWN])
    more = len(names) - _SHOWN
    return f"{shown} and {more} more" if more > 0 else shown


def number(count: int, thing: str) -> str:
    """A count of things."""
    return f"{count} {thing}{'s' * (count != 1)}"


def where(*levels: float) -> str:
    """The densities of a label, none for those that are an outcome."""
    asked = [f"{level:g}" for level in levels if level != OWN]
    more = f" and {len(asked) - _SHOWN} more densities" if len(asked) > _SHOWN else ""
    return f" at {', '.join(asked[:_SHOWN])}{more}" if asked else ""


def methods_of(rows: pl.DataFrame) -> str:
    """Their methods."""
    return listed(rows["method"].unique().sort(), ", ")
