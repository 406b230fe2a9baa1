"""Metrics of what masks leave of a network."""

from __future__ import annotations

from prunebench.records.metrics.base import Metric

MASKS = [
    Metric("kept", "weights", "none", "structural", "prunable weights that the mask keeps, round(d·N)"),
    Metric("density", "", "none", "structural", "kept over prunable weights"),
    Metric("dead_layers", "layers", "lower", "structural", "prunable layers without a kept weight"),
    Metric("dead_effective_layers", "layers", "lower", "structural", "prunable layers without an effective weight"),
    Metric(
        "effective_kept",
        "weights",
        "none",
        "structural",
        "kept weights on some path from input to output through kept weights, exact by position",
    ),
    Metric(
        "effective_density", "", "none", "structural", "effective weights over prunable weights; at most the density"
    ),
    Metric("effective_share", "", "higher", "structural", "effective weights over kept weights"),
    Metric("has_path", "", "higher", "structural", "1 if some path of kept weights leads from input to output, else 0"),
    Metric("classes_reached", "classes", "higher", "structural", "outputs that some path of kept weights leads to"),
    Metric(
        "kept_parameters", "parameters", "none", "structural", "kept weights and all parameters that are never pruned"
    ),
    Metric(
        "macs",
        "MAC",
        "none",
        "structural",
        "multiply-accumulates of the dense network on one input, zero padding included",
    ),
    Metric(
        "kept_macs", "MAC", "lower", "structural", "multiply-accumulates with kept weights, each wherever it is applied"
    ),
    Metric("effective_macs", "MAC", "none", "structural", "multiply-accumulates with effective weights"),
]
