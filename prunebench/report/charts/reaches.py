"""How far each method comes before its first layer is gone."""

from __future__ import annotations

import math
from collections import Counter
from statistics import fmean
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE, number
from prunebench.analysis.tables import Table
from prunebench.report.charts.axes import times
from prunebench.report.charts.base import Chart
from prunebench.report.charts.drawing import draw
from prunebench.report.charts.panels import SMALL, Axis, Label, Layer, Margins, Panel, mark, point
from prunebench.report.looks import shortened

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prunebench.report.charts.walks import Walk
    from prunebench.report.looks import Look

_NAMES = 196.0


def reach(name: str, title: str, dataset: str, walks: Sequence[Walk], every: Mapping[str, Look]) -> Chart:
    """Mean log ratio with the range of repetitions, a line a method."""
    row, width = 15.0, 380.0
    low = math.floor(10 * min(0.0, *(r for walk in walks for r in walk.ratios))) / 10
    x = Axis("log ρ_cr / log ρ_max", low, 1.02, tuple((i / 5, f"{i / 5:g}") for i in range(math.ceil(low * 5), 6)))
    y = Axis("", len(walks), 0)
    bars, dots, labels = [], [], []
    several = _repeated(walks)
    for place, walk in enumerate(walks):
        look, height = every[walk.method], place + 0.5
        said = f"{_name(walk, several)}: {_text(walk)}"
        bars.append(
            mark(look, "", x=min(walk.ratios), x2=max(walk.ratios), y=height, y2=height, stroke=look.colour,
                 strokeWidth=2.5, opacity=0.6)
        )  # fmt: skip
        dots.append(point(look, said, x=fmean(walk.ratios), y=height, size=56))
        labels.append(Label(-10, height * row, shortened(_name(walk, several)), walk.method, look.index, align="right"))
        if walk.critical is not None:
            labels.append(Label(width + 10, height * row, times(walk.critical), said, look.index, size=SMALL))
    labels.append(Label(width + 10, -9, "ρ_cr", size=SMALL))
    best = mark(None, "", x=1, x2=1, y=0, y2=len(walks), stroke="ink", strokeDash=[3, 3])
    layers = (Layer("rule", (best,)), Layer("rule", tuple(bars)), Layer("point", tuple(dots)))
    panel = Panel(width, row * len(walks), x, y, layers, tuple(labels))
    title = f"How far pruning goes before a layer is gone · {title}"
    description = (
        "Critical compression ρ_cr at which the first layer is dead, as a share of the highest possible ρ_max on a "
        f"log scale: mean over repetitions (points) and their range (bars) of {len(walks)} methods, best on top. 1, "
        "the dashed line, is a method that keeps every layer alive to the last. On the right the median of ρ_cr."
    )
    margins = Margins(left=_NAMES, right=74, top=22)
    table = Table(
        title, ("method", "log ratio", "lowest", "highest", "ρ_cr", "n"),
        tuple(
            (_name(w, several), f"{fmean(w.ratios):.3f}", f"{min(w.ratios):.3f}", f"{max(w.ratios):.3f}",
             NONE if w.critical is None else number(w.critical), str(len(w.ratios)))
            for w in walks
        ),
        (False, *(True,) * 5), dataset=dataset, methods=tuple(w.method for w in walks),
    )  # fmt: skip
    return Chart(name, title, description, draw([panel], margins, title, description), table)


def _repeated(walks: Sequence[Walk]) -> set[str]:
    """Methods that went down in several ways."""
    counts = Counter(walk.method for walk in walks)
    return {method for method, count in counts.items() if count > 1}


def _name(walk: Walk, several: set[str]) -> str:
    return f"{walk.method} · {walk.arm}" if walk.method in several else walk.method


def _text(walk: Walk) -> str:
    spread = f"{fmean(walk.ratios):.3f}, {min(walk.ratios):.3f} to {max(walk.ratios):.3f}, n = {len(walk.ratios)}"
    return spread if walk.critical is None else f"{spread}, median ρ_cr {times(walk.critical)}"
