"""Arms of the prune stage: the ticket is found on other data, or for longer, and trained on the task as it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Literal

from prunebench.checks.arms.base import Finding, lasting, prune_stage

_SU = "Su et al. 2020, Sanity-checking pruning methods: random tickets can win the jackpot"


@prune_stage("random-labels", paper=_SU, notes="strict=true never draws the true label.")
def random_labels(finding: Finding, *, strict: bool = False) -> Finding:
    """Every label of the data that the ticket is found with is drawn anew, uniformly."""
    return finding.on(labels="wrong" if strict else "random")


@prune_stage("random-pixels", paper=_SU)
def random_pixels(finding: Finding) -> Finding:
    """Every input that the ticket is found with has all of its values permuted, each input in its own way."""
    return finding.on(inputs="shuffled")


@prune_stage("corrupted", paper=_SU)
def corrupted(finding: Finding, *, strict: bool = False) -> Finding:
    """Random labels and random pixels together."""
    return finding.on(labels="wrong" if strict else "random", inputs="shuffled")


@prune_stage(
    "half-data",
    paper=_SU,
    notes=(
        "The released code stops each epoch half way, so that it has half of the samples and half of the steps at "
        "once. match=epochs does the same with a stratified half; match=steps trains on it for as many steps as on all."
    ),
)
def half_data(finding: Finding, *, match: Literal["epochs", "steps"] = "epochs") -> Finding:
    """The ticket is found with a stratified half of the samples, another one in each repetition."""
    return replace(finding.on(share=0.5), recipe=lasting(finding.recipe, 2.0 if match == "steps" else 1.0))


@prune_stage("no-data")
def no_data(finding: Finding) -> Finding:
    """Every input that the ticket is found with is one and the same."""
    return finding.on(inputs="constant")


@prune_stage("clean", notes="With length=…, what arms of that length are compared with.")
def clean(finding: Finding) -> Finding:
    """Nothing is changed but what `length` says."""
    return finding
