"""Which layers are left at which compression: a heat map a method."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE
from prunebench.analysis.tables import Table
from prunebench.report.charts.axes import times
from prunebench.report.charts.base import Chart
from prunebench.report.charts.insets import draw_mosaic, mosaic
from prunebench.report.charts.panels import CROSS, SMALL, Axis, Label, Layer, Margins, mark
from prunebench.report.charts.svg import SEQUENTIAL
from prunebench.report.looks import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prunebench.report.charts.walks import Walk
    from prunebench.report.looks import Look

_PANELS = 24
_DECADES = 4.0
"""Of the scale of shares: from 1 down to what is its lightest shade."""
_WIDTH, _TALLEST, _COLUMNS = 214.0, 110.0, 3
_TICK = 34.0
"""Pixels from tick to tick at least."""


def layers_kept(name: str, title: str, dataset: str, walks: Sequence[Walk], every: Mapping[str, Look]) -> list[Chart]:
    """The kept share of every layer over compression, an inset a method."""
    shown = [walk for walk in walks if walk.shares][:_PANELS]
    if not shown:
        return []
    layers = shown[0].layers
    shown = [walk for walk in shown if walk.layers == layers]
    order = _order(layers)
    densities = sorted({density for walk in shown for density in walk.shares}, reverse=True)
    edges = _edges([1 / density for density in densities])
    height = len(layers) * max(6.0, min(16.0, _TALLEST // len(layers)))
    x = Axis("compression", edges[0], edges[-1], _ticks(densities, edges), "log", grid=False)
    y = Axis("", len(layers), 0, _layer_ticks([layers[i] for i in order], height), grid=False)
    found = mosaic(len(shown), x, y, (_WIDTH, height), _COLUMNS)
    cells, signs, lines, labels = [], [], [], []
    for place, walk in zip(found.insets, shown, strict=True):
        look = every[walk.method]
        inset = place.of(look)
        for i, layer in enumerate(order):
            for start, end, shade in _runs(walk, densities, layer):
                cells.append(inset.box(edges[start], i, edges[end], i + 1, fill=shade))
        for density, rows in walk.shares.items():
            columns = list(zip(*rows, strict=True))
            for i, column in enumerate(columns[layer] for layer in order):
                if dead := sum(share == 0 for share in column):
                    left, top = inset.at(1 / density, i + 0.5)
                    style = {"strokeWidth": 1.4 if dead == len(column) else 0.7, "size": 26}
                    signs.append(mark(look, "", x=left, y=top, shape=CROSS, stroke="ink", **style))
        if walk.critical is not None and x.low < walk.critical < x.high:
            lines.append(inset.rule(walk.critical, 0, walk.critical, len(layers), stroke="ink", strokeWidth=2))
        ends = f" {times(walk.critical)}" if walk.critical is not None else ""
        labels.append(
            Label(inset.left, inset.top - 9, f"{shortened(walk.method, 30)}{ends}", f"{walk.method}: ρ_cr{ends}",
                  look.index, size=SMALL)
        )  # fmt: skip
    cells.sort(key=lambda row: (row["words"], row["fill"]))
    signs.sort(key=lambda row: (row["words"], row["strokeWidth"]))
    key, words = _key(found.width)
    drawn = (
        Layer("rect", (*cells, *key), pixels=True), Layer("rule", tuple(lines), pixels=True),
        Layer("point", tuple(signs), pixels=True),
    )  # fmt: skip
    title = f"Weights kept by layer · {title}"
    left = len(walks) - len(shown)
    description = (
        f"Share of its weights that each of {len(layers)} layers keeps (darker is more in light colours, lighter in "
        f"dark ones; half a decade a shade) at {len(densities)} compressions, mean over repetitions, for {len(shown)} "
        "methods, the one that goes furthest first. Crosses: layers without any weight, thin where only in some "
        "repetitions. The vertical line, and the number beside the name, is the median compression ρ_cr at which the "
        "first layer is gone." + (f" {left} more methods are in the tables." if left else "")
    )
    margins = Margins(left=96, top=54, right=12, bottom=40)
    drawing = draw_mosaic(found, drawn, [*labels, *words], margins, title, description)
    table = _kept(title, dataset, shown, [(layers[i], i) for i in order], densities)
    return [Chart(name, title, description, drawing, table)]


def _runs(walk: Walk, densities: Sequence[float], layer: int) -> list[tuple[int, int, str]]:
    """First column, first column after, and shade of neighbouring densities that have one shade."""
    found: list[tuple[int, int, str]] = []
    for place, density in enumerate(densities):
        if density in walk.shares:
            shade = _shade(fmean(row[layer] for row in walk.shares[density]))
            if found and found[-1][1:] == (place, shade):
                found[-1] = (found[-1][0], place + 1, shade)
            else:
                found.append((place, place + 1, shade))
    return found


def _edges(compressions: Sequence[float]) -> list[float]:
    """Where columns meet: geometric means of neighbours, and as far beyond the first and the last."""
    if len(compressions) == 1:
        return [compressions[0] / 2, compressions[0] * 2]
    inner = [math.sqrt(a * b) for a, b in pairwise(compressions)]
    return [compressions[0] ** 2 / inner[0], *inner, compressions[-1] ** 2 / inner[-1]]


def _order(layers: Sequence[str]) -> list[int]:
    """As recorded; where that is the alphabet's order, the numbers in names count as numbers."""
    places = list(range(len(layers)))
    if list(layers) != sorted(layers):
        return places
    return sorted(places, key=lambda i: [(not part.isdigit(), int(part) if part.isdigit() else 0, part)
                                         for part in re.split(r"(\d+)", layers[i])])  # fmt: skip


def _ticks(densities: Sequence[float], edges: Sequence[float]) -> tuple[tuple[float, str], ...]:
    """Those that there is room for."""
    least = _TICK * math.log(edges[-1] / edges[0]) / _WIDTH
    shown: list[float] = []
    for density in densities:
        if not shown or math.log(1 / density / shown[-1]) >= least:
            shown.append(1 / density)
    return tuple((value, times(value)) for value in shown)


def _layer_ticks(layers: Sequence[str], height: float) -> tuple[tuple[float, str], ...]:
    """Names of layers in the middle of their rows, as many as there is room for."""
    stride = max(1, math.ceil(10 * len(layers) / height))
    return tuple((i + 0.5, shortened(layers[i], 15)) for i in range(0, len(layers), stride))


def _shade(share: float) -> str:
    """A class for a kept share, equal steps of its logarithm: the lightest for what is a ten-thousandth, or nothing."""
    last = len(SEQUENTIAL) - 1
    if share <= 0:
        return SEQUENTIAL[0]
    return SEQUENTIAL[min(last, max(0, math.floor(last * (1 + math.log10(share) / _DECADES) + 1e-9)))]


def _key(width: float) -> tuple[list[dict[str, object]], list[Label]]:
    """The shades with what they stand for, above the first row on the right."""
    step, top = 22.0, -42.0
    left = max(0.0, width - step * len(SEQUENTIAL) - 30)
    boxes = [
        mark(None, "", x=left + i * step, x2=left + (i + 1) * step, y=top, y2=top + 9, fill=shade)
        for i, shade in enumerate(SEQUENTIAL)
    ]
    texts = [
        Label(left - 6, top + 5, "kept share of a layer", align="right", size=9),
        *(
            Label(left + i * step, top + 16, text, align="center", size=9)
            for i, text in ((0, "≤ 0.01 %"), (2, "0.1 %"), (4, "1 %"), (6, "10 %"), (8, "100 %"))
        ),
    ]
    return boxes, texts


def _kept(
    title: str, dataset: str, walks: Sequence[Walk], layers: Sequence[tuple[str, int]], densities: Sequence[float]
) -> Table:
    rows = []
    for walk in walks:
        for layer, i in layers:
            means = [fmean(row[i] for row in walk.shares[d]) if d in walk.shares else None for d in densities]
            rows.append((walk.method, layer, *(NONE if mean is None else f"{100 * mean:.3g}" for mean in means)))
    return Table(
        f"{title} — in %", ("method", "layer", *(times(1 / d) for d in densities)), tuple(rows),
        (False, False, *(True for _ in densities)), dataset=dataset, methods=tuple(row[0] for row in rows),
    )  # fmt: skip
