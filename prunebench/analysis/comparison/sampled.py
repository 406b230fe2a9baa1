"""Values that a training drew: differences by repetition, averaged over densities, tested with those of other methods.

What is found of one repetition comes of one dense training, so its densities are no independent draws: a repetition
gives one difference D_r, its mean over the densities that both sides have. Spreads are pooled over the methods and arms
of a task (`statistics.pooling`), and discoveries are made at a rate of 5 % in each of three families of a suite's
tests: of the metrics that it answers its question with; of structural metrics that chaos may have moved, which gate
too; and of all others, which do not.
"""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import p_text
from prunebench.analysis.comparison.states import Item, State, gating, judged
from prunebench.analysis.statistics.discoveries import discovery_rates
from prunebench.analysis.statistics.pooling import pooled_tests
from prunebench.analysis.statistics.power import MOST, needed_for_difference
from prunebench.records.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from prunebench.analysis.comparison.cells import Pair
    from prunebench.analysis.comparison.sides import Group
    from prunebench.analysis.statistics.pooling import Tested
    from prunebench.records.baseline import Task
    from prunebench.records.presentation import Presentation

LEVEL = 0.05
"""Of false discoveries."""
_ERRORS = 2.0
"""Standard errors that a difference must reach where the suite gives no tolerance."""
_MANY = 20
"""Values of a metric whose smallest distance tells its step."""
_POINTS = {"%", "points"}


@dataclass(frozen=True)
class Sample:
    """The pairs of one metric of a group."""

    group: Group
    metric: str
    pairs: Sequence[Pair]
    structural: bool = False
    """Whether it is a mask's, and no training was before."""

    @property
    def differences(self) -> Mapping[int, float]:
        """D_r, by repetition."""
        found: dict[int, list[float]] = defaultdict(list)
        for pair in self.pairs:
            found[pair.repetition].append(pair.difference)
        return {n: fmean(values) for n, values in sorted(found.items())}

    @property
    def counted(self) -> str:
        """Repetitions and densities."""
        densities = {pair.density for pair in self.pairs}
        shown = f", {len(densities)} densities" if len(densities) > 1 else ""
        return f"n {len({pair.repetition for pair in self.pairs})}{shown}"


def gating_metrics(presentation: Presentation) -> list[str]:
    """What a suite answers its question with: its primary metric, that of its curves and that of its verdicts."""
    curve, verdicts = presentation.curve, presentation.verdicts
    asked = [presentation.primary.metric, *([curve.metric] if curve else []), *([verdicts.metric] if verdicts else [])]
    return list(dict.fromkeys(asked))


def tested(samples: Sequence[Sample], presentation: Presentation) -> list[Item]:
    """An item a sample, in their order."""
    asked = set(gating_metrics(presentation))
    families: dict[str, dict[int, Sample]] = defaultdict(dict)
    for i, sample in enumerate(samples):
        kind = "structural" if sample.structural else "asked" if sample.metric in asked else "other"
        families[kind][i] = sample
    found: dict[int, Item] = {}
    for kind, own in families.items():
        outcomes = _outcomes(own)
        known = [i for i, outcome in outcomes.items() if outcome.p is not None]
        rates = dict(zip(known, discovery_rates([outcomes[i].p or 0.0 for i in known]), strict=True))
        discoveries = sum(rate <= LEVEL for rate in rates.values())
        level = LEVEL * (discoveries + 1) / max(len(rates), 1)
        for i, sample in own.items():
            tolerance = _tolerance(sample.metric, presentation)
            found[i] = _item(sample, outcomes.get(i), rates.get(i), tolerance, min(level, LEVEL), gates=kind != "other")
    return [found[i] for i in sorted(found)]


def _outcomes(samples: Mapping[int, Sample]) -> dict[int, Tested]:
    """Tests of those samples that have a difference, pooled by task and metric."""
    pools: dict[tuple[Task, str], list[int]] = defaultdict(list)
    for i, sample in samples.items():
        if any(pair.difference for pair in sample.pairs):
            pools[sample.group[0], sample.metric].append(i)
    found: dict[int, Tested] = {}
    for pool in pools.values():
        step = _step(pair for i in pool for pair in samples[i].pairs)
        fewest = max(len({pair.density for pair in samples[i].pairs}) for i in pool)
        tests = pooled_tests([samples[i].differences for i in pool], step / fewest)
        found.update(zip(pool, tests, strict=True))
    return found


def _step(pairs: Iterable[Pair]) -> float:
    """The smallest distance between two of many values: about the step of an accuracy. Zero where values are few."""
    values = sorted({value for pair in pairs for value in (pair.old, pair.new)})
    if len(values) < _MANY:
        return 0.0
    return min((b - a for a, b in pairwise(values) if b - a > 1e-9 * max(abs(b), 1.0)), default=0.0)


def _tolerance(metric: str, presentation: Presentation) -> float | None:
    """The suite's, for its primary metric and what is counted in the same points; None of others."""
    primary = presentation.primary
    if metric == primary.metric:
        return primary.tolerance
    units = [METRICS[name].unit for name in (metric, primary.metric) if name in METRICS]
    return primary.tolerance if len(units) == 2 and set(units) <= _POINTS else None


def _item(
    sample: Sample, test: Tested | None, rate: float | None, tolerance: float | None, level: float, *, gates: bool
) -> Item:
    old, new = fmean(pair.old for pair in sample.pairs), fmean(pair.new for pair in sample.pairs)
    place = *sample.group, sample.metric
    if test is None:
        return Item(*place, State.SAME, False, old, new, sample.counted)
    # What rounding does not explain of a mask is beyond the tolerance already.
    beyond = sample.structural or abs(test.mean) > _bound(test, tolerance)
    significant = rate is not None and rate <= LEVEL
    told = f"{sample.counted}, difference {test.mean:+.4g}"
    told += f" ± {test.error:.2g}, adjusted p {p_text(rate)}" if rate is not None else ", cannot test: one repetition"
    if gates and not beyond and (apart := _apart(sample, test, tolerance)):
        return Item(*place, State.DRIFT, False, old, new, f"{told}; {apart}")
    if not beyond or not (gates or significant):
        return Item(*place, State.SAME, False, old, new, told)
    if not gates:
        return Item(*place, State.DRIFT, False, old, new, f"{told}; does not gate")
    if not significant:
        return Item(*place, State.DRIFT, False, old, new, f"{told}{_settled(test, level)}")
    state = judged(sample.metric, [test.mean])
    return Item(*place, state, gating(state), old, new, told)


def _bound(test: Tested, tolerance: float | None) -> float:
    return _ERRORS * (test.error or 0.0) if tolerance is None else tolerance


def _apart(sample: Sample, test: Tested, tolerance: float | None) -> str:
    """The density whose own difference, averaged over repetitions, goes furthest beyond the tolerance; else nothing.

    Differences of opposite signs cancel in the mean over densities, which alone gates. Where the suite gives no
    tolerance, a density's error is taken for that of the mean times √k, as k independent densities would have it.
    """
    found: dict[float | None, list[float]] = defaultdict(list)
    for pair in sample.pairs:
        found[pair.density].append(pair.difference)
    bound = _bound(test, tolerance) * (math.sqrt(len(found)) if tolerance is None else 1.0)
    density, mean = max(((d, fmean(values)) for d, values in found.items()), key=lambda one: abs(one[1]))
    if len(found) < 2 or density is None or abs(mean) <= bound:
        return ""
    return f"{mean:+.4g} at d={density:g}, which the mean over densities hides"


def _settled(test: Tested, level: float) -> str:
    """How many repetitions would find the difference, if it is what it seems."""
    if not test.spread:
        return "; more repetitions would tell"
    needed = needed_for_difference(test.mean, test.spread, level)
    return f"; {needed or f'more than {MOST}'} repetitions would settle it"
