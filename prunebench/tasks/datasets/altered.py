"""Training data that were tampered with: what a pruner's tickets should hang on, if it uses its data.

Only what a repetition trains on is altered. The test split and the validation part are the source's own, and the same
samples are held back as on clean data, since the source itself is split.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import torch

from prunebench.errors import DataError
from prunebench.parameters import Names
from prunebench.registry import DATASETS
from prunebench.seeding import seed_of
from prunebench.spec import Spec
from prunebench.tasks.build import load_dataset
from prunebench.tasks.datasets import identity
from prunebench.tasks.datasets.base import Dataset
from prunebench.tasks.datasets.uninformative import Constant, Shuffled
from prunebench.tasks.registration import dataset

if TYPE_CHECKING:
    from torch import Tensor

    from prunebench.spec import Value
    from prunebench.tasks.datasets.base import Samples

Labels = Literal["own", "random", "wrong"]
Inputs = Literal["own", "shuffled", "constant"]

_KEPT = 2
"""Repetitions whose samples are kept: a share of images in memory is a copy of them."""


@dataset("altered", paper="Su et al. 2020, arXiv:2009.11094; Zhang et al. 2017", identity=identity.altered)
def altered(
    *, of: Annotated[str, Names(DATASETS.kind)] = "mnist1d", labels: Labels = "own", inputs: Inputs = "own",
    share: float = 1.0,
) -> Dataset:  # fmt: skip
    """Another dataset whose training samples have other labels, other inputs, or are fewer.

    `labels`: `random` draws each anew, uniformly from all K classes, so that 1/K stay right; `wrong` from the K − 1
    others. `inputs`: `shuffled` gives every sample a permutation of its own of all its standardised values, over
    channels and positions at once; `constant` makes them all ones. `share`: of n samples of a class, round(share·n)
    are kept. The three are drawn by streams of their own, and anew in every repetition, so that
    each is the same alone and together with others.

    Raises:
        SpecError: `of` is altered itself, or the share is outside (0, 1].
    """
    source = load_dataset(identity.source_of(of, share))
    train = _sampled(_tampered(source.train, labels, inputs, source.classes, 0), source.train.y, share, 0)
    return Altered(
        "altered", train, source.test, source.classes, source=source, labels=labels, inputs=inputs, share=share
    )


@dataclass(frozen=True, kw_only=True)
class Altered(Dataset):
    """A source and what is done to the samples that are trained on.

    `train` is what repetition 0 has without a validation part: never the clean samples.
    """

    source: Dataset
    labels: Labels
    inputs: Inputs
    share: float

    @functools.cached_property
    def fingerprint(self) -> str:
        """What is done, and the source's fingerprint: `altered(labels=random) of 0123456789abcdef`."""
        given: dict[str, Value] = {"labels": self.labels, "inputs": self.inputs, "share": self.share}
        return f"{DATASETS.minimal(Spec('altered', tuple(given.items())))} of {self.source.fingerprint}"

    def split(self, validation: float = 0.1, repetition: int = 0) -> tuple[Samples, Samples | None]:
        """The source's two parts, the first altered as the repetition has it.

        Raises:
            PruningError: a class would have no sample on one side.
            DataError: the share leaves a class without samples, or there is no wrong label.
        """
        key = validation, repetition
        if key not in self._splits:
            clean, held = self.source.split(validation, repetition)
            whole = _tampered(clean, self.labels, self.inputs, self.classes, repetition)
            part = _sampled(whole, clean.y, self.share, repetition)
            while len(self._splits) >= _KEPT:
                del self._splits[next(iter(self._splits))]
            self._splits[key] = part, held
        return self._splits[key]


def _tampered(samples: Samples, labels: Labels, inputs: Inputs, classes: int, repetition: int) -> Samples:
    """All samples under other labels and with other inputs, drawn by their position."""
    if labels != "own":
        samples = samples.labelled(_drawn(samples.y, labels, classes, repetition))
    if inputs == "constant":
        return Constant(samples.shape, samples.y)
    if inputs == "shuffled":
        generator = torch.Generator().manual_seed(seed_of("altered/inputs", repetition))
        return Shuffled(samples, torch.randint(2**63 - 1, (len(samples),), generator=generator))
    return samples


def _drawn(own: Tensor, labels: Labels, classes: int, repetition: int) -> Tensor:
    """Labels `[n]`, uniform over all classes, or over those that are not a sample's own."""
    generator = torch.Generator().manual_seed(seed_of("altered/labels", repetition))
    if labels == "random":
        return torch.randint(classes, own.shape, generator=generator)
    if classes < 2:
        raise DataError("altered: labels=wrong needs two classes at least")
    return (own + torch.randint(1, classes, own.shape, generator=generator)) % classes


def _sampled(samples: Samples, own: Tensor, share: float, repetition: int) -> Samples:
    """Of the n samples of every class of their own round(share·n), in their old order.

    A smaller share is a part of a larger one.

    Raises:
        DataError: there are none of a class.
    """
    if share == 1:
        return samples
    generator = torch.Generator().manual_seed(seed_of("altered/share", repetition))
    kept: list[Tensor] = []
    for label in torch.unique(own).tolist():
        members = torch.nonzero(own == label).flatten()
        count = round(share * len(members))
        if not count:
            raise DataError(f"altered: class {label} has {len(members)} training samples: share={share:g} leaves none")
        kept.append(members[torch.randperm(len(members), generator=generator)[:count]])
    return samples.subset(torch.cat(kept).sort().values)
