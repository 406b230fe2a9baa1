"""Specs: an entry's name with parameters, written `snip(rounds=100, mode=eval)` or `snip:rounds=100,mode=eval`.

A parameter that is a spec itself may be in quotes, or not: `reinit(of=lottery(rewind=0.1))`.
"""

from __future__ import annotations

import functools
import json
import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from prunebench.errors import SpecError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

Scalar = bool | int | float | str
Value = Scalar | tuple[Scalar, ...]

_NAME = r"[A-Za-z][A-Za-z0-9_.+\-]*(?::[A-Za-z][A-Za-z0-9_.+\-]*(?!\w*\s*=))?"
_LONG = re.compile(rf"\s*({_NAME})\s*(?:\((.*)\))?\s*", re.DOTALL)
_SHORT = re.compile(r"\s*(.+?):(\s*[A-Za-z_]\w*\s*=.*)", re.DOTALL)
_KEY = re.compile(r"[A-Za-z_]\w*")
_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.\-]*")
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?")
_DIGITS = 4300
"""Longest integer that Python reads without being told otherwise."""
_WORDS: Mapping[str, bool] = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, order=True)
class Spec:
    """A registry name and its parameters, sorted by key."""

    name: str
    params: tuple[tuple[str, Value], ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "params", tuple(sorted(self.params)))

    def __str__(self) -> str:
        if not self.params:
            return self.name
        return f"{self.name}({', '.join(f'{k}={written(v)}' for k, v in self.params)})"

    @property
    def mapping(self) -> dict[str, Value]:
        """Parameters as a new dict."""
        return dict(self.params)

    def with_params(self, params: Mapping[str, Value]) -> Spec:
        """The same name with other parameters."""
        return Spec(self.name, tuple(params.items()))

    @classmethod
    @functools.lru_cache(maxsize=4096)
    def parse(cls, text: str) -> Spec:
        """Read either way of writing a spec.

        Raises:
            SpecError: the text is no spec; the message shows where it stops making sense.
        """
        if match := _LONG.fullmatch(text):
            name, arguments = match.groups()
        elif match := _SHORT.fullmatch(text):
            name, arguments = match.groups()
            if not re.fullmatch(_NAME, name.strip()):
                raise SpecError(f"malformed spec {text!r}: {name!r} is no name")
        else:
            raise SpecError(f"malformed spec {text!r}: write NAME, NAME(key=value, …) or NAME:key=value,…")
        params: dict[str, Value] = {}
        for item in _split(arguments or "", text):
            key, equals, value = (part.strip() for part in item.partition("="))
            if not equals or not value or not _KEY.fullmatch(key):
                raise SpecError(f"malformed spec {text!r}: {item.strip()!r} is not key=value")
            if key in params:
                raise SpecError(f"malformed spec {text!r}: {key!r} is given twice")
            params[key] = _value(value, text)
        return cls(name.strip(), tuple(params.items()))


def parse_density(text: str | float) -> float:
    """A density in (0, 1], canonical to ten significant digits.

    Raises:
        UsageError: not a number, or outside (0, 1].
    """
    try:
        value = float(text)
    except (TypeError, ValueError):
        raise UsageError(f"density {text!r} is not a number") from None
    except OverflowError:
        value = math.inf
    if not 0 < value <= 1:
        raise UsageError(f"density {value!r} is outside (0, 1]; density is the share of weights that is kept")
    return canonical_density(value)


def canonical_density(value: float) -> float:
    """Ten significant digits, so that 1 − 0.95 and 0.05 are the same density."""
    return float(f"{value:.10g}")


def _split(arguments: str, whole: str) -> Iterator[str]:
    """Cut at commas outside quotes and brackets."""
    depth, quoted, escaped, start = 0, False, False, 0
    for i, char in enumerate(arguments):
        if quoted:
            if escaped:
                escaped = False
            elif char == "\\":
                escaped = True
            elif char == '"':
                quoted = False
        elif char == '"':
            quoted = True
        elif char in "[]()":
            depth += 1 if char in "[(" else -1
        elif char == "," and depth == 0:
            yield arguments[start:i]
            start = i + 1
    if quoted or depth:
        raise SpecError(f"malformed spec {whole!r}: a quote or bracket is not closed")
    if arguments[start:].strip():
        yield arguments[start:]
    elif start:
        raise SpecError(f"malformed spec {whole!r}: a parameter is missing after the last comma")


def _value(text: str, whole: str) -> Value:
    if text.startswith("["):
        if not text.endswith("]"):
            raise SpecError(f"malformed spec {whole!r}: {text!r} is no list")
        items = [item.strip() for item in _split(text[1:-1], whole)]
        if any(item.startswith("[") for item in items):
            raise SpecError(f"malformed spec {whole!r}: lists do not nest")
        return tuple(_scalar(item, whole) for item in items)
    return _scalar(text, whole)


def _scalar(text: str, whole: str) -> Scalar:
    if text.startswith('"'):
        try:
            value = json.loads(text)
        except ValueError:
            raise SpecError(f"malformed spec {whole!r}: {text!r} is no quoted string") from None
        return str(value)
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    if re.fullmatch(rf"[+-]?\d{{1,{_DIGITS}}}", text):
        return int(text)
    if _NUMBER.fullmatch(text):
        number = float(text)
        if math.isinf(number):
            raise SpecError(f"malformed spec {whole!r}: {text} is not a finite number")
        return number
    if _WORD.fullmatch(text):
        return text
    if "(" in text and _LONG.fullmatch(text):
        return str(Spec.parse(text))  # of another entry, written without quotes
    raise SpecError(f"malformed spec {whole!r}: {text!r} is no number, word, list or string in double quotes")


def written(value: Value) -> str:
    """A parameter's value as a spec writes it; `Spec.parse` reads it back."""
    if isinstance(value, tuple):
        return f"[{', '.join(written(v) for v in value)}]"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        plain = _WORD.fullmatch(value) and value.lower() not in _WORDS
        return value if plain else json.dumps(value)
    return repr(value)
