"""Panels as a Vega-Lite specification, drawn by Vega without anything that depends on how wide a text is.

Widths of texts would be those of the fonts of a machine. So sizes are given, layouts count no texts, titles of axes
stand at fixed places, and nothing is cut or left out because it is too long.
"""

from __future__ import annotations

import math
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal

from prunebench.report.charts.panels import NORMAL, SMALL, Label, Layer, mark, said
from prunebench.report.charts.pen import drawn
from prunebench.report.charts.svg import compact
from prunebench.report.looks import INK

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from concurrent.futures import Future

    from prunebench.report.charts.panels import Axis, Kind, Margins, Panel

    Spec = dict[str, Any]

_MARKS: Mapping[Kind, Spec] = {
    "line": {"type": "line", "strokeWidth": 1.6},
    "area": {"type": "area", "fillOpacity": 0.14},
    "rule": {"type": "rule", "strokeCap": "butt"},
    "rect": {"type": "rect"},
    "point": {"type": "point", "opacity": 1, "stroke": "transparent"},
    "dot": {"type": "rule", "strokeCap": "round"},
}
_STYLES = ("stroke", "fill", "shape", "strokeDash", "opacity", "fillOpacity", "size", "strokeWidth")
_AXES: Spec = {
    "domainColor": "muted", "tickColor": "muted", "gridColor": "grid", "labelColor": INK, "titleColor": INK,
    "labelFontSize": SMALL, "titleFontSize": NORMAL, "titleFontWeight": "normal", "tickSize": 4, "labelPadding": 3,
    "labelOverlap": False, "labelLimit": 0, "titleLimit": 0, "labelBound": False, "labelFlush": False,
}  # fmt: skip


class Drawing:
    """Panels that are being drawn."""

    def __init__(self, drawn: Future[str], finish: Callable[[str], str]) -> None:
        """Of what Vega will have drawn, and what makes a chart of that."""
        self._drawn, self._finish = drawn, finish

    @cached_property
    def svg(self) -> str:
        """The `<svg>` element, once it is there.

        Raises:
            PrunebenchError: nothing can be drawn.
        """
        return self._finish(self._drawn.result())


def draw(panels: Sequence[Panel], margins: Margins, title: str, description: str) -> Drawing:
    """Panels of equal size, row by row."""
    columns = min(margins.columns, len(panels))
    rows = math.ceil(len(panels) / columns)
    first = panels[0]
    width = margins.left + columns * first.width + (columns - 1) * margins.across + margins.right
    height = margins.top + rows * first.height + (rows - 1) * margins.down + margins.bottom
    finish = partial(compact, width=width, height=height, title=title, description=description)
    return Drawing(drawn(specification(panels, margins)), finish)


def specification(panels: Sequence[Panel], margins: Margins) -> Spec:
    """Of Vega-Lite, as plain values: objects of Altair take longer to make than Vega to draw them."""
    return {
        "concat": [_panel(panel) for panel in panels],
        "columns": min(margins.columns, len(panels)),
        "bounds": "flush",
        "spacing": {"row": margins.down, "column": margins.across},
        "autosize": {"type": "none"},
        "padding": {"left": margins.left, "top": margins.top, "right": margins.right, "bottom": margins.bottom},
        "resolve": {"scale": {"x": "independent", "y": "independent"}},
        "config": {"background": "transparent", "view": {"stroke": None}, "axis": _AXES},
    }


def _panel(panel: Panel) -> Spec:
    frame = Layer("rule", (mark(None, "", x=panel.x.low, y=panel.y.low, x2=panel.x.low, y2=panel.y.low, opacity=0),))
    labels = list(panel.labels)
    if panel.title:
        labels.insert(0, Label(0, -8, panel.title, size=NORMAL, bold=True, middle=False))
    styles = list(dict.fromkeys((label.align, label.size, label.bold, label.middle) for label in labels))
    texts = [
        _texts([label for label in labels if (label.align, label.size, label.bold, label.middle) == style])
        for style in styles
    ]
    layers = [_layer(panel, layer) for layer in (frame, *panel.layers) if layer.rows]
    return {"width": panel.width, "height": panel.height, "layer": [*layers, *texts]}


def _layer(panel: Panel, layer: Layer) -> Spec:
    present = {name for row in layer.rows for name in row}
    encoding = {"x": _pixels("x"), "y": _pixels("y")} if layer.pixels else {"x": _on(panel, "x"), "y": _on(panel, "y")}
    encoding |= {name: {"field": name} for name in ("x2", "y2") if name in present}
    encoding |= {name: _as_said(name) for name in _STYLES if name in present}
    if "i" in present:
        encoding["detail"] = {"field": "i", "type": "nominal"}
    encoding["description"] = {"field": "words", "type": "nominal"}
    return {"data": {"values": layer.rows}, "mark": _MARKS[layer.kind], "encoding": encoding}


def _as_said(name: str) -> Spec:
    """A style that rows give by its value."""
    return {"field": name, "type": "nominal", "scale": None, "legend": None}


def _pixels(which: str) -> Spec:
    return {"field": which, "type": "quantitative", "scale": None, "axis": None}


def _on(panel: Panel, which: Literal["x", "y"]) -> Spec:
    """A place on one of the panel's axes."""
    axis: Axis = getattr(panel, which)
    scale: Spec = {"type": axis.scale, "domain": [axis.low, axis.high], "nice": False, "zero": False}
    if axis.scale == "symlog":
        scale["constant"] = axis.constant
    return {"field": which, "type": "quantitative", "scale": scale, "axis": _axis(panel, axis, which)}


def _axis(panel: Panel, axis: Axis, which: Literal["x", "y"]) -> Spec | None:
    shown = panel.x_axis if which == "x" else panel.y_axis
    if not axis.ticks:
        return None
    values = [value for value, _ in axis.ticks]
    texts = [text for _, text in axis.ticks]
    place: Spec = (
        {"titleX": panel.width / 2, "titleY": 26, "titleBaseline": "top"}
        if which == "x"
        else {"titleX": -36, "titleY": panel.height / 2, "titleBaseline": "bottom", "titleAngle": -90}
    )
    return {
        "values": values, "labelExpr": f"{texts!r}[indexof({values!r}, datum.value)]", "grid": axis.grid,
        "domain": which == "x", "labels": shown, "ticks": shown and which == "x",
        "title": axis.title if shown and axis.title else None, **place,
    }  # fmt: skip


def _texts(labels: Sequence[Label]) -> Spec:
    """Of one style."""
    first = labels[0]
    rows = [
        {"x": label.x, "y": label.y, "text": label.text, "fill": label.token, "words": said(label.method, label.words)}
        for label in labels
    ]
    return {
        "data": {"values": rows},
        "mark": {
            "type": "text", "align": first.align, "baseline": "middle" if first.middle else "alphabetic",
            "fontSize": first.size, "fontWeight": "bold" if first.bold else "normal",
        },
        "encoding": {
            "x": _pixels("x"), "y": _pixels("y"), "text": {"field": "text", "type": "nominal"},
            "fill": _as_said("fill"), "description": {"field": "words", "type": "nominal"},
        },
    }  # fmt: skip
