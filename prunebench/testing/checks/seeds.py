"""Does a seed, and nothing else, decide what is random?"""

from __future__ import annotations

import random as python_random
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from prunebench.errors import PrunebenchError
from prunebench.testing.candidate import Result
from prunebench.testing.findings import Finding
from prunebench.testing.networks import CHAIN, Ground, chain
from prunebench.testing.surroundings import kept

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prunebench.testing.candidate import Candidate

_SEEDS = (1, 2)


def repeatable(candidate: Candidate) -> Iterator[Finding]:
    """The same seed gives the same masks and scores, whatever the states of the global generators."""
    for ground in candidate.several[:2]:
        results: list[Result] = []
        for state in (11, 12):
            with kept():
                torch.manual_seed(state)
                np.random.seed(state)
                python_random.seed(state)
                results.append(candidate.on(ground.subject()))
        for other in results[1:]:
            if other != results[0]:
                evidence = f"{ground.name}: {results[0].difference(other)}"
                mend = "draw from ctx.generator only, and depend on no clock, id or hash"
                yield Finding("repeatable", "fault", "the same seed gives other results", evidence, mend)
                return


def settled(candidate: Candidate) -> Candidate:
    """The candidate, known to be random where its parameters make it so: a declaration is the entry's."""
    if not candidate.spec.params or candidate.scored or candidate.random or not candidate.grounds:
        return candidate
    ground = candidate.grounds[0]
    try:
        first, other = (candidate.on(ground.subject(seed=s, by_function=candidate.trains)).masks for s in (0, 1))
    except Exception:
        return candidate
    return candidate if first == other else replace(candidate, lent=candidate.lent | {"random"})


def random(candidate: Candidate) -> Iterator[Finding]:
    """Another seed, on the same network and batch, changes the masks exactly if `random` is declared.

    A method that trains is given a train function of the ground's, without a draw: the order of batches goes by the
    seed as well, and is not the method's.
    """
    for ground in candidate.several:
        try:
            first, *others = (
                candidate.on(ground.subject(seed=seed, by_function=candidate.trains)) for seed in (0, *_SEEDS)
            )
        except PrunebenchError:
            if candidate.trains:  # it takes recipes only, so that the seed's parts cannot be told apart
                return
            raise
        for seed, other in zip(_SEEDS, others, strict=True):
            # Equal scores with other masks are ties, whose order is the engine's draw.
            same = first.masks == other.masks if first.scores is None else first.same_scores(other)
            if same or (candidate.random and first.masks == other.masks):
                continue
            if candidate.random:
                return
            yield Finding(
                "random", "fault", "the seed decides, but `random` is not declared",
                f"{ground.name}, seeds 0 and {seed}: {first.difference(other)}", "declare traits={'random'}",
            )  # fmt: skip
            return
    if "random" in candidate.traits and candidate.grounds:
        evidence = f"seeds 0 to {max(_SEEDS)} on {len(candidate.several)} networks: equal masks"
        mend = "use what is drawn from ctx.generator, or do not declare `random`"
        yield Finding("random", "fault", "declares `random`, but the seed changes nothing", evidence, mend)


def state(candidate: Candidate) -> Iterator[Finding]:
    """A network, another one and the first again: the first and the last outcome are equal."""
    mend = "keep nothing between calls: no module variables, mutable defaults, class attributes or caches by id"
    other = [Ground("a chain of other widths", lambda: chain(wide=11), (12,)), Ground("", CHAIN.build, (12,), drawn=1)]
    for ground in candidate.several[:2]:
        model = ground.model()
        first = candidate.on(ground.subject(model))
        if ground == CHAIN:
            for another in other:
                try:
                    candidate.on(another.subject())
                except Exception as error:
                    evidence = f"{another.name}, after {ground.name}: {' '.join(str(error).split())}"
                    yield Finding("state", "fault", "fails on a second network", evidence, mend)
                    return
        again = candidate.on(ground.subject(model))
        if first != again:
            evidence = f"{ground.name}: {first.difference(again)}"
            yield Finding("state", "fault", "a call depends on the calls before", evidence, mend)
            return
        finder = candidate.brief.open(ground.subject(model))
        low = candidate.densities[-1] if candidate.scored else candidate.reached(ground)[-1]
        ticket = finder.ticket(0.5)
        before = Result.of(ticket)
        finder.ticket(low)
        if Result.of(ticket) != before:
            evidence = f"{ground.name}: density 0.5, after density {low:g}"
            what = "masks or weights that were returned change later"
            yield Finding("state", "fault", what, evidence, "return new tensors")
            return
        if Result.of(finder.ticket(0.5)) != before:
            evidence = f"{ground.name}: density 0.5 before and after density {low:g}"
            yield Finding("state", "fault", "a density depends on the densities before", evidence, mend)
            return
