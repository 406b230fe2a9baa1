"""Suite files: a named, versioned grid of tasks, methods, densities and seeds for a check, at several scales."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from prunebench.errors import SuiteError, UnknownNameError, suggestion
from prunebench.fields import Kind
from prunebench.records.metrics import METRICS
from prunebench.records.places import suite_folder
from prunebench.spec import Spec, parse_density
from prunebench.units import parse_duration

Text = Annotated[str, Field(min_length=1)]
Family = Literal["initial", "lottery", "late", "other"]
"""Kinds of tickets, see `steps.nodes.family`."""


def _spec(value: Any) -> Spec:
    if isinstance(value, Spec):
        return value
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is no spec: write it as a string")
    return Spec.parse(value)


def _density(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")
    return parse_density(value)


def _metric(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"unknown metric {name!r}{suggestion(name, METRICS)}")
    return name


def _duration(text: str | None) -> str | None:
    parse_duration(text)
    return text


def _metric_or_none(name: str | None) -> str | None:
    return None if name is None else _metric(name)


def _no_repeats(values: list[Any]) -> list[Any]:
    repeated = sorted({str(v) for v in values if values.count(v) > 1})
    if repeated:
        raise ValueError(f"{', '.join(repeated)} given twice")
    return values


SpecField = Annotated[Spec, BeforeValidator(_spec)]
SpecText = Annotated[str, AfterValidator(lambda text: str(Spec.parse(text)))]
"""A spec as records have it; it is not resolved here."""
Density = Annotated[float, BeforeValidator(_density)]
OptionalDensity = Annotated[float | None, BeforeValidator(lambda v: None if v is None else _density(v))]
Densities = Annotated[list[Density], AfterValidator(_no_repeats)]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


class Primary(_Model):
    """The one metric that the suite's question is answered with."""

    metric: Annotated[str, AfterValidator(_metric), Kind.RUNTIME]
    tolerance: Annotated[float, Field(ge=0), Kind.RUNTIME]
    """Differences of this size are of no interest, in the metric's unit."""
    density: Annotated[OptionalDensity, Kind.RUNTIME] = None
    """Of the cells that methods are ranked by; None takes those without a density."""


class Column(_Model):
    """One column of the leaderboard: a metric, or a label, over the repetitions of a method on a task."""

    header: Annotated[Text, Kind.RUNTIME]
    metric: Annotated[str | None, AfterValidator(_metric_or_none), Kind.RUNTIME] = None
    label: Annotated[str | None, Kind.RUNTIME] = None
    """An outcome that is a name, instead of a metric: the most frequent one is shown."""
    density: Annotated[OptionalDensity, Kind.RUNTIME] = None
    """Of the cells looked at; None takes those without a density."""
    show: Annotated[Literal["mean", "median", "min", "max"], Kind.RUNTIME] = "mean"
    """Statistic over repetitions; a mean comes with its 95 % interval."""

    @model_validator(mode="after")
    def _one_source(self) -> Column:
        if (self.metric is None) == (self.label is None):
            raise ValueError("a column needs either a metric or a label")
        return self


class Verdicts(_Model):
    """How arms are compared with the untouched ticket, see `analysis.statistics.verdicts`."""

    metric: Annotated[str, AfterValidator(_metric), Kind.RUNTIME]
    margin: Annotated[dict[str, Annotated[float, Field(gt=0)]], Field(min_length=1), Kind.RUNTIME]
    """Differences within ± this are of no interest, in the unit of the metric: by dataset, `default` for others."""

    @model_validator(mode="after")
    def _default(self) -> Verdicts:
        if "default" not in self.margin:
            raise ValueError("margin needs a value for `default`")
        return self

    def margin_of(self, dataset: str) -> float:
        """The margin of a dataset's spec."""
        return self.margin.get(Spec.parse(dataset).name, self.margin["default"])


class Control(_Model):
    """A comparison whose outcome is known: a run that does not find it has no power, or finds what is not there."""

    kind: Annotated[Literal["positive", "negative"], Kind.RUNTIME]
    """Whether the untouched ticket must win, or must not differ."""
    method: Annotated[SpecText, Kind.RUNTIME]
    arm: Annotated[SpecText, Kind.RUNTIME]


class Curve(_Model):
    """How a method's values at several densities become one number."""

    metric: Annotated[str, AfterValidator(_metric), Kind.RUNTIME]
    compressions: Annotated[
        Annotated[list[Annotated[float, Field(ge=1)]], Field(min_length=2, max_length=2)], Kind.RUNTIME
    ]
    """The fixed range of the area, from and to."""
    loss: Annotated[float, Field(gt=0), Kind.RUNTIME] = 1.0
    """Of the metric against the dense network: the compression at which a method loses it is reported."""

    @model_validator(mode="after")
    def _accuracy_over_a_range(self) -> Curve:
        if METRICS[self.metric].unit != "%" or METRICS[self.metric].direction != "higher":
            raise ValueError(f"{self.metric!r} is no accuracy in %, for which there is chance")
        if self.compressions[0] >= self.compressions[1]:
            raise ValueError("compressions must ascend")
        return self


Section = Literal[
    "leaderboard", "controls", "verdicts", "factors", "ratios", "overlap", "conditions", "curves", "ranks"
]
"""A part of a run's report, see `analysis.boards`."""


class Grid(_Model):
    """One block of cells: every model × dataset × method × density, with the check that builds them."""

    check: Annotated[Text, Kind.ROW]
    models: Annotated[list[SpecField], Field(min_length=1), AfterValidator(_no_repeats), Kind.ROW]
    datasets: Annotated[list[SpecField], Field(min_length=1), AfterValidator(_no_repeats), Kind.ROW]
    recipes: Annotated[list[SpecField], AfterValidator(_no_repeats), Kind.ROW] = []
    """How networks are trained; empty where nothing is."""
    methods: Annotated[list[SpecField], Field(min_length=1), AfterValidator(_no_repeats), Kind.ROW]
    densities: Annotated[Densities, Kind.ROW] = []
    arms: Annotated[list[Text], AfterValidator(_no_repeats), Kind.ROW] = []
    """Variants that the check offers; its own default where empty."""
    families: Annotated[list[Family], AfterValidator(_no_repeats), Kind.RUNTIME] = []
    """Kinds of tickets that the grid is about: methods of others are left out of it; empty takes all."""
    always: Annotated[bool, Kind.RUNTIME] = False
    """Whether its methods stay whatever methods a user asks for: what every other is compared with."""
    curves: Annotated[bool, Kind.CONTENT] = False
    """Whether trainings are measured after every epoch, not only at their end."""
    seconds: Annotated[float, Field(gt=0), Kind.RUNTIME] = 1.0
    """Estimated seconds of one repetition of one method on one task: for the dry run, and longest first."""


class Scale(_Model):
    """How much of the question is asked."""

    about: Annotated[Text, Kind.RUNTIME]
    seeds: Annotated[int, Field(ge=1), Kind.RUNTIME]
    """Repetitions: it decides how many cells there are, and changes none of them."""
    timeout: Annotated[str | None, AfterValidator(_duration), Kind.RUNTIME] = None
    """Of one step, with a unit: 90s, 10m, 2h."""
    minutes: Annotated[float, Field(gt=0), Kind.RUNTIME]
    """Stated cost on two cores; the planner checks its own estimate against it."""
    grid: Annotated[list[Grid], Field(min_length=1), Kind.ROW]


class Presentation(_Model):
    """How results of a suite are shown: part of the suite file, and stored with every run."""

    primary: Annotated[Primary, Kind.RUNTIME]
    context: Annotated[list[Annotated[str, AfterValidator(_metric)]], Kind.RUNTIME] = []
    """Metrics that do not depend on the method, for the leaderboard's caption."""
    column: Annotated[list[Column], Field(min_length=1), Kind.RUNTIME]
    sections: Annotated[list[Section], Field(min_length=1), AfterValidator(_no_repeats), Kind.RUNTIME] = ["leaderboard"]
    """Parts of the report, in order."""
    verdicts: Annotated[Verdicts | None, Kind.RUNTIME] = None
    control: Annotated[list[Control], Kind.RUNTIME] = []
    curve: Annotated[Curve | None, Kind.RUNTIME] = None
    tuned: Annotated[bool, Kind.RUNTIME] = False
    """Whether the recipes of a grid are candidates, of which the one with the best mean validation accuracy counts, for
    each method, density and arm of a model and dataset by itself."""

    @model_validator(mode="after")
    def _complete(self) -> Presentation:
        for section, needed in (("verdicts", "verdicts"), ("controls", "verdicts"), ("factors", "verdicts"),
                                ("conditions", "verdicts"), ("curves", "curve"), ("ranks", "curve")):  # fmt: skip
            if section in self.sections and getattr(self, needed) is None:
                raise ValueError(f"section {section!r} needs [{needed}]")
        if "controls" in self.sections and not self.control:
            raise ValueError("section 'controls' needs a [[control]]")
        return self


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
        return Suite.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
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


_PARTS: dict[str, type[_Model]] = {
    "primary": Primary, "column": Column, "verdicts": Verdicts, "control": Control, "curve": Curve
}  # fmt: skip


def _known_keys(location: tuple[int | str, ...]) -> set[str]:
    if "grid" in location[:-1]:
        owner: type[_Model] = Grid
    elif location[0] == "scale":
        owner = Scale
    elif len(location) > 1:
        owner = _PARTS[str(location[0])]
    else:
        owner = Suite
    return set(owner.model_fields)
