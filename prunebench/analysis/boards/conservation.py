"""Is a score a flow? What was measured of its two laws, beside what theory says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunebench.analysis.boards.cells import NONE
from prunebench.analysis.boards.grid import places
from prunebench.analysis.boards.laws import EXACT, SLOPE, VIOLATED, findings, residual_text, worst
from prunebench.analysis.tables import Table
from prunebench.records.expected import expectation_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from prunebench.analysis.boards.grid import Place
    from prunebench.analysis.boards.laws import Finding
    from prunebench.analysis.results import Results
    from prunebench.analysis.tradeoff import Cells
    from prunebench.records.presentation import Expectation, Presentation
    from prunebench.records.schema import Record

AS_EXPECTED, NOT_AS_EXPECTED = "as expected", "not as expected"

_HEADERS = (
    "score", "units max", "units median", "units are", "units by theory", "cuts max", "cuts median", "cuts are",
    "cuts by theory", "slope", "by theory", "agreement", "n",
)  # fmt: skip
_NUMERIC = (False, True, True, False, False, True, True, False, False, True, False, False, True)
_LEGEND = (
    ("score", "method · arm: what is scored, and how it is measured (prunebench show flow)"),
    (
        "units max, units median",
        "residual |in − out| / (|in| + |out|) of the scores that enter and leave a hidden unit: the largest of all "
        "units, and the median; the worst of the repetitions",
    ),
    ("cuts max, cuts median", "likewise of the totals of sets of weights that cut the input from the output"),
    (
        "units are, cuts are",
        f"by the largest residual. conserved: at most {EXACT['double']:g} in double precision, {EXACT['single']:g} in "
        f"single; violated: {VIOLATED:g} or more; nearly conserved: in between. Where theory says zero, what enters a "
        "unit, or a cut's total, over the largest of all",
    ),
    ("by theory", "the number is that of the reason below"),
    (
        "slope",
        "of log mean score of a layer against log size, mean of the repetitions; −1 where all layers have one total",
    ),
    (
        "agreement",
        "of what is measured with theory, word by word; nearly conserved agrees with neither. Only where theory says "
        f"zero, nearly zero will do: BatchNorm's ε leaves something. A slope agrees within {SLOPE:g} in every "
        "repetition",
    ),
    ("n", "repetitions with a value, of how many planned where those are more"),
)


@dataclass(frozen=True)
class _Score:
    """One method measured in one way, over the repetitions."""

    name: str
    method: str
    cells: tuple[str, ...]
    found: tuple[Finding, ...]
    whole: bool
    """Whether every repetition has a result."""

    @property
    def judged(self) -> list[Finding]:
        """Measurements of which theory says something."""
        return [finding for finding in self.found if finding.judged]


def conservation(suite: str, presentation: Presentation, results: Results) -> list[Table]:
    """On top what is not as theory says, then a table a task: every score in every way of measuring it."""
    expectations = presentation.expectation
    tasks = [place for place in places(suite, results) if place.recipe is None]
    known = [(place, _scores(place, expectations, results)) for place in tasks]
    tables = [_table(place, scores, expectations) for place, scores in known if scores]
    return [_mismatches(known, expectations), *tables] if tables else []


def _mismatches(known: Sequence[tuple[Place, Sequence[_Score]]], expectations: Sequence[Expectation]) -> Table:
    """How many measurements are not as theory says, and which."""
    judged = [(place, score, finding) for place, scores in known for score in scores for finding in score.judged]
    odd = [(place, score, finding) for place, score, finding in judged if not finding.agrees]
    methods = tuple(score.method for _, score, finding in odd if finding.reason is not None)
    rows = tuple(
        (place.title, score.name, found.what, f"{found.text} {found.measured}".strip(), found.theory,
         expectations[found.reason].why)
        for place, score, found in odd
        if found.reason is not None
    )  # fmt: skip
    return Table(
        f"conservation: {len(rows)} of {len(judged)} measurements are not as theory says",
        ("task", "score", "of", "measured", "expected", "why"), rows, (False,) * 6, whole=True, methods=methods,
        legend=_legend([score for _, scores in known for score in scores], expectations),
    )  # fmt: skip


def _table(place: Place, scores: Sequence[_Score], expectations: Sequence[Expectation]) -> Table:
    judged = [finding for score in scores for finding in score.judged]
    said = f" — {sum(f.agrees for f in judged)} of {len(judged)} measurements as expected" if judged else ""
    return Table(
        f"conservation · {place.title}{said}",
        _HEADERS,
        tuple(score.cells for score in scores),
        _NUMERIC,
        whole=True,
        legend=_legend(scores, expectations),
        dataset=place.dataset,
        methods=tuple(score.method for score in scores),
        holes=tuple(not score.whole for score in scores),
    )


def _legend(scores: Sequence[_Score], expectations: Sequence[Expectation]) -> tuple[tuple[str, str], ...]:
    """What headers mean, and the reasons of what theory says of these scores."""
    reasons = sorted({finding.reason for score in scores for finding in score.found if finding.reason is not None})
    return (*_LEGEND, *((_reference(number), expectations[number].why) for number in reasons))


def _scores(place: Place, expectations: Sequence[Expectation], results: Results) -> list[_Score]:
    """Rows of a task, in the order of the plan; none of what has no record yet."""
    found = []
    for (method, arm), cells in place.cells.items():
        records = [record for record in cells.records.values() if record is not None]
        if records:
            found.append(_score(f"{method} · {arm}" if arm else method, arm, cells, records, expectations, results))
    return found


def _score(
    name: str, arm: str | None, cells: Cells, records: Sequence[Record], expectations: Sequence[Expectation],
    results: Results,
) -> _Score:  # fmt: skip
    good = [record for record in records if record.status == "ok"]
    found = units, cuts, slope = findings(good, arm, expectation_of(records[0].row, expectations), results)
    odd = [finding.what for finding in found if finding.judged and not finding.agrees]
    agreement = f"{NOT_AS_EXPECTED}: {', '.join(odd)}" if odd else AS_EXPECTED
    if not any(finding.judged for finding in found):
        agreement = NONE
    if not good:
        agreement = "; ".join(dict.fromkeys(r.reason or r.status for r in records))
    n, planned = len(good), len(cells.records)
    return _Score(
        name,
        records[0].row.method,
        (
            name,
            units.text, _median(units, good), units.measured, _theory(units),
            cuts.text, _median(cuts, good), cuts.measured, _theory(cuts),
            slope.text, _theory(slope),
            agreement,
            str(n) if n == planned else f"{n}/{planned}",
        ),
        found,
        n == planned,
    )  # fmt: skip


def _median(law: Finding, records: Sequence[Record]) -> str:
    """Of the residuals; where nothing is said to enter, none were looked at."""
    return (
        NONE if law.theory == "zero" else residual_text(worst(records, f"{law.what.removesuffix('s')}_residual_median"))
    )


def _theory(finding: Finding) -> str:
    return NONE if finding.reason is None else f"{finding.theory} {_reference(finding.reason)}"


def _reference(number: int) -> str:
    return f"({number + 1})"
