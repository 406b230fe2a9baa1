"""How methods look on a page: the same in all of its charts, and never told apart by colour alone."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunebench.analysis.tradeoff import DENSE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from prunebench.analysis.results import Results

COLOURS = tuple(f"m{i}" for i in range(10))
"""Classes of `templates/charts.css`."""
INK = "ink"
"""Class of what is no method among others: axes, the dense network."""
SHAPES = {
    "circle": "M0,-4A4,4,0,1,1,0,4A4,4,0,1,1,0,-4Z",
    "square": "M-3.5,-3.5H3.5V3.5H-3.5Z",
    "triangle-up": "M0,-4.5L4.2,3.2H-4.2Z",
    "diamond": "M0,-4.8L4,0L0,4.8L-4,0Z",
    "cross": "M-1.5,-4.5H1.5V-1.5H4.5V1.5H1.5V4.5H-1.5V1.5H-4.5V-1.5H-1.5Z",
    "triangle-down": "M0,4.5L4.2,-3.2H-4.2Z",
}
"""Vega's names, and paths about the origin."""
DASHES: tuple[tuple[int, ...], ...] = ((), (7, 3), (2, 2), (7, 2, 2, 2))
_LONGEST = 28


@dataclass(frozen=True, slots=True)
class Look:
    """A colour, a shape of points and a dash of lines."""

    index: int
    """Of the method on the page, from 0; marks carry it as `data-method`."""
    colour: str
    """Class of `templates/charts.css`: one of `COLOURS`, `ink` of the dense network."""
    shape: str
    """One of `SHAPES`."""
    dash: tuple[int, ...]
    """Lengths of dashes and gaps; empty for a line without."""


def looks(results: Results) -> dict[str, Look]:
    """The look of every planned method, by spec.

    Methods are numbered by sorted spec, so that a look depends on nothing but who else is on the page.
    """
    return looks_of({row.method for row in results.rows})


def looks_of(methods: Iterable[str]) -> dict[str, Look]:
    """Looks by spec: 24 that differ without colour, 120 that differ with it."""
    found = {}
    place = 0
    for index, method in enumerate(sorted(set(methods))):
        if method == DENSE:
            found[method] = Look(index, INK, "circle", ())
            continue
        found[method] = Look(
            index,
            COLOURS[place % len(COLOURS)],
            tuple(SHAPES)[place % len(SHAPES)],
            DASHES[place // len(SHAPES) % len(DASHES)],
        )
        place += 1
    return found


def swatch(look: Look) -> str:
    """An SVG of a line with a point, for a legend; it says nothing that the name beside it does not."""
    dash = f' stroke-dasharray="{",".join(map(str, look.dash))}"' if look.dash else ""
    return (
        f'<svg class="chart swatch" width="30" height="12" viewBox="-15 -6 30 12" aria-hidden="true" focusable="false">'
        f'<path class="s-{look.colour}" d="M-14,0H14" fill="none" stroke-width="2"{dash}/>'
        f'<path class="f-{look.colour} s-paper" d="{SHAPES[look.shape]}"/></svg>'
    )


def one_line(text: str) -> str:
    """The text without line breaks, control characters and marks that change its direction."""
    return " ".join("".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text).split())


def shortened(name: str, longest: int = _LONGEST) -> str:
    """A name for a chart: one line without control characters, its middle left out where it is long.

    Parameters stand at the end of a spec, and tell its variants apart.
    """
    text = one_line(name)
    if len(text) > longest:
        tail = (longest - 1) // 2
        text = f"{text[: longest - 1 - tail].rstrip()}…{text[len(text) - tail :].lstrip()}"
    right_to_left = any(unicodedata.bidirectional(c) in {"R", "AL", "AN"} for c in text)
    return f"\u2068{text}\u2069" if right_to_left else text
