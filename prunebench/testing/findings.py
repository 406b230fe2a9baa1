"""What validation finds: one fault or remark, its evidence, and how to mend it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Weight = Literal["fault", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a validation."""

    check: str
    """Name of the check, a key of `QUESTIONS`."""
    weight: Weight
    """A `fault` breaks the contract; a `note` is worth knowing and breaks nothing."""
    what: str
    evidence: str
    """Numbers, layers, the network; or the error."""
    mend: str

    def __str__(self) -> str:
        return f"{self.check}: {self.what} ({self.evidence}); {self.mend}"


QUESTIONS = {
    "runs": "does it finish on chains, convolutions with BatchNorm, residual and grouped networks?",
    "scores": "are its scores complete, of the right shapes, real and finite?",
    "masks": "does it keep exactly round(d·N) prunable weights, down to one weight a layer?",
    "ticket": "does a ticket hold weights of the network?",
    "trained": "does a ticket that has been trained hold trained weights, and zeros where it is pruned?",
    "holds": "can its ticket be trained, and does that keep its masks?",
    "spent": "does it say how many trainings its ticket took?",
    "training": "does it train exactly if it declares `training`?",
    "stages": "is a ticket in stages the same as steps of a plan and at once?",
    "nested": "do masks lie within those at larger densities, where it says so?",
    "returns": "do pruned weights come back, where it says so?",
    "repeatable": "does the same seed give the same masks, whatever the global generators?",
    "random": "does another seed, beside the order of batches, give other masks exactly if it declares `random`?",
    "state": "is every call independent of the calls before?",
    "leftovers": "does a round leave the private copy as it found it?",
    "worker": "does another process find it and get the same masks?",
    "untouched": "do network and data of the caller stay as they are, also after an error?",
    "random-state": "do the global random generators stay as they are, also after an error?",
    "globals": "do torch, NumPy and the process stay as they are, also after an error?",
    "own-data": "does it use only the data that it is given?",
    "data": "do the inputs matter, all of them, exactly if it declares `data`?",
    "labels": "do the labels matter exactly if it declares `labels`?",
    "gradients": "does it differentiate exactly if it declares `gradients`?",
    "mode": "does `mode` decide what BatchNorm does?",
    "weights": "do the given weights matter, those of every layer?",
    "symmetry": "are equal functions pruned alike: hidden units in another order, or with both signs flipped?",
    "names": "do the names of layers not matter?",
    "rounds": "does its iteration change anything?",
    "parameters": "does every parameter change something?",
    "layers": "do the scores of every layer tell its weights apart, and can every layer lose weights?",
    "ties": "do scores decide, rather than the order among equals?",
    "structured": "do the weights of a filter share one score exactly if it declares `structured`?",
    "ablation": "do inverted and shuffled scores give other masks of the same counts?",
    "conserves": "has every layer of a bias-free chain the same sum, where it says so?",
    "dtype": "does it compute in the network's precision?",
    "device": "does it run where the network is, with nearly the same masks?",
}
"""What each check asks, in the order in which they run."""
