"""prunebench: benchmark and sanity checks for neural-network pruning methods.

Names are loaded when they are used: importing the package imports neither torch nor anything that computes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunebench.analysis.results import Results
    from prunebench.api import compare, cost, effective_density, find_ticket, prune, run, score, train, write_report
    from prunebench.checks.arms.base import prune_stage, ticket_stage
    from prunebench.engine.context import Pruning
    from prunebench.engine.custom import Method, MethodSpec, method
    from prunebench.engine.masks import Masks
    from prunebench.engine.selection.ratios import KeepRatios, Layers
    from prunebench.engine.selection.scorer import keep_ratios, scorer
    from prunebench.engine.selection.scoring import Scores, Scoring
    from prunebench.engine.ticket import Phase, Ticket, Trained
    from prunebench.engine.training.by_function import Stretch
    from prunebench.engine.training.task import Task
    from prunebench.errors import PrunebenchError
    from prunebench.tasks.recipes.base import Recipe, recipe

_HOMES = {
    "KeepRatios": "prunebench.engine.selection.ratios",
    "Layers": "prunebench.engine.selection.ratios",
    "Masks": "prunebench.engine.masks",
    "Method": "prunebench.engine.custom",
    "MethodSpec": "prunebench.engine.custom",
    "Phase": "prunebench.engine.ticket",
    "PrunebenchError": "prunebench.errors",
    "Pruning": "prunebench.engine.context",
    "Recipe": "prunebench.tasks.recipes.base",
    "Results": "prunebench.analysis.results",
    "Scores": "prunebench.engine.selection.scoring",
    "Scoring": "prunebench.engine.selection.scoring",
    "Stretch": "prunebench.engine.training.by_function",
    "Task": "prunebench.engine.training.task",
    "Ticket": "prunebench.engine.ticket",
    "Trained": "prunebench.engine.ticket",
    "compare": "prunebench.api",
    "cost": "prunebench.api",
    "effective_density": "prunebench.api",
    "find_ticket": "prunebench.api",
    "keep_ratios": "prunebench.engine.selection.scorer",
    "method": "prunebench.engine.custom",
    "prune": "prunebench.api",
    "prune_stage": "prunebench.checks.arms.base",
    "recipe": "prunebench.tasks.recipes.base",
    "run": "prunebench.api",
    "score": "prunebench.api",
    "scorer": "prunebench.engine.selection.scorer",
    "ticket_stage": "prunebench.checks.arms.base",
    "train": "prunebench.api",
    "write_report": "prunebench.api",
}

__all__ = [
    "KeepRatios",
    "Layers",
    "Masks",
    "Method",
    "MethodSpec",
    "Phase",
    "PrunebenchError",
    "Pruning",
    "Recipe",
    "Results",
    "Scores",
    "Scoring",
    "Stretch",
    "Task",
    "Ticket",
    "Trained",
    "compare",
    "cost",
    "effective_density",
    "find_ticket",
    "keep_ratios",
    "method",
    "prune",
    "prune_stage",
    "recipe",
    "run",
    "score",
    "scorer",
    "ticket_stage",
    "train",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("prunebench")
    if name == "testing":
        return import_module("prunebench.testing")
    if name not in _HOMES:
        raise AttributeError(f"module 'prunebench' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__", "testing"]
