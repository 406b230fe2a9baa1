"""How results of a suite are shown and judged: part of the suite file, and stored with every run."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field, model_validator

from prunebench.fields import Kind
from prunebench.records.metrics import METRICS
from prunebench.records.parts import (
    Metric,
    Metrics,
    OptionalDensity,
    Part,
    SpecText,
    Text,
    metric_or_none,
    no_repeats,
)  # fmt: skip
from prunebench.spec import Spec


class Primary(Part):
    """The one metric that the suite's question is answered with."""

    metric: Annotated[Metric, Kind.RUNTIME]
    tolerance: Annotated[float, Field(ge=0), Kind.RUNTIME]
    """Differences of this size are of no interest, in the metric's unit."""
    density: Annotated[OptionalDensity, Kind.RUNTIME] = None
    """Of the cells that methods are ranked by; None takes those without a density."""


class Column(Part):
    """One column of the leaderboard: a metric, or a label, over the repetitions of a method on a task."""

    header: Annotated[Text, Kind.RUNTIME]
    metric: Annotated[str | None, AfterValidator(metric_or_none), Kind.RUNTIME] = None
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


class Verdicts(Part):
    """How arms are compared with the untouched ticket, see `analysis.statistics.verdicts`."""

    metric: Annotated[Metric, Kind.RUNTIME]
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


class Control(Part):
    """A comparison whose outcome is known: a run that does not find it has no power, or finds what is not there."""

    kind: Annotated[Literal["positive", "negative"], Kind.RUNTIME]
    """Whether the untouched ticket must win, or must not differ."""
    method: Annotated[SpecText, Kind.RUNTIME]
    arm: Annotated[SpecText, Kind.RUNTIME]


class Curve(Part):
    """How a method's values at several densities become one number."""

    metric: Annotated[Metric, Kind.RUNTIME]
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


Law = Literal["conserved", "violated", "zero"]
"""What may hold of a law of flow: as much enters as leaves, or not; or nothing enters."""


class Expectation(Part):
    """What theory says of the cells that it fits: of scores, or of weights in training. The first that fits counts.

    A spec fits a pattern of its name that gives no parameter another value, defaults filled in; a list stands for any
    of its values. Empty fields fit everything.
    """

    methods: Annotated[list[SpecText], AfterValidator(no_repeats), Kind.RUNTIME] = []
    models: Annotated[list[SpecText], AfterValidator(no_repeats), Kind.RUNTIME] = []
    arms: Annotated[list[SpecText], AfterValidator(no_repeats), Kind.RUNTIME] = []
    units: Annotated[Law | None, Kind.RUNTIME] = None
    """Of hidden units."""
    cuts: Annotated[Law | None, Kind.RUNTIME] = None
    """Of sets of weights that cut the input from the output."""
    slope: Annotated[float | None, Kind.RUNTIME] = None
    """Of log mean score against log layer size."""
    drift: Annotated[Literal["towards", "away"] | None, Kind.RUNTIME] = None
    """Where training moves the layers of w², seen from the inverse-size law."""
    why: Annotated[Text, Kind.RUNTIME]
    """Formula or source, in a line."""

    @model_validator(mode="after")
    def _says_something(self) -> Expectation:
        of_scores = [name for name in ("units", "cuts", "slope") if getattr(self, name) is not None]
        if not of_scores and self.drift is None:
            raise ValueError("an expectation says something of units, cuts or slope, or of drift")
        if of_scores and self.drift is not None:
            raise ValueError(f"drift is of weights in training, {of_scores[0]} of scores: make two expectations")
        if "\n" in self.why:
            raise ValueError("why is one line")
        return self


class Association(Part):
    """What may go together over configurations of one task and density, a method and its parameters each."""

    x: Annotated[Metrics, Kind.RUNTIME]
    """The first is what configurations are ordered by."""
    y: Annotated[Metrics, Kind.RUNTIME]
    exclude: Annotated[list[SpecText], AfterValidator(no_repeats), Kind.RUNTIME] = []
    """Controls, which are no configurations: traits, names or specs of methods, see `records.facets`."""

    @model_validator(mode="after")
    def _apart(self) -> Association:
        if both := [name for name in self.x if name in self.y]:
            raise ValueError(f"{', '.join(both)} in both x and y")
        return self


class Contrast(Part):
    """Methods that fit `a` against what each becomes with the name and parameters of `b`, see `records.facets`."""

    name: Annotated[Text, Kind.RUNTIME]
    a: Annotated[SpecText, Kind.RUNTIME]
    b: Annotated[SpecText, Kind.RUNTIME]
    metrics: Annotated[list[Metric], AfterValidator(no_repeats), Kind.RUNTIME] = []
    """Of which a − b is looked at; that of the verdicts where empty."""


Section = Literal[
    "leaderboard", "controls", "verdicts", "factors", "ratios", "overlap", "conditions", "curves", "ranks",
    "conservation", "drift", "configurations", "associations", "contrasts", "turning",
]  # fmt: skip
"""A part of a run's report, see `analysis.boards`."""


class Presentation(Part):
    """How results of a suite are shown: part of the suite file, and stored with every run."""

    primary: Annotated[Primary, Kind.RUNTIME]
    context: Annotated[list[Metric], Kind.RUNTIME] = []
    """Metrics that do not depend on the method, for the leaderboard's caption."""
    column: Annotated[list[Column], Field(min_length=1), Kind.RUNTIME]
    sections: Annotated[list[Section], Field(min_length=1), AfterValidator(no_repeats), Kind.RUNTIME] = ["leaderboard"]
    """Parts of the report, in order."""
    verdicts: Annotated[Verdicts | None, Kind.RUNTIME] = None
    control: Annotated[list[Control], Kind.RUNTIME] = []
    curve: Annotated[Curve | None, Kind.RUNTIME] = None
    association: Annotated[Association | None, Kind.RUNTIME] = None
    contrast: Annotated[list[Contrast], Kind.RUNTIME] = []
    expectation: Annotated[list[Expectation], Kind.RUNTIME] = []
    """What theory says, shown beside what is measured."""
    tuned: Annotated[bool, Kind.RUNTIME] = False
    """Whether the recipes of a grid are candidates, of which the one with the best mean validation accuracy counts, for
    each method, density and arm of a model and dataset by itself."""

    @model_validator(mode="after")
    def _complete(self) -> Presentation:
        for section, needed in (("verdicts", "verdicts"), ("controls", "verdicts"), ("factors", "verdicts"),
                                ("conditions", "verdicts"), ("curves", "curve"), ("ranks", "curve"),
                                ("configurations", "association"), ("associations", "association"),
                                ("contrasts", "verdicts"), ("turning", "verdicts")):  # fmt: skip
            if section in self.sections and getattr(self, needed) is None:
                raise ValueError(f"section {section!r} needs [{needed}]")
        if "controls" in self.sections and not self.control:
            raise ValueError("section 'controls' needs a [[control]]")
        for section in ("contrasts", "turning"):
            if section in self.sections and not self.contrast:
                raise ValueError(f"section {section!r} needs a [[contrast]]")
        names = [contrast.name for contrast in self.contrast]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two contrasts are called {', '.join(repeated)}")
        return self
