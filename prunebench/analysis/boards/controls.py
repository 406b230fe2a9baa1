"""Comparisons whose outcome is known: whether a run can see what is there, and sees nothing that is not."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from prunebench.analysis.boards.cells import NONE, digits, measured, spread_text
from prunebench.analysis.boards.pairs import PAIRS, families
from prunebench.analysis.boards.specs import arm_name, method_name
from prunebench.analysis.tables import Table
from prunebench.records.metrics import METRICS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from prunebench.analysis.boards.pairs import Contrast, Family
    from prunebench.analysis.results import Results
    from prunebench.analysis.statistics.verdicts import Verdict
    from prunebench.records.presentation import Control, Presentation

State = Literal["held", "FAILED", "not refuted", "undecided", "not measured", "not in this run"]

_JUDGED: frozenset[State] = frozenset({"held", "FAILED"})
_POSITIVE: Mapping[str, State] = {
    "depends": "held", "depends, size unsettled": "held", "immaterial": "FAILED", "does not depend": "FAILED",
    "does not depend (identical mask)": "FAILED", "cannot tell": "undecided",
}  # fmt: skip
_NEGATIVE: Mapping[str, State] = {
    "depends": "FAILED", "depends, size unsettled": "FAILED", "immaterial": "held", "does not depend": "held",
    "does not depend (identical mask)": "held", "cannot tell": "not refuted",
}  # fmt: skip
_MEANING: Mapping[tuple[str, State], str] = {
    ("positive", "held"): "a known effect is seen",
    ("positive", "FAILED"): "a known effect is not seen: no 'does not depend' counts here",
    ("positive", "undecided"): "too few repetitions to see a known effect: only 'depends' counts here",
    ("negative", "held"): "no effect is seen where there is none",
    ("negative", "FAILED"): "an effect is seen where there is none: no 'depends' counts here",
    (
        "negative",
        "not refuted",
    ): "no effect is seen where there is none, but one as large as the margin is not ruled out",
}


@dataclass(frozen=True)
class Outcome:
    """What became of one control in one family."""

    control: Control
    family: Family
    state: State
    contrast: Contrast | None = None
    verdict: Verdict | None = None

    @property
    def meaning(self) -> str:
        """What the state says about the family's other verdicts."""
        if self.state == "not in this run":
            return "verdicts here stand without this control"
        if self.state == "not measured":
            why = self.contrast.absent if self.contrast else ""
            return f"{why or 'no pair of living networks'}: verdicts here stand without this control"
        return _MEANING[self.control.kind, self.state]


def outcomes(controls: Sequence[Control], family: Family) -> list[Outcome]:
    """The state of every control in a family, by the verdict that it has there.

    A positive control holds where the untouched ticket is better, a negative one where equivalence is shown. It fails
    where the opposite is established; an open verdict is neither.
    """
    found = []
    for control in controls:
        contrast, verdict = family.judged.get(
            (method_name(str(control.method)), arm_name(str(control.arm))), (None, None)
        )
        if contrast is None or verdict is None:
            state: State = "not in this run"
        elif not contrast.pairs:
            state = "not measured"
        elif control.kind == "negative":
            state = _NEGATIVE[verdict.text]
        else:
            state = _POSITIVE[verdict.text]
            if state == "held" and (verdict.mean or 0.0) <= 0:
                state = "FAILED"
        found.append(Outcome(control, family, state, contrast, verdict))
    return found


def warning(found: Sequence[Outcome]) -> str:
    """What a reader of a family's verdicts has to know about its controls; empty if all is well."""
    if failed := [outcome.control.kind for outcome in found if outcome.state == "FAILED"]:
        return f"THE {' AND THE '.join(failed).upper()} CONTROL FAILED HERE"
    return "" if any(outcome.state in _JUDGED for outcome in found) or not found else "NO CONTROL COULD BE JUDGED HERE"


def sound(found: Sequence[Outcome]) -> bool:
    """Whether some control could be judged, and none failed."""
    states = {outcome.state for outcome in found}
    return "FAILED" not in states and bool(states & _JUDGED)


def controls(suite: str, presentation: Presentation, results: Results) -> list[Table]:
    """One table: every control in every family. Its caption is a banner where one failed or none could be judged."""
    judged = [
        outcome
        for family in families(suite, presentation, results)
        for outcome in outcomes(presentation.control, family)
    ]
    if not judged:
        return []
    assert presentation.verdicts is not None, "families have a margin"
    metric = presentation.verdicts.metric
    places = {outcome.family.place.title for outcome in judged}
    shared = f" · {places.pop()}" if len(places) == 1 else ""
    rows = [
        (
            f"{outcome.control.kind}: {outcome.control.method} · {outcome.control.arm}",
            *([] if shared else [outcome.family.place.title]),
            spread_text(v.mean, v.interval95, digits(metric)) if (v := outcome.verdict) else NONE,
            outcome.contrast.n if outcome.contrast else NONE,
            outcome.state,
            outcome.meaning,
        )
        for outcome in judged
    ]  # fmt: skip
    place = [] if shared else ["task"]
    return [
        Table(
            f"{_caption(judged)}{shared}",
            ("control", *place, "difference 95%", "n", "state", "meaning"),
            tuple(rows),
            (False, *(False for _ in place), True, True, False, False),
            whole=True,
            methods=tuple(method_name(str(outcome.control.method)) for outcome in judged),
            alarm=not sound(judged),
            legend=_legend(metric),
        )
    ]


def _legend(metric: str) -> tuple[tuple[str, str], ...]:
    return (
        (
            "control",
            "positive: late weights against fresh ones, which must differ; negative: masks that are equally random, "
            "which must not. Both are judged together with all other comparisons of their task and density",
        ),
        (
            "difference 95%",
            f"mean over paired repetitions of untouched − arm, {measured(metric)} "
            f"({METRICS[metric].definition}) ± half its t interval, at the level of the test's step in Holm's "
            "procedure: it excludes 0 exactly where a difference is established",
        ),
        ("n", PAIRS),
    )


def _caption(judged: Sequence[Outcome]) -> str:
    states = Counter(outcome.state for outcome in judged)
    counts = ", ".join(f"{count} {state}" for state, count in states.items())
    if failed := [outcome for outcome in judged if outcome.state == "FAILED"]:
        kinds = {outcome.control.kind for outcome in failed}
        what = [
            *(["A KNOWN EFFECT IS NOT SEEN, AND 'DOES NOT DEPEND' PROVES NOTHING"] if "positive" in kinds else []),
            *(["AN EFFECT IS SEEN WHERE THERE IS NONE, AND 'DEPENDS' PROVES NOTHING"] if "negative" in kinds else []),
        ]
        number = len({outcome.family.place.title for outcome in judged})
        where = (
            f"IN {len({outcome.family.place.title for outcome in failed})} OF {number} TASKS AND DENSITIES, "
            if number > 1
            else ""
        )
        return f"CONTROLS FAILED: {where}{'; '.join(what)} — {counts}"
    if not states.keys() & _JUDGED:
        return f"NO CONTROL COULD BE JUDGED: NOTHING SHOWS THAT THE VERDICTS BELOW CAN BE RELIED ON — {counts}"
    return f"controls — {counts}"
