"""Types of fields that the parts of a suite file share."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field

from prunebench.errors import suggestion
from prunebench.records.metrics import METRICS
from prunebench.spec import Spec, parse_density


class Part(BaseModel):
    """A table of a suite file: unknown keys and values of other types are faults."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, arbitrary_types_allowed=True)


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


def _known(name: str) -> str:
    if name not in METRICS:
        raise ValueError(f"unknown metric {name!r}{suggestion(name, METRICS)}")
    return name


def metric_or_none(name: str | None) -> str | None:
    """A metric's name, if there is one."""
    return None if name is None else _known(name)


def no_repeats(values: list[Any]) -> list[Any]:
    """Values that are all different."""
    repeated = sorted({str(v) for v in values if values.count(v) > 1})
    if repeated:
        raise ValueError(f"{', '.join(repeated)} given twice")
    return values


Text = Annotated[str, Field(min_length=1)]
SpecField = Annotated[Spec, BeforeValidator(_spec)]
SpecText = Annotated[str, AfterValidator(lambda text: str(Spec.parse(text)))]
"""A spec as records have it; it is not resolved here."""
Density = Annotated[float, BeforeValidator(_density)]
OptionalDensity = Annotated[float | None, BeforeValidator(lambda v: None if v is None else _density(v))]
Densities = Annotated[list[Density], AfterValidator(no_repeats)]
Metric = Annotated[str, AfterValidator(_known)]
Metrics = Annotated[list[Metric], Field(min_length=1), AfterValidator(no_repeats)]
