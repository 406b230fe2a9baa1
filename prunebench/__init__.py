"""prunebench: benchmark and sanity checks for neural-network pruning methods.

Names are loaded when they are used: importing the package imports neither torch nor anything that computes.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunebench.analysis.results import Results
    from prunebench.api import effective_density, prune, run, score
    from prunebench.engine.masks import Masks
    from prunebench.engine.method import scorer
    from prunebench.engine.scoring import Scores, Scoring
    from prunebench.errors import PrunebenchError

_HOMES = {
    "Masks": "prunebench.engine.masks",
    "PrunebenchError": "prunebench.errors",
    "Results": "prunebench.analysis.results",
    "Scores": "prunebench.engine.scoring",
    "Scoring": "prunebench.engine.scoring",
    "effective_density": "prunebench.api",
    "prune": "prunebench.api",
    "run": "prunebench.api",
    "score": "prunebench.api",
    "scorer": "prunebench.engine.method",
}

__all__ = [
    "Masks",
    "PrunebenchError",
    "Results",
    "Scores",
    "Scoring",
    "effective_density",
    "prune",
    "run",
    "score",
    "scorer",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("prunebench")
    if name not in _HOMES:
        raise AttributeError(f"module 'prunebench' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
