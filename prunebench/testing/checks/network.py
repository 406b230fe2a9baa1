"""Does a method look at the network that it is given, at all of it, and only at what counts?"""

from __future__ import annotations

import copy
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from prunebench.engine.prunable import prunable
from prunebench.errors import PrunebenchError
from prunebench.registry import METHODS
from prunebench.testing.findings import Finding
from prunebench.testing.networks import CHAIN, Ground, chain, permuted_layer

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prunebench.parameters import Parameter
    from prunebench.spec import Value
    from prunebench.testing.candidate import Candidate

_NAMES = (("conv1", "fc", "classifier"), ("stem", "shortcut", "head"), ("embedding", "downsample", "output"))
_APART = 0.1
"""Of the scores' or masks' total: more than another order of summation makes."""


def weights(candidate: Candidate) -> Iterator[Finding]:
    """Without `random`, other given weights give another outcome, and so does each layer on its own.

    Where all weights are trained, each layer changes the others: other masks for another initialisation are asked.
    """
    if candidate.random or (candidate.control and candidate.trains):
        return
    mend = "score the network that is given, not a copy with weights of its own"
    for ground in candidate.several[:2]:
        model = ground.model()
        given = candidate.base(ground)
        other = candidate.on(ground.subject(replace(ground, drawn=1).model()))
        if other == given or (candidate.trains and other.masks == given.masks):
            evidence = f"{ground.name}: equal outcome for another initialisation"
            yield Finding("weights", "fault", "the given weights change nothing", evidence, mend)
            return
        if candidate.trains:
            return
        for layer in prunable(model):
            if candidate.on(ground.subject(permuted_layer(model, layer))) == given:
                evidence = f"{ground.name}: weights of {layer} permuted within the layer"
                yield Finding("weights", "fault", "the given weights of a layer change nothing", evidence, mend)
                return


def symmetry(candidate: Candidate) -> Iterator[Finding]:
    """Networks that compute the same function of the same magnitudes are pruned alike, weight for weight.

    Hidden units in another order; with an odd activation, both signs of a hidden unit flipped.
    """
    if candidate.random or candidate.control or CHAIN not in candidate.grounds:
        return
    odd = Ground("chain with tanh", partial(chain, activation=nn.Tanh), CHAIN.shape)
    signs = torch.where(torch.arange(20) % 3 == 0, -1.0, 1.0)
    mend = "let scores depend on |θ| or on g ⊙ θ, not on θ or g alone"
    yield from _alike(candidate, odd, torch.arange(20), signs, "both signs of hidden units flipped", mend)
    if "structured" not in candidate.traits:
        order = torch.randperm(20, generator=torch.Generator().manual_seed(4))
        mend = "let no score depend on the position of a weight"
        yield from _alike(candidate, CHAIN, order, torch.ones(20), "hidden units in another order", mend)


def _alike(
    candidate: Candidate, ground: Ground, order: Tensor, signs: Tensor, what: str, mend: str
) -> Iterator[Finding]:
    model = ground.model()
    other = copy.deepcopy(model)
    (a, first), (b, second), *_ = prunable(other).items()
    with torch.no_grad():
        first.copy_((first * signs[:, None])[order])
        second.copy_((second * signs)[:, order])
    given, found = candidate.base(ground), candidate.on(ground.subject(other))
    # Scores where there are some: in masks, equals are decided by their places, and dead units have many equals.
    if given.scores is None or found.scores is None:
        kind, of_given, of_found = "masks", dict(given.masks), dict(found.masks)
    else:
        kind, of_given, of_found = "scores", dict(given.scores), dict(found.scores)
    moved = {name: value.double() for name, value in of_given.items()}
    moved[a], moved[b] = moved[a][order], moved[b][:, order]
    size = sum(float(value.abs().sum()) for value in moved.values())
    apart = sum(float((value - of_found[name].double()).abs().sum()) for name, value in moved.items()) / max(
        size, 1e-300
    )
    if apart > _APART:
        evidence = f"{ground.name}, {what}: {kind} differ by {apart:.1%} of their total"
        yield Finding("symmetry", "fault", "equal functions are pruned differently", evidence, mend)


def names(candidate: Candidate) -> Iterator[Finding]:
    """The same layers under other names are pruned alike; of random methods the counts are compared."""
    if CHAIN not in candidate.grounds:
        return
    given = candidate.base(CHAIN)
    for named in _NAMES:
        other = candidate.on(Ground("", partial(chain, names=named), CHAIN.shape).subject())
        for name, mask, before in zip(named, other.masks.values(), given.masks.values(), strict=True):
            gone, more = int(before.sum()), int(mask.sum())
            if (gone, candidate.random or torch.equal(mask, before)) != (more, True):
                evidence = f"a layer keeps {gone} weights, and {more} of other places or number when called {name!r}"
                yield Finding(
                    "names", "fault", "the name of a layer decides", f"{CHAIN.name}: {evidence}",
                    "tell layers by their place and shape",
                )  # fmt: skip
                return


def rounds(candidate: Candidate) -> Iterator[Finding]:
    """Where a method scores in several rounds of its own accord, one round gives other masks."""
    default = next((p.default for p in candidate.entry.parameters if p.name == "rounds"), 1)
    if not candidate.scored or candidate.by_ratios or default == 1:
        return
    for ground in candidate.grounds[:2]:
        once, often = (candidate.on(ground.subject(), 0.05, candidate.variant(rounds=n)).masks for n in (1, 10))
        if once != often:
            return
    evidence = f"one and ten rounds to density 0.05 on {len(candidate.grounds[:2])} networks: equal masks"
    mend = "score ctx.weights, which are masked, not ctx.dense; or let `rounds` be 1"
    yield Finding("rounds", "fault", "its iteration changes nothing", evidence, mend)


def parameters(candidate: Candidate) -> Iterator[Finding]:
    """Every own parameter changes something: a switch that switches nothing is a fault, a number a note.

    Of a method that trains both are notes: a ground's training may be too short to tell.
    """
    engine = {"rounds", "schedule", "scope", "mode", "samples_per_class", "batch_size", "within"}
    words = engine if candidate.scored else set()
    resolved = METHODS.resolve(candidate.spec)
    for parameter in candidate.entry.parameters:
        if parameter.name in words or parameter.names:
            continue
        tried = 0
        for value in _others(parameter, resolved[parameter.name]):
            try:
                differs = _differ(candidate, candidate.with_params({parameter.name: value}))
            except (PrunebenchError, ValueError):
                continue
            tried += differs is not None
            if differs:
                break
        else:
            if tried:
                switch = not candidate.trains and ("bool" in parameter.types or bool(parameter.choices))
                evidence = f"{parameter.name} on {len(candidate.several[:2])} networks: equal outcomes"
                mend = "use it or remove it"
                yield Finding(
                    "parameters", "fault" if switch else "note", "a parameter changes nothing", evidence, mend
                )


def _others(parameter: Parameter, value: Value) -> list[Value]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return [value + 1, 2 * value + 3]
    if isinstance(value, float):
        return [other for other in (value * 0.5, value * 3.0, value + 0.5) if other != value]
    return [choice for choice in parameter.choices if choice != value]


def _differ(candidate: Candidate, other: Candidate) -> bool | None:
    """Whether there is a difference anywhere; None if the other runs nowhere."""
    found: bool | None = None
    for ground in candidate.several[:2]:
        for density in candidate.densities[1:] if candidate.trains else (0.2, 0.6):
            try:
                outcome = other.on(ground.subject(), density)
            except (PrunebenchError, ValueError):
                continue
            found = candidate.base(ground, density) != outcome
            if found:
                return True
    return found
