"""Suite files: what is run, at which scales."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field, ValidationError

from prunebench.errors import SuiteError, UnknownNameError, UsageError, suggestion
from prunebench.fields import Kind
from prunebench.records.expected import check_expectations
from prunebench.records.facets import check_facets
from prunebench.records.parts import Densities, Part, SpecField, Text, no_repeats
from prunebench.records.places import suite_folder
from prunebench.records.presentation import (
    Association,
    Column,
    Contrast,
    Control,
    Curve,
    Expectation,
    Presentation,
    Primary,
    Verdicts,
)  # fmt: skip
from prunebench.units import parse_duration

Family = Literal["initial", "lottery", "late", "other"]
"""Kinds of tickets, see `steps.nodes.family`."""


def _duration(text: str | None) -> str | None:
    parse_duration(text)
    return text


class Grid(Part):
    """One block of cells: every model × dataset × method × density, with the check that builds them."""

    check: Annotated[Text, Kind.ROW]
    models: Annotated[list[SpecField], Field(min_length=1), AfterValidator(no_repeats), Kind.ROW]
    datasets: Annotated[list[SpecField], Field(min_length=1), AfterValidator(no_repeats), Kind.ROW]
    recipes: Annotated[list[SpecField], AfterValidator(no_repeats), Kind.ROW] = []
    """How networks are trained; empty where nothing is."""
    methods: Annotated[list[SpecField], Field(min_length=1), AfterValidator(no_repeats), Kind.ROW]
    densities: Annotated[Densities, Kind.ROW] = []
    arms: Annotated[list[Text], AfterValidator(no_repeats), Kind.ROW] = []
    """Variants that the check offers; its own default where empty."""
    families: Annotated[list[Family], AfterValidator(no_repeats), Kind.RUNTIME] = []
    """Kinds of tickets that the grid is about: methods of others are left out of it; empty takes all."""
    always: Annotated[bool, Kind.RUNTIME] = False
    """Whether its methods stay whatever methods a user asks for: what every other is compared with."""
    curves: Annotated[bool, Kind.CONTENT] = False
    """Whether trainings are measured after every epoch, not only at their end."""
    seconds: Annotated[float, Field(gt=0), Kind.RUNTIME] = 1.0
    """Estimated seconds of one repetition of one method on one task: for the dry run, and longest first."""


class Scale(Part):
    """How much of the question is asked."""

    about: Annotated[Text, Kind.RUNTIME]
    seeds: Annotated[int, Field(ge=1), Kind.RUNTIME]
    """Repetitions: it decides how many cells there are, and changes none of them."""
    timeout: Annotated[str | None, AfterValidator(_duration), Kind.RUNTIME] = None
    """Of one step, with a unit: 90s, 10m, 2h."""
    minutes: Annotated[float, Field(gt=0), Kind.RUNTIME]
    """Stated cost on two cores; the planner checks its own estimate against it."""
    grid: Annotated[list[Grid], Field(min_length=1), Kind.ROW]


class Suite(Presentation):
    """A suite file."""

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]*$"), Kind.ROW]
    version: Annotated[int, Field(ge=1), Kind.ROW]
    question: Annotated[Text, Kind.RUNTIME]
    scale: Annotated[dict[Literal["quick", "standard", "paper"], Scale], Field(min_length=1), Kind.ROW]

    def presentation(self) -> dict[str, Any]:
        """JSON form of how results are shown; `Presentation.model_validate` reads it back."""
        return self.model_dump(mode="json", include=set(Presentation.model_fields))

    def at(self, scale: str) -> Scale:
        """The scale of that name.

        Raises:
            UnknownNameError: the suite has no such scale.
        """
        for name, found in self.scale.items():
            if name == scale:
                return found
        raise UnknownNameError(f"suite {self.name!r} has no scale {scale!r}{suggestion(scale, self.scale)}")


def find_suite(name: str) -> Path:
    """File of a suite, by name or by path.

    Raises:
        UnknownNameError: neither a built-in suite nor a file.
    """
    if name.endswith(".toml"):
        if Path(name).is_file():
            return Path(name)
        raise UnknownNameError(f"no suite file {name}")
    known = {path.stem: path for path in suite_folder().glob("*.toml")}
    if name not in known:
        raise UnknownNameError(f"unknown suite {name!r}{suggestion(name, known)}")
    return known[name]


def load_suite(name: str) -> Suite:
    """Read and validate a suite, by name or by path.

    Raises:
        UnknownNameError: there is no such suite.
        SuiteError: unreadable, not TOML, or not a suite; the message names file, place and fault.
    """
    path = find_suite(name)
    try:
        suite = Suite.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
        check_expectations(suite.expectation)
        check_facets(suite)
        return suite
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError, UsageError) as error:
        raise SuiteError(f"{path}: {error}") from error
    except ValidationError as error:
        raise SuiteError(f"{path}: {_fault(error)}") from error


def _fault(error: ValidationError) -> str:
    """The first fault in one line, with its place in the file; how many more there are."""
    faults = error.errors(include_url=False, include_context=False)
    first = faults[0]
    place = ".".join(str(part) for part in first["loc"])
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "extra_forbidden":
        known = _known_keys(first["loc"])
        message = f"unknown key{suggestion(str(first['loc'][-1]), known)}"
    more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
    return " ".join(f"{place}: {message}{more}".split())


_PARTS: dict[str, type[Part]] = {
    "primary": Primary, "column": Column, "verdicts": Verdicts, "control": Control, "curve": Curve,
    "expectation": Expectation, "association": Association, "contrast": Contrast,
}  # fmt: skip


def _known_keys(location: tuple[int | str, ...]) -> set[str]:
    if "grid" in location[:-1]:
        owner: type[Part] = Grid
    elif location[0] == "scale":
        owner = Scale
    elif len(location) > 1:
        owner = _PARTS[str(location[0])]
    else:
        owner = Suite
    return set(owner.model_fields)
