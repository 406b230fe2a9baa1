"""Keep ratios by layer, of clean and of altered data: does a method do more than find them?"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE
from prunebench.analysis.boards.grid import UNTOUCHED, places
from prunebench.analysis.boards.specs import alters_finding, parts
from prunebench.analysis.statistics.intervals import mean_interval
from prunebench.analysis.statistics.ranks import tied_ranks
from prunebench.analysis.tables import Table
from prunebench.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from prunebench.analysis.boards.grid import Place
    from prunebench.analysis.results import Results
    from prunebench.records.presentation import Presentation

_SMART = "smart-ratio"
"""The rule whose ratios stand first."""
_MOST = 12
"""Layers that a table shows; of more, so many at equal distances, the first and the last among them."""
_LEGEND = (
    (
        "keep ratio",
        "weights kept over weights of the layer in %, mean over repetitions; layers stand in the order of the "
        "network. Arms are those that find the ticket on altered data",
    ),
    (
        "depth",
        "Spearman rank correlation of the mean keep ratio with depth, over all layers but the last, which rules "
        "often set apart: -1 where ratios fall from layer to layer, 1 where they rise",
    ),
    (
        "largest change",
        "of any layer's keep ratio against the untouched ticket's, in points: mean of paired differences, altered "
        "− clean, ± half its t interval, which covers all layers at 95 % (Bonferroni)",
    ),
)


@dataclass(frozen=True)
class Profile:
    """Keep ratios of one method's arm, in % of each layer."""

    layers: tuple[str, ...]
    ratios: Mapping[int, tuple[float, ...]]
    """By repetition."""

    @property
    def means(self) -> list[float]:
        """By layer, over repetitions."""
        return [fmean(column) for column in zip(*self.ratios.values(), strict=True)]


def ratios(suite: str, presentation: Presentation, results: Results) -> list[Table]:  # noqa: ARG001
    """One table a task and density: methods, and the arms that alter the data they see."""
    found = (_table(place, results) for place in places(suite, results))
    return [table for table in found if table is not None]


def _table(place: Place, results: Results) -> Table | None:
    methods = sorted(dict.fromkeys(method for method, _ in place.cells), key=lambda m: Spec.parse(m).name != _SMART)
    rows: list[tuple[list[str], str, list[str]]] = []
    shown_methods: list[str] = []
    layers: tuple[str, ...] = ()
    for method in methods:
        for arm in (None, *_altering([arm for own, arm in place.arms() if own == method])):
            if (found := profile(place, method, arm, results)) is None:
                continue
            layers = found.layers
            name = f"{method} · {arm}" if arm else method
            shown = [f"{found.means[i]:.2f}" for i in _chosen(len(layers))]
            change = largest_change(place, method, arm, found, results) if arm else (NONE, NONE)
            shown_methods.append(method)
            rows.append(([name, *shown], depth_trend(found.means), [*change, str(len(found.ratios))]))
    if not rows:
        return None
    chosen = _chosen(len(layers))
    part = f", {len(chosen)} of {len(layers)} layers" if len(chosen) < len(layers) else ""
    deep = any(depth != NONE for _, depth, _ in rows)
    return Table(
        f"keep ratios by layer · {place.title} — in %{part}",
        ("keep ratio", *(layers[i] for i in chosen), *(["depth"] if deep else []), "largest change", "in", "n"),
        tuple((*first, *([depth] if deep else []), *last) for first, depth, last in rows),
        (False, *(True for _ in chosen), *([True] if deep else []), True, False, True),
        whole=True,
        legend=tuple(pair for pair in _LEGEND if deep or pair[0] != "depth"),
        dataset=place.dataset,
        methods=tuple(shown_methods),
    )


def profile(place: Place, method: str, arm: str | None, results: Results) -> Profile | None:
    """Keep ratios of the repetitions that have them; None if none has, or all are dense."""
    layers: tuple[str, ...] = ()
    found: dict[int, tuple[float, ...]] = {}
    for n, record in place.of(method, arm).records.items():
        if record is None or record.status != "ok":
            continue
        series = results.series(record)
        if {"layer", "kept_by_layer", "size_by_layer"} <= series.keys():
            layers = tuple(series["layer"])
            pairs = zip(series["kept_by_layer"], series["size_by_layer"], strict=True)
            found[n] = tuple(100 * kept / size for kept, size in pairs)
    dense = all(ratio == 100 for ratios in found.values() for ratio in ratios)
    return None if dense else Profile(layers, found)


def depth_trend(means: Sequence[float]) -> str:
    """Spearman's ρ of all but the last with their place; none of fewer than three, or of equals."""
    inner = means[:-1]
    if len(inner) < 3 or max(inner) - min(inner) < 1e-9:
        return NONE
    import numpy as np

    ranks = tied_ranks(np.asarray(inner))
    return f"{np.corrcoef(np.arange(len(ranks)), ranks)[0, 1] + 0.0:.2f}"


def largest_change(place: Place, method: str, arm: str, found: Profile, results: Results) -> tuple[str, str]:
    """The layer with the largest mean change against the reference: its change with interval, and its name."""
    records = place.of(method, arm).records
    differences: list[list[float]] = []
    names = {n: (r.labels.get("reference", UNTOUCHED) or None) for n in found.ratios if (r := records[n]) is not None}
    references = {name: profile(place, method, name, results) for name in dict.fromkeys(names.values())}
    for n, name in names.items():
        reference = references[name]
        if reference is not None and n in reference.ratios:
            differences.append([a - b for a, b in zip(found.ratios[n], reference.ratios[n], strict=True)])
    if not differences:
        return NONE, NONE
    by_layer = list(zip(*differences, strict=True))
    worst = max(range(len(by_layer)), key=lambda layer: abs(fmean(by_layer[layer])))
    mean = mean_interval(by_layer[worst], 1 - 0.05 / len(by_layer))
    if not any(map(any, by_layer)):
        return "0", NONE
    half = "" if mean.half_width is None else f" ± {mean.half_width:.2f}"
    return f"{mean.value:.2f}{half}", found.layers[worst]


def _altering(arms: Sequence[str]) -> Iterator[str]:
    """Arms that alter what masks are found with. A mask that is grafted on other weights is that of the whole arm."""
    for arm in filter(alters_finding, arms):
        whole, mask, weights = parts(arm) or (arm, "", "")
        if arm != weights and not (arm == mask and whole in arms):
            yield arm


def _chosen(layers: int) -> list[int]:
    """Places of the layers that are shown."""
    if layers <= _MOST:
        return list(range(layers))
    return [round(i * (layers - 1) / (_MOST - 1)) for i in range(_MOST)]
