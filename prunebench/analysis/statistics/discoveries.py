"""Benjamini and Hochberg's step-up procedure (1995, J. R. Stat. Soc. B 57:289): few false ones among what is found.

Where no null hypothesis is false, the chance of any discovery is at most the level, as long as the statistics depend on
each other positively (Benjamini and Yekutieli 2001), as differences do that share a dense run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


def discovery_rates(p: Sequence[float]) -> list[float]:
    """Adjusted p-values: what has at most 0.05 is found at a false discovery rate of 5 %."""
    order = sorted(range(len(p)), key=lambda i: p[i], reverse=True)
    found, least = [1.0] * len(p), 1.0
    for place, i in enumerate(order):
        least = min(least, p[i] * len(p) / (len(p) - place))
        found[i] = least
    return found
