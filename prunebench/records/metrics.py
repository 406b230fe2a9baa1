"""What each metric means: unit, direction, definition. Reports and `prunebench show` read it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Direction = Literal["higher", "lower", "none"]


@dataclass(frozen=True, slots=True)
class Metric:
    """Definition of one metric; `none` marks a characteristic, which is neither good nor bad."""

    name: str
    unit: str
    direction: Direction
    definition: str
    version: int = 1


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
                f"critical compression: N over the smallest count k such that no count from k to N has the event "
                f"that {event}",
            ),
            Metric(f"rho_max_{notion}", "×", "none", f"bound of rho_cr_{notion}: {bound}"),
            Metric(
                f"log_ratio_{notion}",
                "",
                "higher",
                f"log rho_cr_{notion} / log rho_max_{notion}; 1 is maximal critical compression",
            ),
        ]
    return found


_SPLITS = {
    "train": "training samples, without augmentation",
    "validation": "samples held back from the training split",
    "test": "test samples",
}


def _measured() -> list[Metric]:
    found: list[Metric] = []
    for split, what in _SPLITS.items():
        found += [
            Metric(f"{split}_accuracy", "%", "higher", f"top-1 accuracy on the {what}, last epoch, in eval mode"),
            Metric(f"{split}_top5", "%", "higher", f"top-5 accuracy likewise on the {what}, of more than 20 classes"),
            Metric(f"{split}_loss", "nats", "lower", f"mean cross-entropy on the {what}, last epoch, in eval mode"),
        ]
    return found


_DEFINED = [
    *_critical(),
    *_measured(),
    Metric(
        "trainings",
        "T",
        "lower",
        "optimiser steps on one network over those of the recipe, for finding the ticket and training it",
    ),
    Metric("find_trainings", "T", "lower", "the part of `trainings` that went into finding the ticket"),
    Metric(
        "parent_accuracy",
        "%",
        "none",
        "top-1 accuracy on the test samples of the trained network that the ticket was cut from: the dense one, that "
        "of the round before, or of dsd's sparse phase",
    ),
    Metric(
        "before_accuracy",
        "%",
        "none",
        "top-1 accuracy on the test samples of the ticket's weights under its masks, before it is trained",
    ),
    Metric(
        "overlap",
        "",
        "none",
        "weights that both masks keep over weights that either keeps, against the ticket that an arm is compared with",
    ),
    Metric(
        "overlap_chance",
        "",
        "none",
        "overlap of masks drawn uniformly with the same counts by layer: the expected intersection over the rest",
    ),
    Metric("overlap_seeds", "", "none", "overlap with the untouched ticket of the repetition before"),
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
    Metric(
        "prune_over_cut",
        "",
        "lower",
        "worst round's prune size over cut size: score removed in the round over the smallest positive layer total "
        "of the score; below 1 in every round is the sufficient condition for maximal critical compression of a "
        "conserved, positive score on a network without shortcuts",
    ),
    Metric("rounds", "rounds", "none", "rounds of scoring that were needed"),
    Metric("evaluations", "masks", "none", "masks that were examined to find the critical compressions"),
]
METRICS = {metric.name: metric for metric in _DEFINED}
"""All metrics by name."""
