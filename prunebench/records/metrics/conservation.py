"""Metrics of flows of scores, and of w² in training."""

from __future__ import annotations

from prunebench.records.metrics.base import Metric

_SQUARES = "at initialisation", "in the end, pruned weights being zero"


def _flow() -> list[Metric]:
    """Of scores: how far from a flow, which units conserve and every cut carries."""
    over = "over |a| + |b|, that at least 1e-6 of the sum of the |scores| in question"
    unit = f"|a − b| {over}, of scores into (a) and out of (b) a hidden unit"
    cut = f"|a − b| {over}, of the total of a cut (a) and of the weights that feed the output (b)"
    return [
        Metric("unit_residual", "", "none", "sampled", f"largest of hidden units: {unit}", residual=True),
        Metric("unit_residual_median", "", "none", "sampled", f"median of hidden units: {unit}", residual=True),
        Metric(
            "units", "units", "none", "structural", "hidden units, channels that are added up without weights being one"
        ),
        Metric("cut_residual", "", "none", "sampled", f"largest of cuts: {cut}", residual=True),
        Metric("cut_residual_median", "", "none", "sampled", f"median of cuts: {cut}", residual=True),
        Metric(
            "cuts",
            "cuts",
            "none",
            "structural",
            "sets of weights, but those that feed the output, that cut input from output",
        ),
        Metric(
            "layer_residual",
            "",
            "none",
            "sampled",
            f"largest of prunable layers: |a − b| {over}, of a layer's total (a) and that of the output layer (b)",
            residual=True,
        ),
        Metric(
            "size_slope",
            "",
            "none",
            "sampled",
            "slope of log |mean score| against log size over prunable layers; −1 where all have one total",
        ),
    ]


def _drift() -> list[Metric]:
    """Of w², by which magnitude orders weights: before and after the trainings that find a ticket and train it."""
    begin, end = _SQUARES
    slope = "slope of log mean w² against log size over layers with weights left; −1 where all have one total"
    spread = "largest over smallest layer total of w²"
    imbalance = "median over hidden units with weights left of |in − out| / (in + out), totals of w² of their weights"
    return [
        Metric("square_slope_begin", "", "none", "sampled", f"{slope}; {begin}"),
        Metric("square_slope", "", "none", "sampled", f"{slope}; {end}"),
        Metric("square_slope_error", "", "none", "sampled", "distance of square_slope from −1, the inverse-size law"),
        Metric(
            "square_slope_error_change",
            "",
            "none",
            "sampled",
            "square_slope_error less that at initialisation; below 0 is towards the law",
        ),
        Metric("square_spread_begin", "×", "none", "sampled", f"{spread}; {begin}"),
        Metric("square_spread", "×", "none", "sampled", f"{spread}; {end}"),
        Metric(
            "square_spread_change",
            "decades",
            "none",
            "sampled",
            "log10 of square_spread over square_spread_begin; below 0 is towards equal totals",
        ),
        Metric("square_imbalance_begin", "", "none", "sampled", f"{imbalance}; {begin}"),
        Metric("square_imbalance", "", "none", "sampled", f"{imbalance}; {end}"),
        Metric(
            "square_imbalance_change",
            "",
            "none",
            "sampled",
            "square_imbalance less square_imbalance_begin; below 0 is towards the unit law",
        ),
    ]


CONSERVATION = [*_flow(), *_drift()]
