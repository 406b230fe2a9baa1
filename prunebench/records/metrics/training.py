"""Metrics of trained networks, and of what their tickets took."""

from __future__ import annotations

from prunebench.records.metrics.base import Metric

_SPLITS = {
    "train": "training samples, without augmentation",
    "validation": "samples held back from the training split",
    "test": "test samples",
}


def _measured() -> list[Metric]:
    found: list[Metric] = []
    for split, what in _SPLITS.items():
        found += [
            Metric(
                f"{split}_accuracy", "%", "higher", "sampled", f"top-1 accuracy on the {what}, last epoch, in eval mode"
            ),
            Metric(
                f"{split}_top5",
                "%",
                "higher",
                "sampled",
                f"top-5 accuracy likewise on the {what}, of more than 20 classes",
            ),
            Metric(
                f"{split}_loss",
                "nats",
                "lower",
                "sampled",
                f"mean cross-entropy on the {what}, last epoch, in eval mode",
            ),
        ]
    return found


TRAINING = [
    *_measured(),
    Metric(
        "trainings",
        "T",
        "lower",
        "structural",
        "optimiser steps on one network over those of the recipe, for finding the ticket and training it",
    ),
    Metric("find_trainings", "T", "lower", "structural", "the part of `trainings` that went into finding the ticket"),
    Metric(
        "parent_accuracy",
        "%",
        "none",
        "sampled",
        "top-1 accuracy on the test samples of the trained network that the ticket was cut from: the dense one, that "
        "of the round before, or of dsd's sparse phase",
    ),
    Metric(
        "before_accuracy",
        "%",
        "none",
        "sampled",
        "top-1 accuracy on the test samples of the ticket's weights under its masks, before it is trained",
    ),
    Metric(
        "overlap",
        "",
        "none",
        "structural",
        "weights that both masks keep over weights that either keeps, against the ticket that an arm is compared with",
    ),
    Metric(
        "overlap_chance",
        "",
        "none",
        "shown",
        "overlap of masks drawn uniformly with the same counts by layer: the expected intersection over the rest",
    ),
    Metric("overlap_seeds", "", "none", "structural", "overlap with the untouched ticket of the repetition before"),
]
