"""Metrics of layer collapse."""

from __future__ import annotations

from prunebench.records.metrics.base import Metric

_NOTIONS = {
    "dead_layer": ("some prunable layer keeps no weight", "N / L, one weight a layer"),
    "dead_effective_layer": ("some prunable layer keeps no effective weight", "N / L, one weight a layer"),
    "no_path": ("no path of kept weights leads from input to output", "N over the fewest prunable layers on any path"),
    "classes_unreached": (
        "some output is on no path of kept weights",
        "N over (the fewest prunable layers on any path − 1 + the number of classes)",
    ),
}
NOTIONS = tuple(_NOTIONS)
"""Notions of collapse, each with its own bound on compression."""


def _critical() -> list[Metric]:
    found: list[Metric] = []
    for notion, (event, bound) in _NOTIONS.items():
        found += [
            Metric(
                f"rho_cr_{notion}",
                "×",
                "higher",
                "structural",
                f"critical compression: N over the smallest count k such that no count from k to N has the event "
                f"that {event}",
            ),
            Metric(f"rho_max_{notion}", "×", "none", "structural", f"bound of rho_cr_{notion}: {bound}"),
            Metric(
                f"log_ratio_{notion}",
                "",
                "higher",
                "structural",
                f"log rho_cr_{notion} / log rho_max_{notion}; 1 is maximal critical compression",
            ),
        ]
    return found


COLLAPSE = [
    *_critical(),
    Metric(
        "prune_over_cut",
        "",
        "lower",
        "sampled",
        "worst round's prune size over cut size: score removed in the round over the smallest positive layer total "
        "of the score; below 1 in every round is the sufficient condition for maximal critical compression of a "
        "conserved, positive score on a network without shortcuts",
    ),
    Metric("rounds", "rounds", "none", "structural", "rounds of scoring that were needed"),
    Metric("evaluations", "masks", "none", "shown", "masks that were examined to find the critical compressions"),
]
