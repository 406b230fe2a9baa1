"""What Vega draws, as one flat SVG element without colours, fonts, identifiers or styles, to a tenth of a pixel.

Colours are words (`TOKENS`) that become classes of `templates/charts.css`; what a mark says becomes its title.
"""

from __future__ import annotations

import re
from html import escape
from itertools import groupby
from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

from prunebench.report.looks import COLOURS, INK

if TYPE_CHECKING:
    from collections.abc import Iterator

SEQUENTIAL = tuple(f"q{i}" for i in range(9))
"""Classes from little to much."""
TOKENS = frozenset((INK, "muted", "grid", "paper", "area", *COLOURS, *SEQUENTIAL))
"""Words for colours, each a class: `f-` of fills, `s-` of strokes."""
MARK = "\u241f"
"""Between the number of a mark's method and what the mark says."""
_NUMBER = re.compile(r"-?\d*\.?\d+(?:e[-+]?\d+)?")
_COMMAND = re.compile(r"([MLHVCSQAZhvlz])([^MLHVCSQAZhvlz]*)")
_TRANSLATE = re.compile(r"translate\(([^,]+),([^)]+)\)")
_KEPT = {
    "stroke-width": "1", "stroke-dasharray": "", "stroke-linecap": "butt", "opacity": "1", "fill-opacity": "1",
    "stroke-opacity": "1", "text-anchor": "start", "font-size": "", "font-weight": "normal",
}  # fmt: skip
"""Attributes that stay, and the value that says nothing."""

_Element = tuple[str, dict[str, str], str, str]
"""Tag, attributes, title, text."""


def compact(drawn: str, width: float, height: float, title: str, description: str) -> str:
    """An `<svg>` of that size.

    Args:
        drawn: by Vega, its groups moved by nothing but translations.
        width: in pixels, all that is drawn.
        height: likewise.
        title: its name for those who do not see it.
        description: what there is to see.

    Raises:
        ValueError: a colour that is no token, or an element that is no line, path or text.
    """
    merged: list[str] = []
    elements = list(_elements(ET.fromstring(drawn), 0.0, 0.0))
    for _, same in groupby(elements, key=_style):
        merged += [_text(element) for element in _joined(list(same))]
    across, down = _short(width), _short(height)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" viewBox="0 0 {across} {down}"'
        f' width="{across}" height="{down}" fill="none" aria-label="{escape(title)}">'
        f"<desc>{escape(description)}</desc>{''.join(merged)}</svg>"
    )


def _elements(parent: ET.Element, x: float, y: float) -> Iterator[_Element]:
    """Everything that is painted, in order, where it stands in the whole."""
    for child in parent:
        tag = child.tag.rpartition("}")[2]
        if (
            child.get("class") in {"background", "foreground"}
            or child.get("display") == "none"
            or child.get("opacity") == "0"
        ):
            continue
        dx, dy = _moved(child)
        if tag == "g":
            yield from _elements(child, x + dx, y + dy)
        elif tag in {"line", "path", "text"}:
            yield _element(tag, child, x, y)
        else:
            raise ValueError(f"a chart drew <{tag}>, of which nothing is known")


def _element(tag: str, found: ET.Element, x: float, y: float) -> _Element:
    attributes: dict[str, str] = {}
    if classes := [f"{kind[0]}-{token}" for kind in ("fill", "stroke") if (token := _token(found.get(kind)))]:
        attributes["class"] = " ".join(classes)
    for name, usual in _KEPT.items():
        if (value := found.get(name)) is not None and value.removesuffix("px") != usual:
            attributes[name] = value.removesuffix("px")
    method, _, title = (found.get("aria-label") or "").partition(MARK)
    if method:
        attributes["data-method"] = method
    dx, dy = _moved(found)
    if tag == "line":
        right, down = float(found.get("x2", 0)), float(found.get("y2", 0))
        end = "h0" if right == down == 0 else f"L{_short(x + dx + right)},{_short(y + dy + down)}"
        attributes["d"] = f"M{_short(x + dx)},{_short(y + dy)}{end}"
        return "path", attributes, title, ""
    if tag == "path":
        shape = found.get("d", "")
        if found.get("transform") is None or not title:
            attributes["d"] = _shifted(shape, x + dx, y + dy)
        else:
            attributes |= {"transform": f"translate({_short(x + dx)},{_short(y + dy)})", "d": _shifted(shape, 0, 0)}
        return "path", attributes, title, ""
    turned = re.search(r"rotate\(([^)]+)\)", found.get("transform", ""))
    if turned:
        after = _TRANSLATE.search(found.get("transform", ""), turned.end())
        rest = f" translate({_rounded(after[1])},{_rounded(after[2])})" if after else ""
        place = f"translate({_short(x + dx)},{_short(y + dy)})"
        attributes["transform"] = f"{place} rotate({_rounded(turned[1])}){rest}"
    else:
        attributes |= {"x": _short(x + dx), "y": _short(y + dy)}
    return "text", attributes, title, "".join(found.itertext())


def _style(element: _Element) -> tuple[object, ...]:
    """Equal for neighbours that may be one path."""
    tag, attributes, title, _ = element
    if tag != "path" or title or "transform" in attributes:
        return (id(element),)
    return tuple((name, value) for name, value in attributes.items() if name != "d")


def _joined(same: list[_Element]) -> list[_Element]:
    if len(same) == 1:
        return same
    tag, attributes, _, _ = same[0]
    return [(tag, {**attributes, "d": "".join(attributes["d"] for _, attributes, _, _ in same)}, "", "")]


def _text(element: _Element) -> str:
    tag, attributes, title, text = element
    written = "".join(f' {name}="{escape(value)}"' for name, value in attributes.items())
    inside = (f"<title>{escape(title)}</title>" if title else "") + escape(text)
    return f"<{tag}{written}>{inside}</{tag}>" if inside else f"<{tag}{written}/>"


def _token(colour: str | None) -> str:
    if colour in {None, "none", "transparent"}:
        return ""
    if colour not in TOKENS:
        raise ValueError(f"a chart has the colour {colour!r}, which is no class")
    return str(colour)


def _moved(element: ET.Element) -> tuple[float, float]:
    found = _TRANSLATE.match(element.get("transform", ""))
    return (float(found[1]), float(found[2])) if found else (0.0, 0.0)


def _shifted(path: str, x: float, y: float) -> str:
    """A path moved, its numbers rounded."""
    parts = []
    for command, written in _COMMAND.findall(path):
        numbers = [float(number) for number in _NUMBER.findall(written)]
        if command in "MLCSQ":
            numbers = [n + (y if i % 2 else x) for i, n in enumerate(numbers)]
        elif command == "A":
            numbers = [n + (x if i % 7 == 5 else y if i % 7 == 6 else 0) for i, n in enumerate(numbers)]
        elif command in "HV":
            numbers = [n + (x if command == "H" else y) for n in numbers]
        parts.append(command + ",".join(_short(number) for number in numbers))
    return "".join(parts)


def _rounded(text: str) -> str:
    return _short(float(text))


def _short(value: float) -> str:
    """To a tenth; no minus before zero, no zero behind the point."""
    return f"{round(value, 1) + 0.0:.1f}".removesuffix(".0")
