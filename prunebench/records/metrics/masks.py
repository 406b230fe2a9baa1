"""Metrics of what masks leave of a network."""

from __future__ import annotations

from prunebench.records.metrics.base import Metric

MASKS = [
    Metric("kept", "weights", "none", "prunable weights that the mask keeps, round(d·N)"),
    Metric("density", "", "none", "kept over prunable weights"),
    Metric("dead_layers", "layers", "lower", "prunable layers without a kept weight"),
    Metric("dead_effective_layers", "layers", "lower", "prunable layers without an effective weight"),
    Metric(
        "effective_kept",
        "weights",
        "none",
        "kept weights on some path from input to output through kept weights, exact by position",
    ),
    Metric("effective_density", "", "none", "effective weights over prunable weights; at most the density"),
    Metric("effective_share", "", "higher", "effective weights over kept weights"),
    Metric("has_path", "", "higher", "1 if some path of kept weights leads from input to output, else 0"),
    Metric("classes_reached", "classes", "higher", "outputs that some path of kept weights leads to"),
    Metric("kept_parameters", "parameters", "none", "kept weights and all parameters that are never pruned"),
    Metric("macs", "MAC", "none", "multiply-accumulates of the dense network on one input, zero padding included"),
    Metric("kept_macs", "MAC", "lower", "multiply-accumulates with kept weights, each wherever it is applied"),
    Metric("effective_macs", "MAC", "none", "multiply-accumulates with effective weights"),
]
