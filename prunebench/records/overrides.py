"""What `--set KEY=VALUE` changes of a suite's scale.

KEY is a field of every grid of the scale (models, datasets, methods, densities, arms, …) or of the scale itself
(seeds, timeout, …); VALUE is TOML, and words need no quotes. Grids that a suite always wants keep their methods and
arms, which all others are compared with. Cells that a changed row field makes belong to a scale of
another name, such as `quick + densities=[0.1]`: nothing joins them with cells of the suite as it stands.
"""

from __future__ import annotations

import tomllib
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from prunebench.errors import UsageError, suggestion
from prunebench.fields import Kind, kinds
from prunebench.records.suite import Grid, Scale, Suite

if TYPE_CHECKING:
    from collections.abc import Sequence

MARK = " + "
"""Between the name of a scale and what was changed of it."""
_OF_GRIDS = frozenset(Grid.model_fields)
_OF_CONTROLS = _OF_GRIDS - {"check", "methods", "arms", "families", "always"}
_OF_SCALE = frozenset(Scale.model_fields) - {"grid"}
_NAMED = frozenset(name for name, kind in {**kinds(Scale), **kinds(Grid)}.items() if kind is Kind.ROW)


def comparable(scale: str) -> bool:
    """Whether cells of that scale are those of the suite file."""
    return MARK not in scale


def unaltered(scale: str) -> str:
    """The scale of the suite file that a scale was made of."""
    return scale.split(MARK, maxsplit=1)[0]


def repetitions(overrides: Sequence[str]) -> int | None:
    """What `--set seeds=N` says; None where it is not among those that validated."""
    return next((int(value) for key, value in map(_pair, overrides) if key == "seeds"), None)


def changed(suite: Suite, scale: str, overrides: Sequence[str]) -> tuple[Suite, str]:
    """The suite with a changed scale, and the scale's name in rows.

    Raises:
        UnknownNameError: the suite has no such scale.
        UsageError: no `KEY=VALUE`, an unknown key, one given twice, or a value that does not validate.
    """
    found = suite.at(scale)
    if not overrides:
        return suite, scale
    given: dict[str, Any] = {}
    for text in overrides:
        key, value = _pair(text)
        if key in given:
            raise UsageError(f"--set {key} is given twice")
        given[key] = value
    try:
        grids = [
            Grid.model_validate(
                {
                    **dict(grid),
                    **{k: v for k, v in given.items() if k in (_OF_CONTROLS if grid.always else _OF_GRIDS)},
                }
            )
            for grid in found.grid
        ]
        new = Scale.model_validate({**dict(found), **{k: v for k, v in given.items() if k in _OF_SCALE}, "grid": grids})
    except ValidationError as error:
        fault = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in fault["loc"])
        if fault["type"] == "list_type":
            raise UsageError(f"--set {place} needs a list, such as {place}=[{fault['input']}]") from error
        raise UsageError(f"--set {place}: {fault['msg'].removeprefix('Value error, ')}") from error
    shown = next((grid for grid in grids if not grid.always), grids[0])
    changes = [f"{key}={_written(getattr(shown, key))}" for key in sorted(given) if key in _NAMED]
    return suite.model_copy(update={"scale": {**suite.scale, scale: new}}), MARK.join([scale, *changes])


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = (part.strip() for part in text.partition("="))
    if not equals or not key:
        raise UsageError(f"--set {text!r} is not KEY=VALUE")
    if key not in _OF_GRIDS | _OF_SCALE:
        raise UsageError(f"--set {key}: unknown key{suggestion(key, _OF_GRIDS | _OF_SCALE)}")
    return key, _value(value)


def _value(text: str) -> Any:
    """TOML; what is none is a word, or a list with words in it."""
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        if text.startswith("[") and text.endswith("]"):
            return [_value(item) for item in _items(text[1:-1])]
        return text


def _items(text: str) -> list[str]:
    """Cut at commas outside brackets and parentheses."""
    depth, parts = 0, [""]
    for char in text:
        depth += (char in "([") - (char in ")]")
        if char == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return [part.strip() for part in parts if part.strip()]


def _written(value: Any) -> str:
    return f"[{', '.join(map(str, value))}]" if isinstance(value, list) else str(value)
