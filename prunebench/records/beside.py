"""What may stand beside the records of a run: anybody may have written its plan and its provenance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_PLAIN = (str, int, float, bool, type(None))
_TOLD = ("prunebench", "python", "platform", "processor", "command", "started")


def no_plan(plan: Mapping[str, Any]) -> str | None:
    """Why something is no plan, in words; None of one. Its rows are told when they are read."""
    suites, environment = plan.get("suites"), plan.get("environment")
    if not isinstance(plan.get("run"), str) or not isinstance(plan.get("scale"), str):
        return "run or scale is no text"
    if not isinstance(plan.get("rows"), list):
        return "there are no rows"
    if not _flat(environment):
        return "environment is no table of plain values"
    if not isinstance(suites, list) or not suites:
        return "there are no suites"
    for suite in suites:
        if not isinstance(suite, dict) or type(suite.get("name")) is not str or type(suite.get("version")) is not int:
            return "a suite has no name or no version"
        if not isinstance(suite.get("presentation", {}), dict) or not isinstance(suite.get("question", ""), str):
            return f"suite {suite['name']!r} has a presentation that is no table, or a question that is no text"
    names = [suite["name"] for suite in suites]
    if twice := next((name for name in names if names.count(name) > 1), None):
        return f"there are two suites {twice!r}"
    return _no_selection(plan.get("selection"))


def no_provenance(entry: object) -> str | None:
    """Why something is no entry of `provenance.json`, in words; None of one."""
    if not isinstance(entry, dict):
        return "it is no table"
    if wrong := next((name for name in _TOLD if not isinstance(entry.get(name, ""), str)), None):
        return f"{wrong} is no text"
    for name in ("libraries", "environment", "git"):
        if entry.get(name) is not None and not _flat(entry[name]):
            return f"{name} is no table of plain values"
    return None if _texts(entry.get("plugins") or []) else "plugins are no list of texts"


def _no_selection(chosen: object) -> str | None:
    """What the user left out; absent in older plans. Keys that a later version adds are let be."""
    if chosen is None:
        return None
    if not isinstance(chosen, dict):
        return "selection is no table"
    if wrong := next((name for name in ("methods", "set") if not _texts(chosen.get(name) or [])), None):
        return f"{wrong} of the selection is no list of texts"
    return "seeds of the selection is no number" if type(chosen.get("seeds")) not in {int, type(None)} else None


def _flat(found: object) -> bool:
    return isinstance(found, dict) and all(isinstance(value, _PLAIN) for value in found.values())


def _texts(found: object) -> bool:
    return isinstance(found, list) and all(isinstance(text, str) for text in found)
