"""What a reader of a chart's SVG sees: marks, where they are, and the scales that their ticks span."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree as ET

from prunebench.analysis.results import Results

TICK_BASELINE = 3.0
"""Pixels from the middle of a letter down to its base line, at Vega's size of labels."""


@dataclass(frozen=True)
class Seen:
    tag: str
    classes: tuple[str, ...]
    method: str | None
    title: str
    x: float
    y: float
    text: str
    d: str
    attributes: dict[str, str]


@dataclass(frozen=True)
class InMemory(Results):
    """A run whose records hold their series themselves."""

    def series(self, record):
        return dict(record.series or {})


def run(records, suite="tried", unfinished=()):
    rows = [*(found.row for found in records), *unfinished]
    plan = {"run": "r", "suites": [{"name": suite, "version": 1}], "rows": [found.plain() for found in rows]}
    return InMemory(Path("nowhere"), plan, tuple(records))


def elements(svg):
    """All that is painted, where it is; of paths the translation, else the first point."""
    root = ET.fromstring(svg)
    found = []
    for child in root:
        tag = child.tag.rpartition("}")[2]
        if tag == "desc":
            continue
        titles = [inner for inner in child if inner.tag.endswith("title")]
        moved = re.match(r"translate\(([-\d.]+),([-\d.]+)\)", child.get("transform", ""))
        first = re.match(r"M([-\d.]+),([-\d.]+)", child.get("d", ""))
        place = moved or first
        x, y = (float(place[1]), float(place[2])) if place else (float(child.get("x", 0)), float(child.get("y", 0)))
        found.append(
            Seen(tag, tuple(child.get("class", "").split()), child.get("data-method"),
                 titles[0].text if titles else "", x, y,
                 "".join(child.itertext()) if tag == "text" and not titles else "".join(t.tail or "" for t in titles),
                 child.get("d", ""), dict(child.attrib))
        )  # fmt: skip
    return found


def titled(svg, beginning):
    """Marks whose words begin so."""
    return [one for one in elements(svg) if one.title.startswith(beginning)]


def points(svg, beginning):
    """Points whose words begin so: what has a place of its own."""
    return [one for one in titled(svg, beginning) if one.tag == "path" and "transform" in one.attributes]


def across(svg, low, high, *, log=False):
    """The horizontal scale through two ticks, each a text and its value: from a value to pixels."""
    return _through(*(_tick(svg, text, "x") for text, _ in (low, high)), low[1], high[1], log)


def down(svg, low, high, *, log=False):
    """The vertical scale likewise."""
    a, b = (_tick(svg, text, "y") - TICK_BASELINE for text, _ in (low, high))
    return _through(a, b, low[1], high[1], log)


def _tick(svg, text, which):
    anchor = {"x": "middle", "y": "end"}[which]
    labels = [
        one for one in elements(svg)
        if one.tag == "text" and one.text == text and not one.title and one.attributes.get("text-anchor") == anchor
    ]  # fmt: skip
    assert labels, f"no tick {text!r} among {[one.text for one in elements(svg) if one.tag == 'text']}"
    return getattr(labels[0], which)


def _through(a, b, low, high, log):
    level = math.log if log else float
    return lambda value: a + (b - a) * (level(value) - level(low)) / (level(high) - level(low))
