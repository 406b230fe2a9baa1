"""What does a method leave behind?"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from prunebench.engine.masks import Masks
from prunebench.engine.selection.pruning import Walker
from prunebench.engine.selection.scorer import ScoreMethod
from prunebench.testing.findings import Finding
from prunebench.testing.surroundings import Traces, differing, kept, module_facts

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import nn

    from prunebench.testing.candidate import Candidate
    from prunebench.testing.networks import Ground


def traces(candidate: Candidate) -> Iterator[Finding]:
    """Network, data, random generators and global state are the same after a call, also after one that fails."""
    told: set[str] = set()
    for ground in candidate.several[:2]:
        for fails in (False, True):
            for check, changed in _left(candidate, ground, fails=fails):
                if check not in told:
                    told.add(check)
                    yield _finding(check, changed, f"{ground.name}{', after an error' if fails else ''}")


def _left(candidate: Candidate, ground: Ground, *, fails: bool) -> Iterator[tuple[str, list[str]]]:
    model = ground.model()
    for parameter in model.parameters():
        parameter.grad = torch.ones_like(parameter)
    if candidate.scored:
        next(model.parameters()).requires_grad_(False)
    next(module for module in model.modules() if not list(module.children())).eval()
    if fails:
        _mine(model)
    subject = ground.subject(model)
    # States that no constant seed gives, each time.
    torch.manual_seed(ground.total)
    np.random.seed(ground.total)
    random.seed(ground.total)
    with kept() as surroundings:
        before = Traces.of(subject)
        try:
            candidate.on(subject)
        except Exception:
            if not fails:
                raise
        yield from (
            (check, changed)
            for check, changed in (
                ("untouched", before.changed(subject)),
                ("random-state", surroundings.generators()),
                ("globals", surroundings.settings()),
            )
            if changed
        )


class _PlantedError(RuntimeError):
    """Raised inside the forward pass, to see what a failing method leaves behind."""


def _mine(model: nn.Module) -> None:
    def explode(_module: nn.Module, _inputs: Any) -> None:
        raise _PlantedError("planted by the validation")

    model.register_forward_pre_hook(explode)


def _finding(check: str, changed: list[str], where: str) -> Finding:
    what = {
        "untouched": "changes what is the caller's",
        "random-state": "moves global random generators",
        "globals": "changes global state",
    }[check]
    mend = {
        "untouched": "change ctx.model only, and copies of inputs",
        "random-state": "draw from ctx.generator; never seed or use global generators",
        "globals": "set it back in a `finally`, or use a context manager",
    }[check]
    more = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
    return Finding(check, "fault", what, f"{where}: {', '.join(changed[:3])}{more}", mend)


def leftovers(candidate: Candidate) -> Iterator[Finding]:
    """A round that is scored twice on one private copy gives the same scores, and leaves the copy's modules alone."""
    if not candidate.scored:
        return
    assert isinstance(candidate.brief, ScoreMethod), "scored methods have a scorer"
    mend = "undo it in a `finally`: remove hooks, restore modes and modules, never write into ctx.dense"
    for ground in candidate.grounds:
        walker = candidate.brief.open(ground.subject())
        assert isinstance(walker, Walker), "scored methods walk"
        session = walker.session
        everything = Masks.full({name: torch.empty(shape) for name, shape in walker.layout.shapes.items()})
        dense = {name: tensor.clone() for name, tensor in session._dense.items()}
        facts = module_facts(session._model)
        found = [session.scores(candidate.brief.scorer, everything, 0) for _ in range(2)]
        first, second = ({name: s.detach().clone() for name, s in scores.items()} for scores in found)
        wrong = differing(facts, module_facts(session._model))
        wrong = [fact for fact in wrong if not fact.startswith("requires_grad")]
        wrong += [f"ctx.dense of {name}" for name, was in dense.items() if not torch.equal(was, session._dense[name])]
        wrong += [f"scores of {name} when scored again" for name in first if not torch.equal(first[name], second[name])]
        if wrong:
            evidence = f"{ground.name}: {', '.join(wrong[:3])}"
            yield Finding("leftovers", "fault", "a round changes what the next one sees", evidence, mend)
            return
