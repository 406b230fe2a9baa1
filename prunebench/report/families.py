"""What kinds of methods there are on a page, read off what the registry says they need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench import catalogue
from prunebench.errors import SpecError
from prunebench.registry import METHODS
from prunebench.spec import Spec

if TYPE_CHECKING:
    from prunebench.registry import Entry

FAMILIES = {
    "trains": "trains to find a ticket",
    "data": "at initialisation, from data",
    "free": "at initialisation, without data",
    "control": "control",
    "other": "not in the registry",
}
"""Words for each kind, in the order of pages; a control is one whatever it needs."""


def entry_of(method: str) -> Entry | None:
    """The registry's entry of a method as records have it; None of what no plug-in has brought."""
    catalogue.declare()
    try:
        return METHODS.entries.get(Spec.parse(method).name)
    except SpecError:
        return None


def family_of(method: str) -> str:
    """The key of a method's family."""
    entry = entry_of(method)
    if entry is None:
        return "other"
    if "control" in entry.capabilities:
        return "control"
    if "training" in entry.capabilities:
        return "trains"
    return "data" if "data" in entry.capabilities else "free"
