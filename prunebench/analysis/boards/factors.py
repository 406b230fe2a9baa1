"""Trained tickets taken apart: is it the mask, or the weights, that the data went into?"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE, digits, mean_text, measured
from prunebench.analysis.boards.grid import NOT_YET, places
from prunebench.analysis.boards.pairs import contrast
from prunebench.analysis.boards.specs import parts
from prunebench.analysis.tables import Table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from prunebench.analysis.boards.grid import Place
    from prunebench.analysis.results import Results
    from prunebench.records.presentation import Presentation

_LEGEND = (
    (
        "altered by",
        "method · what data are altered by while tickets are found. 'none', 'mask', 'weights', 'both': what of "
        "the ticket comes from altered data, the rest being the untouched ticket's; all four are trained on clean "
        "data by the same recipe",
    ),
    (
        "mask costs",
        "main effect: clean − altered mask, averaged over clean and altered weights; mean ± 95 % t interval over "
        "paired repetitions, not adjusted for the number of rows. 'weights cost' likewise",
    ),
    (
        "interaction",
        "what an altered mask costs with clean weights − what it costs with altered ones: 0 where costs add up, "
        "positive where the weights are worth less without their mask",
    ),
)


@dataclass(frozen=True)
class Square:
    """One method and arm: the 2 × 2 of masks and weights."""

    method: str
    arm: str
    planned: int
    values: Mapping[int, tuple[float, float, float, float]]
    """By repetition, in the order clean, mask, weights, both of what is altered."""
    collapsed: int
    """Repetitions in which a network of the four has no path."""
    identical: bool
    """Whether no alteration changes the ticket."""

    @property
    def name(self) -> str:
        """Method and arm."""
        return f"{self.method} · {self.arm}"

    @property
    def mask(self) -> list[float]:
        """Main effect of the mask, by repetition: clean − altered, averaged over both kinds of weights."""
        return [(c - m + w - b) / 2 for c, m, w, b in self.values.values()]

    @property
    def weights(self) -> list[float]:
        """Main effect of the weights: clean − altered, averaged over both kinds of masks."""
        return [(c - w + m - b) / 2 for c, m, w, b in self.values.values()]

    @property
    def interaction(self) -> list[float]:
        """Effect of the mask under clean weights − its effect under altered ones."""
        return [(c - m) - (w - b) for c, m, w, b in self.values.values()]


def squares(place: Place, metric: str) -> list[Square]:
    """Every arm that is there whole, with the mask alone, and with the weights alone."""
    found = []
    for method, arm in place.arms():
        whole, mask, weights = parts(arm) or ("", "", "")
        if arm != whole or not {(method, mask), (method, weights)} <= place.cells.keys():
            continue
        joint = contrast(place, method, whole, metric)
        if joint.absent == NOT_YET:
            continue
        cells = [place.of(method, name) for name in (joint.reference or None, mask, weights, whole)]
        by_mask, by_weights = (cell.values(metric) for cell in cells[1:3])
        found.append(
            Square(
                method=method,
                arm=arm,
                planned=joint.planned,
                values={
                    n: (clean, by_mask[n], by_weights[n], both)
                    for n, (clean, both) in joint.pairs.items()
                    if n in by_mask and n in by_weights
                },
                collapsed=sum(any(cell.state(n) == "collapsed" for cell in cells) for n in cells[3].records),
                identical=joint.identical,
            )
        )
    return found


def factors(suite: str, presentation: Presentation, results: Results) -> list[Table]:
    """One table a task and density with such arms: the four means, and what mask and weights cost."""
    assert presentation.verdicts is not None, "the section needs [verdicts]"
    metric = presentation.verdicts.metric
    size = digits(metric)
    found = []
    for place in places(suite, results):
        if not (rows := squares(place, metric)):
            continue
        found.append(
            Table(
                f"masks and weights taken apart · {place.title} — {measured(metric)}, with none, one or "
                "both of them from altered data, and what each costs",
                ("altered by", "none", "mask", "weights", "both", "mask costs", "weights cost", "interaction", "n"),
                tuple(_row(square, size) for square in rows),
                (False, *(True,) * 8),
                whole=True,
                legend=_LEGEND,
                dataset=place.dataset,
                methods=tuple(square.method for square in rows),
                holes=tuple(len(square.values) < square.planned for square in rows),
            )
        )  # fmt: skip
    return found


def _row(square: Square, size: int) -> tuple[str, ...]:
    columns = list(zip(*square.values.values(), strict=True))
    means = [f"{fmean(column):.{size}f}" for column in columns] if columns else [NONE] * 4
    effects = [
        mean_text(effect, size) if effect else NONE for effect in (square.mask, square.weights, square.interaction)
    ]
    if square.identical:
        effects = ["identical"] * 3
    n = str(square.planned) if len(square.values) == square.planned else f"{len(square.values)}/{square.planned}"
    return f"{square.name} (no path in {square.collapsed})" if square.collapsed else square.name, *means, *effects, n
