"""A validation split that is part of the training split, and of which nothing is in the rest of it."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import torch

from prunebench.errors import PruningError
from prunebench.seeding import seed_of

if TYPE_CHECKING:
    from prunebench.tasks.datasets.base import Samples


def split(train: Samples, validation: float = 0.1, repetition: int = 0) -> tuple[Samples, Samples]:
    """The training split without its validation part, and that part, both in their old order.

    Stratified: of n samples of a class, round(validation·n) go to the validation part. Inputs that occur more than once
    go to one side together, whatever their labels, even if a class then gives a few samples fewer. The draw depends
    on the repetition alone.

    Raises:
        PruningError: a class would have no sample on one side.
    """
    labels = train.y.cpu()
    generator = torch.Generator().manual_seed(seed_of("split/validation", repetition))
    classes, numbers, counts = torch.unique(labels, return_inverse=True, return_counts=True)
    room = [round(validation * n) for n in counts.tolist()]
    sizes, of = list(room), numbers.tolist()
    groups: dict[int, list[int]] = {}
    twins = train.twins().tolist()
    for i in torch.randperm(len(labels), generator=generator).tolist():
        groups.setdefault(twins[i], []).append(i)
    held = torch.zeros(len(labels), dtype=torch.bool)
    for group in groups.values():
        wanted = Counter(of[i] for i in group)
        if all(room[c] >= n for c, n in wanted.items()):
            held[group] = True
            for c, n in wanted.items():
                room[c] -= n
    for c, label in enumerate(classes.tolist()):
        if not 0 < sizes[c] - room[c] < int(counts[c]):
            raise PruningError(
                f"class {label} has {int(counts[c])} samples: validation={validation:g} leaves none on one side"
            )
    return train.subset(torch.nonzero(~held).flatten()), train.subset(torch.nonzero(held).flatten())
