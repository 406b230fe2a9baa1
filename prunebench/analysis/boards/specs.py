"""Specs in records, looked up in registries; what a plug-in brought may not be loaded when a report is made."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

from prunebench import catalogue
from prunebench.errors import PrunebenchError
from prunebench.registry import ARMS, METHODS, RECIPES
from prunebench.spec import Spec

if TYPE_CHECKING:
    from prunebench.registry import Registry
    from prunebench.spec import Value


def method_name(text: str) -> str:
    """A method as rows have it, however it is written."""
    return _minimal(METHODS, text)


def arm_name(text: str) -> str:
    """An arm as rows have it, however it is written."""
    return _minimal(ARMS, text)


def but_for_rate(recipe: str | None) -> str | None:
    """What recipes share that differ in `lr` alone, defaults filled in where the recipe is known."""
    try:
        spec = Spec.parse(recipe or "")
    except PrunebenchError:
        return recipe
    try:
        params = _known(RECIPES).resolve(spec)
    except PrunebenchError:
        params = spec.mapping
    return str(spec.with_params({name: value for name, value in params.items() if name != "lr"}))


def longer_dense(method: str) -> str | None:
    """The method, as rows have it, whose budget a `dense-long` has; None of other methods."""
    try:
        spec = Spec.parse(method)
        if spec.name != "dense-long":
            return None
        return method_name(str(_known(METHODS).resolve(spec)["of"]))
    except PrunebenchError:
        return None


def alters_finding(arm: str) -> bool:
    """Whether an arm alters what tickets are found with; one that is not known may."""
    try:
        return "prune" in _known(ARMS).entry(Spec.parse(arm).name).capabilities
    except PrunebenchError:
        return True


def arm_parameter(arm: str | None, name: str) -> Value | None:
    """A parameter of an arm, its default where it is not given; None of an arm that is not known or has none such."""
    try:
        return _known(ARMS).resolve(Spec.parse(arm or "")).get(name)
    except PrunebenchError:
        return None


def parts(arm: str) -> tuple[str, str, str] | None:
    """An arm's names where it alters the whole ticket, its mask alone, its weights alone; None of what is no spec."""
    try:
        spec = Spec.parse(arm)
    except PrunebenchError:
        return None
    others = {name: value for name, value in spec.mapping.items() if name != "part"}
    whole, mask, weights = (
        spec.with_params({**others, **part}) for part in ({}, {"part": "mask"}, {"part": "weights"})
    )
    return str(whole), str(mask), str(weights)


def _minimal(registry: Registry, text: str) -> str:
    try:
        return str(_known(registry).minimal(Spec.parse(text)))
    except PrunebenchError:
        return text


def _known(registry: Registry) -> Registry:
    _declare()
    return registry


@cache
def _declare() -> None:
    catalogue.declare()
