"""The report of a run: the sections that its suites ask for, in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from prunebench.analysis.boards.associations import associations
from prunebench.analysis.boards.conditions import conditions
from prunebench.analysis.boards.configurations import configurations
from prunebench.analysis.boards.conservation import conservation
from prunebench.analysis.boards.contrasts import contrasts
from prunebench.analysis.boards.controls import controls
from prunebench.analysis.boards.curves import curves
from prunebench.analysis.boards.drift import drift
from prunebench.analysis.boards.factors import factors
from prunebench.analysis.boards.leaderboard import leaderboard
from prunebench.analysis.boards.overlap import overlap
from prunebench.analysis.boards.ranks import ranks
from prunebench.analysis.boards.ratios import ratios
from prunebench.analysis.boards.turning import turning
from prunebench.analysis.boards.verdicts import verdicts
from prunebench.errors import StoreError
from prunebench.records.presentation import Presentation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from prunebench.analysis.results import Results
    from prunebench.analysis.tables import Table

SECTIONS: dict[str, Callable[[str, Presentation, Results], list[Table]]] = {
    "leaderboard": leaderboard,
    "controls": controls,
    "verdicts": verdicts,
    "factors": factors,
    "conditions": conditions,
    "ratios": ratios,
    "overlap": overlap,
    "curves": curves,
    "ranks": ranks,
    "conservation": conservation,
    "drift": drift,
    "configurations": configurations,
    "associations": associations,
    "contrasts": contrasts,
    "turning": turning,
}


@dataclass(frozen=True, slots=True)
class Part:
    """The tables of one section of one suite."""

    suite: str
    section: str
    presentation: Presentation
    tables: tuple[Table, ...]


def parts(results: Results) -> list[Part]:
    """The sections of a run that have tables, suite by suite; made once."""
    return results.once("parts", lambda: _made(results))


def _made(results: Results) -> list[Part]:
    asked = [(suite["name"], _presentation(results, suite)) for suite in results.plan["suites"]]
    return [
        Part(suite, section, presentation, tuple(tables))
        for suite, presentation in asked
        for section in presentation.sections
        if (tables := SECTIONS[section](suite, presentation, results))
    ]


def _presentation(results: Results, suite: Mapping[str, Any]) -> Presentation:
    try:
        return Presentation.model_validate(suite.get("presentation"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["presentation", *map(str, first["loc"])])
        raise StoreError(f"{results.place}: suite {suite['name']!r} of the plan: {where}: {first['msg']}") from error


def sections(results: Results) -> list[Table]:
    """The tables of a run, suite by suite."""
    return [table for part in parts(results) for table in part.tables]
