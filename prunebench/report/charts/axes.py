"""Scales with ticks that people count in."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from prunebench.report.charts.panels import Axis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

_MOST = 6
"""Ticks that an axis is given about."""
_NARROW = 1.01
"""Log ranges up to this are a single value."""
_STEPS = (1.0, 2.0, 5.0, 10.0)


def linear(title: str, values: Iterable[float], *, unit: str = "", most: int = _MOST, grid: bool = True) -> Axis:
    """An axis that begins and ends at round numbers and holds all values."""
    found = list(values)
    low, high = min(found), max(found)
    if high - low < 1e-9 * max(1.0, abs(high)):
        pad = abs(high) * 0.1 or 1.0
        low, high = low - pad, high + pad
    step = round_step((high - low) / most)
    rounding = 1e-12 * max(abs(low), abs(high))
    first, last = math.floor((low + rounding) / step), math.ceil((high - rounding) / step)
    ticks = tuple((round(i * step, 12), f"{tick(i * step, step)}{unit}") for i in range(first, last + 1))
    return Axis(title, ticks[0][0], ticks[-1][0], ticks, grid=grid)


def round_step(least: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is no smaller."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * step for step in _STEPS if power * step >= least * (1 - 1e-9))


def tick(value: float, step: float) -> str:
    """A value with the decimals of its step, and a proper minus."""
    decimals = max(0, -math.floor(math.log10(step) + 1e-9))
    return f"{round(value, decimals) + 0.0:.{decimals}f}".replace("-", "−")


def compressions(title: str, values: Iterable[float], *, most: int = 8) -> Axis:
    """A log axis with ticks at compressions that were measured."""
    return measured(title, values, times, most=most)


def measured(title: str, values: Iterable[float], text: Callable[[float], str], *, most: int = 8) -> Axis:
    """A log axis with ticks at the values themselves, those left out that come too soon after another."""
    found = sorted(set(values))
    low, high = found[0], found[-1]
    room = (high / low) ** 0.03 if high / low > _NARROW else 1.2
    low, high = low / room, high * room
    shown = _apart(found, low, high, most)
    return Axis(title, low, high, tuple((value, text(value)) for value in shown), "log")


def times(value: float) -> str:
    """A compression: `8×`."""
    return f"{round(value):,}×".replace(",", "\u202f") if value >= 100 else f"{value:.3g}×"


def _apart(values: Sequence[float], low: float, high: float, most: int) -> list[float]:
    """Values that are at least 1 / (most + 2) of the log axis apart."""
    least = math.log(high / low) / (most + 2)
    shown: list[float] = []
    for value in values:
        if not shown or math.log(value / shown[-1]) >= least * (1 - 1e-9):
            shown.append(value)
    return shown


def logarithmic(
    title: str, values: Iterable[float], *, most: int = _MOST, text: Callable[[float], str] | None = None
) -> Axis:
    """A log axis of positive values with ticks at powers of ten, or at 1, 2, 5 of them where there are few."""
    found = list(values)
    low, high = min(found), max(found)
    room = (high / low) ** 0.04 if high / low > _NARROW else 1.3
    low, high = low / room, high * room
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    if last - first >= 2:
        stride = math.ceil((last - first + 1) / most)
        ticks = [10.0**power for power in range(first, last + 1, stride)]
    else:
        ticks = [10.0**power * step for power in range(first - 1, last + 1) for step in _STEPS[:3]]
    shown = [value for value in ticks if low <= value <= high]
    if len(shown) < 2:
        shown = [value for value, _ in linear("", [low, high], most=4).ticks if low <= value <= high]
    return Axis(title, low, high, tuple((value, (text or short)(value)) for value in shown), "log")


def short(value: float) -> str:
    """A number for a tick: `20`, `5k`, `2M`, `10⁻³`."""
    size = abs(value)
    sign = "−" if value < 0 else ""
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= unit:
            return f"{sign}{size / (unit if unit != 1e4 else 1e3):.3g}{letter}"
    if size and size < 0.001:
        power = math.floor(math.log10(size) + 1e-9)
        factor = size / 10.0**power
        head = "" if abs(factor - 1) < 1e-9 else f"{factor:.2g}·"
        return f"{sign}{head}10{''.join('⁰¹²³⁴⁵⁶⁷⁸⁹'[int(c)] if c != '-' else '⁻' for c in str(power))}"
    return f"{sign}{size:.3g}" if size < 1000 else f"{sign}{size:.0f}"


def symmetric(title: str, values: Iterable[float], *, grid: bool = True) -> Axis:
    """A signed axis about zero, linear within the smallest thousandth of the largest value and logarithmic beyond."""
    largest = max((abs(value) for value in values), default=0.0) or 1.0
    power = math.ceil(math.log10(largest) - 1e-9)
    tops = [10.0**power, 10.0 ** (power - 1), 10.0 ** (power - 2)]
    high = largest * 1.15
    shown = [value for value in tops if value <= high][:2]
    ticks = sorted((*(-value for value in shown), 0.0, *shown))
    return Axis(title, -high, high, tuple((v, short(v)) for v in ticks), "symlog", largest / 1000, grid)
