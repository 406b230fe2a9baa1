"""Does a method finish, and does it give what was asked for?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from prunebench.engine.pruning import Walker
from prunebench.errors import UnsupportedOperatorError
from prunebench.testing.candidate import Candidate, refusal
from prunebench.testing.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prunebench.engine.ticket import Ticket
    from prunebench.testing.networks import Ground

_DENSITIES = (1.0, 0.537, 0.2, 0.05)


def tried(candidate: Candidate) -> tuple[Candidate, list[Finding]]:
    """The candidate on the networks that it runs on, and what it does wrong on the others."""
    found: list[Finding] = []
    works: list[Ground] = []
    for ground in candidate.grounds:
        try:
            finding = _tried(candidate, ground)
        except UnsupportedOperatorError as error:
            mend = "nothing, if the method's rule cannot be applied there"
            finding = Finding("runs", "note", "refuses a network", f"{ground.name}: {error}", mend)
        if finding is None:
            works.append(ground)
        else:
            found.append(finding)
    return replace(candidate, grounds=tuple(works)), found


def _tried(candidate: Candidate, ground: Ground) -> Finding | None:
    model = ground.model()
    where = ground.name
    try:
        if ground in candidate.grounds[:2]:
            where = f"{ground.name}, density 0.05"
            candidate.pruner.open(ground.subject(model)).ticket(0.05)
        finder = candidate.brief.open(ground.subject(model))
        for density in (*_DENSITIES, ground.least):
            where = f"{ground.name}, density {density:.3g}"
            if wrong := _odd(finder.ticket(density), ground, density):
                return Finding("masks", "fault", "another count than asked", f"{where}: {wrong}", "keep round(d·N)")
    except UnsupportedOperatorError:
        raise
    except (Exception, SystemExit) as error:
        return refusal(error, where)
    return None


def _odd(ticket: Ticket, ground: Ground, density: float) -> str:
    wanted, got = round(density * ground.total), ticket.masks.kept()
    return "" if wanted == got else f"{got} weights kept, {wanted} wanted"


def ticket(candidate: Candidate) -> Iterator[Finding]:
    """Weights of a ticket are parameters of the network, finite, and nobody else's."""
    for ground in candidate.grounds:
        model = ground.model()
        found = candidate.brief.open(ground.subject(model)).ticket(0.2).weights
        known = dict(model.named_parameters()) | dict(model.named_buffers())
        for name, weight in (found or {}).items():
            if name not in known:
                what, evidence = "a ticket with weights that the network does not have", name
            elif weight.shape != known[name].shape:
                what, evidence = "a ticket with weights of another shape", f"{name}: {list(weight.shape)}"
            elif not torch.isfinite(weight).all():
                what, evidence = "a ticket with weights that are not finite", name
            elif weight.requires_grad:
                what, evidence = "a ticket with weights that belong to a graph of gradients", name
            elif weight.data_ptr() == known[name].data_ptr():
                what, evidence = "a ticket that shares memory with the caller's network", name
            else:
                continue
            mend = "return {name: parameter.detach().clone()} of the network that training starts from"
            yield Finding("ticket", "fault", what, f"{ground.name}: {evidence}", mend)
            break


def nested(candidate: Candidate) -> Iterator[Finding]:
    """Masks at a smaller density lie within those at a larger one, where the method says so."""
    if candidate.scored or "nested" not in candidate.traits:
        return
    for ground in candidate.grounds:
        finder = candidate.brief.open(ground.subject())
        larger, *rest = (finder.ticket(density).masks for density in _DENSITIES[1:])
        for smaller in rest:
            outside = sum(int((mask & ~larger[name]).sum()) for name, mask in smaller.items())
            if outside:
                evidence = f"{ground.name}: {outside} of {smaller.kept()} kept weights are pruned at a larger density"
                mend = "nest them, or do not declare `nested`"
                yield Finding("nested", "fault", "masks are not nested", evidence, mend)
                return
            larger = smaller


def returns(candidate: Candidate) -> Iterator[Finding]:
    """Pruned weights come back in some round, where the method says so."""
    if not candidate.scored or "returns" not in candidate.traits or candidate.by_ratios:
        return
    seen = 0
    for ground in candidate.grounds:
        walker = candidate.variant(rounds=6).open(ground.subject())
        assert isinstance(walker, Walker), "scored methods walk"
        before: set[int] | None = None
        for step in walker.rounds(0.05):
            now = set(step.index[step.kept].tolist())
            seen += 0 if before is None else len(now - before)
            before = now
    if not seen:
        evidence = f"six rounds to density 0.05 on {len(candidate.grounds)} networks"
        mend = "score pruned weights by what they would be worth, or do not declare `returns`: walks are shared then"
        yield Finding("returns", "note", "declares `returns`, but no weight came back", evidence, mend)
