"""Does a method finish, and does it give what was asked for?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from prunebench.engine.selection.pruning import Walker
from prunebench.errors import DensityError, InapplicableError, UnsupportedOperatorError
from prunebench.testing.candidate import Candidate, refusal
from prunebench.testing.findings import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from torch import Tensor

    from prunebench.engine.masks import Masks
    from prunebench.testing.networks import Ground

_REFUSALS = (InapplicableError, UnsupportedOperatorError)
"""What a method may say of a network that it has no rule for, or that has nothing of what it goes by."""


def tried(candidate: Candidate) -> tuple[Candidate, list[Finding]]:
    """The candidate on the networks that it runs on, and what it does wrong on the others."""
    found: list[Finding] = []
    works: list[Ground] = []
    for ground in candidate.grounds:
        try:
            finding = _tried(candidate, ground)
        except _REFUSALS as error:
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
        if ground in candidate.grounds[:2] and candidate.pruner != candidate.brief:
            where = f"{ground.name}, density 0.05"
            candidate.pruner.open(ground.subject(model)).ticket(0.05)
        finder = candidate.brief.open(ground.subject(model))
        for density in (*candidate.densities, ground.least) if ground in candidate.several else (candidate.density,):
            where = f"{ground.name}, density {density:.3g}"
            try:
                found = finder.ticket(density) if candidate.scored else candidate.base(ground, density)
            except DensityError:
                if density >= candidate.density:
                    raise
                continue  # a floor of its own, which it names
            if wrong := _odd(candidate, found.masks, ground, density):
                return Finding("masks", "fault", "another count than asked", f"{where}: {wrong}", "keep round(d·N)")
    except _REFUSALS:
        raise
    except (Exception, SystemExit) as error:
        return refusal(error, where)
    return None


def _odd(candidate: Candidate, masks: Masks, ground: Ground, density: float) -> str:
    """What is wrong with the count, or with filters that are to be whole."""
    wanted, got = round(density * ground.total), masks.kept()
    if not candidate.chooses and (got > wanted if candidate.whole else got != wanted):
        return f"{got} weights kept, {wanted} wanted"
    if "whole" in candidate.traits:
        layers = dict(ground.model().named_modules())
        for name, mask in masks.items():
            groups = getattr(layers[name.rpartition(".")[0]], "groups", 1)
            if not all(map(_block, mask.chunk(groups))):
                return f"filters of {name} that are kept in part, where `whole` is declared"
    return ""


def _block(mask: Tensor) -> bool:
    """Rows and columns are left, as filters of this layer and of the one before leave them, and nothing in part."""
    kept = mask.flatten(2) if mask.dim() > 2 else mask[..., None]
    some = kept.any(2)
    return torch.equal(kept, (some.any(1)[:, None] & some.any(0))[..., None].expand_as(kept))


def ticket(candidate: Candidate) -> Iterator[Finding]:
    """Weights of a ticket are parameters of the network, finite, and nobody else's."""
    for ground in candidate.grounds:
        model, found = candidate.ticket(ground)
        known = dict(model.named_parameters()) | dict(model.named_buffers())
        wrong = next(filter(None, (_unfit(name, w, known) for name, w in (found.weights or {}).items())), None)
        mend = "return {name: parameter.detach().clone()} of the network that training starts from"
        if wrong is None:
            mend = "hold parameters of the network by boolean tensors of their shapes"
            odd = [n for n, kept in found.held.items() if n not in known or kept.shape != known[n].shape]
            odd += [n for n, kept in found.held.items() if kept.dtype is not torch.bool]
            wrong = ("a ticket that holds what is no parameter", odd[0]) if odd else None
        if wrong is not None:
            yield Finding("ticket", "fault", wrong[0], f"{ground.name}: {wrong[1]}", mend)


def _unfit(name: str, weight: Tensor, known: Mapping[str, Tensor]) -> tuple[str, str] | None:
    """What is wrong with a weight of a ticket, and its name."""
    if name not in known:
        return "a ticket with weights that the network does not have", name
    if weight.shape != known[name].shape:
        return "a ticket with weights of another shape", f"{name}: {list(weight.shape)}"
    if not torch.isfinite(weight).all():
        return "a ticket with weights that are not finite", name
    if weight.requires_grad:
        return "a ticket with weights that belong to a graph of gradients", name
    if weight.numel() and weight.data_ptr() == known[name].data_ptr():
        return "a ticket that shares memory with the caller's network", name
    return None


def nested(candidate: Candidate) -> Iterator[Finding]:
    """Masks at a smaller density lie within those at a larger one, where the method says so."""
    if candidate.scored or "nested" not in candidate.traits:
        return
    for ground in candidate.several:
        larger, *rest = (candidate.base(ground, density).masks for density in candidate.reached(ground)[1:])
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
