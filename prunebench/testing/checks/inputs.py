"""Does a method look at what it declares, and at nothing else?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from prunebench.tasks.datasets.base import Split
from prunebench.testing.findings import Finding
from prunebench.testing.networks import CLASSES, CONV, Ground

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prunebench.testing.candidate import Candidate, Result
    from prunebench.testing.findings import Weight

_MANY = 68
"""Samples of each class where every part of the data is to matter: in eval mode more than one batch of 256."""


def data(candidate: Candidate) -> Iterator[Finding]:
    """Other inputs give other masks exactly if `data` is declared; other inputs for a few of many give other scores."""
    declared = "data" in candidate.needs
    for ground in candidate.grounds:
        pair = _both(candidate, ground, ground.data(1))
        if pair is None or (declared and not candidate.trains and pair[0].masks == pair[1].masks):
            continue
        if not declared:
            mend = "declare needs={'data'}, so that it is given the scoring set"
            evidence = f"{ground.name}, other inputs: {pair[0].difference(pair[1])}"
            yield Finding("data", "fault", "the inputs matter, but `data` is not declared", evidence, mend)
            return
        break
    else:
        if declared and candidate.grounds and not candidate.control:
            evidence = f"other inputs on {len(candidate.grounds)} networks: equal masks"
            mend = "look at the inputs, or do not declare `data`"
            yield Finding("data", "fault", "declares `data`, but the inputs change nothing", evidence, mend)
            return
    if declared and not candidate.trains and not candidate.random:
        yield from _all_of_them(candidate)


def _all_of_them(candidate: Candidate) -> Iterator[Finding]:
    for ground in candidate.grounds[:1]:
        many = replace(ground, per_class=_MANY)
        given = many.data()
        for part, chosen in (("first", slice(0, 16)), ("last", slice(-16, None))):
            changed = Split(given.x.clone(), given.y)
            changed.x[chosen] = many.data(1).x[chosen]
            if _both(candidate, many, changed) is None:
                evidence = f"{ground.name}: the {part} 16 of {len(given)} samples change nothing"
                mend = "use every batch of ctx.batches(); in eval mode there are several"
                weight: Weight = "fault" if candidate.scored else "note"
                yield Finding("data", weight, "not all samples count", evidence, mend)


def labels(candidate: Candidate) -> Iterator[Finding]:
    """Other labels of the same inputs give other masks exactly if `labels` is declared."""
    declared = "labels" in candidate.needs
    for ground in candidate.grounds:
        given = ground.data()
        pair = _both(candidate, ground, Split(given.x, (given.y + 1) % CLASSES))
        if pair is None or (declared and not candidate.trains and pair[0].masks == pair[1].masks):
            continue
        if not declared:
            evidence = f"{ground.name}, every label another: {pair[0].difference(pair[1])}"
            mend = "declare needs={'data', 'labels'}"
            yield Finding("labels", "fault", "the labels matter, but `labels` is not declared", evidence, mend)
        return
    if declared and candidate.grounds and not candidate.control:
        evidence = f"every label another on {len(candidate.grounds)} networks: equal masks"
        mend = "look at the labels, or do not declare `labels`"
        yield Finding("labels", "fault", "declares `labels`, but the labels change nothing", evidence, mend)


def drawn(candidate: Candidate) -> Iterator[Finding]:
    """It also runs on a training split alone, as in a suite, where the scoring set is drawn from it."""
    for ground in candidate.grounds[:1]:
        per_class = getattr(getattr(candidate.pruner, "words", None), "samples_per_class", 10)
        whole = replace(ground, per_class=max(per_class, 10) + 3)
        subject = whole.subject()
        candidate.on(replace(subject, batch=None))
    yield from ()


def mode(candidate: Candidate) -> Iterator[Finding]:
    """With BatchNorm and data, `mode` of a scored method decides its scores."""
    if not candidate.scored or "data" not in candidate.needs or CONV not in candidate.grounds:
        return
    train, evaluated = (candidate.on(CONV.subject(), pruner=candidate.variant(mode=m)) for m in ("train", "eval"))
    if train.masks == evaluated.masks:
        mend = "leave ctx.model in the mode that it has, and pass data through it"
        yield Finding("mode", "fault", "`mode` changes nothing", f"{CONV.name}: equal masks in both modes", mend)


def _both(candidate: Candidate, ground: Ground, other: Split) -> tuple[Result, Result] | None:
    """Outcomes with the ground's data and with others; None if they are equal."""
    given = candidate.base(ground)
    found = candidate.on(ground.subject(data=other))
    return None if given == found else (given, found)
