"""What do scores tell?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from prunebench.engine.selection.allocate import Ties, keep_top
from prunebench.tasks.datasets.base import Split
from prunebench.testing.findings import Finding
from prunebench.testing.networks import CHAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prunebench.engine.masks import Masks
    from prunebench.engine.subject import Subject
    from prunebench.testing.candidate import Candidate
    from prunebench.testing.findings import Weight
    from prunebench.testing.networks import Ground

_TIED = 0.02
"""Share of the kept weights that the order among equals may decide."""
_RELATIVE = 1e-5


def layers(candidate: Candidate) -> Iterator[Finding]:
    """Scores of no layer are all equal, and no large layer keeps every weight at density 0.2, 0.537 after training."""
    density = candidate.density
    for ground in candidate.grounds:
        result = candidate.base(ground)
        for name, score in (result.scores or {}).items():
            alone = "structured" in candidate.traits and score.shape[0] == 1
            if score.numel() > 1 and not alone and float(score.min()) == float(score.max()):
                evidence = f"{ground.name}: all {score.numel()} scores of {name} are {float(score.flatten()[0]):g}"
                mend = "score every prunable layer; no layer may be left out in silence"
                yield Finding("layers", "fault", "scores that do not tell weights of a layer apart", evidence, mend)
                return
        by_scores = candidate.scored and not candidate.by_ratios
        for name, mask in result.masks.items():
            if bool(mask.all()) and mask.numel() > 0.05 * ground.total:
                evidence = f"{ground.name}: {name} keeps all {mask.numel()} of its weights at density {density:g}"
                mend = "prune every prunable layer, or say in `notes` which stay dense"
                yield Finding("layers", "fault" if by_scores else "note", "a layer that stays dense", evidence, mend)
                return


def ties(candidate: Candidate) -> Iterator[Finding]:
    """Equal scores at the threshold decide about few weights."""
    if not candidate.scored or "structured" in candidate.traits or all(_filters(candidate)):
        return
    for ground in candidate.grounds:
        scores = candidate.base(ground).scores or {}
        flat = torch.cat([score.flatten().double() for score in scores.values()])
        for density in (0.2, 0.05):
            count = round(density * len(flat))
            threshold = flat.sort(descending=True).values[count - 1]
            drawn, tied = count - int((flat > threshold).sum()), int((flat == threshold).sum())
            if drawn < tied and drawn > max(2, _TIED * count):
                evidence = f"{ground.name}, density {density:g}: {drawn} of {count} kept are among {tied} equal scores"
                mend = "give scores that differ; a filter that shares one score is declared by `structured`"
                yield Finding("ties", "fault", "the order among equals decides, not the scores", evidence, mend)
                return


def structured(candidate: Candidate) -> Iterator[Finding]:
    """All scores of a filter are equal exactly if `structured` is declared."""
    if not candidate.scored:
        return
    declared, shared = "structured" in candidate.traits, _filters(candidate)
    if declared and not all(shared):
        evidence = f"{shared.count(False)} of {len(shared)} layers have filters whose weights have different scores"
        mend = "give one score to all weights of a filter, or do not declare `structured`"
        yield Finding("structured", "fault", "declares `structured`, but filters share no score", evidence, mend)
    if not declared and shared and all(shared):
        evidence = f"in all {len(shared)} layers of {len(candidate.grounds)} networks"
        mend = "declare traits={'structured'}"
        # A declaration is the entry's: it cannot say what a parameter turns on.
        weight: Weight = "note" if candidate.spec.params else "fault"
        what = "filters share scores, but `structured` is not declared"
        yield Finding("structured", weight, what, evidence, mend)


def _filters(candidate: Candidate) -> list[bool]:
    """Of every layer with filters of several weights, whether each filter shares one score."""
    scores = [score for ground in candidate.grounds for score in (candidate.base(ground).scores or {}).values()]
    return [_shared(score) for score in scores if score.numel() > score.shape[0]]


def _shared(score: Tensor) -> bool:
    rows = score.flatten(1)
    return bool((rows == rows[:, :1]).all()) and bool((rows[:, 0] != rows[0, 0]).any())


def ablation(candidate: Candidate) -> Iterator[Finding]:
    """Inverted scores, and scores shuffled within layers, give other masks; shuffling keeps every layer's count."""
    if not candidate.scored:
        return
    for ground in candidate.grounds:
        scores = candidate.base(ground).scores or {}
        count = round(0.2 * sum(score.numel() for score in scores.values()))
        generator = torch.Generator().manual_seed(5)
        shuffled = {
            name: s.flatten()[torch.randperm(s.numel(), generator=generator).to(s.device)].view(s.shape)
            for name, s in scores.items()
        }
        inverted = {name: -score for name, score in scores.items()}
        masks, shuffle, inversion = (keep_top(s, count, Ties(0)) for s in (scores, shuffled, inverted))
        for what, other in (("shuffled within layers", shuffle), ("inverted", inversion)):
            if other == masks:
                evidence = f"{ground.name}, density 0.2: scores {what}"
                mend = "give scores that tell weights apart"
                yield Finding("ablation", "fault", "an ablation changes nothing", evidence, mend)
                return


def conserves(candidate: Candidate) -> Iterator[Finding]:
    """On a bias-free chain of ReLU layers in double precision, all layers' scores have one sum."""
    if not candidate.scored or CHAIN not in candidate.grounds:
        return
    ground = replace(CHAIN, dtype=torch.float64)
    scores = candidate.base(ground).scores or {}
    sums = {name: float(score.sum(dtype=torch.float64)) for name, score in scores.items()}
    spread = max(sums.values()) - min(sums.values())
    relative = spread / max(*map(abs, sums.values()), 1e-300)
    evidence = f"{CHAIN.name}: " + ", ".join(f"{name} {total:.6g}" for name, total in sums.items())
    if "conserves" in candidate.traits and relative > _RELATIVE:
        what = f"declares `conserves`, but sums of layers differ by {relative:.1g}"
        mend = "take no absolute value after summation, or do not declare `conserves`"
        yield Finding("conserves", "fault", what, evidence, mend)
    if "conserves" not in candidate.traits and relative <= _RELATIVE:
        mend = "declare traits={'conserves'} if this is meant"
        yield Finding("conserves", "note", "every layer has the same sum of scores", evidence, mend)


def dtype(candidate: Candidate) -> Iterator[Finding]:
    """A double network is scored in double precision, with nearly the masks of the same single network."""
    for ground in candidate.several[:2]:
        single = candidate.base(ground)
        wide = replace(ground, dtype=torch.float64)
        # The same weights and data, so that only the precision of the computation differs.
        given = ground.data()
        subject = wide.subject(_widened(ground.model()), data=Split(given.x.double(), given.y))
        try:
            double = candidate.on(subject)
        except (RuntimeError, TypeError, ValueError) as error:
            evidence = f"{ground.name}: {' '.join(str(error).split())}"
            yield Finding("dtype", "fault", "fails on a double network", evidence, "make tensors of the weight's dtype")
            return
        for result, narrow in ((single, torch.bfloat16), (single, torch.float16), (double, torch.float32)):
            if result.scores and all(torch.equal(s.to(narrow).to(s.dtype), s) for s in result.scores.values()):
                network = "double" if result is double else "single"
                if candidate.random and network == "double":
                    continue  # what is drawn may be as narrow as it likes
                evidence = f"{ground.name}: every score fits {str(narrow).removeprefix('torch.')}"
                width = "single" if narrow is torch.float32 else "half"
                yield Finding(
                    "dtype", "fault", f"computes in {width} precision on a {network} network", evidence,
                    "compute in the weights' dtype; narrow scores tie and overflow",
                )  # fmt: skip
                return
        if candidate.random:
            continue
        share = _alike(single.masks, double.masks)
        if share < 0.95:
            yield Finding(
                "dtype", "fault", "precision decides", f"{ground.name}: {share:.0%} of kept weights are the same",
                "sum in a wider type, or rescale before differences cancel",
            )  # fmt: skip
            return


def _widened(model: nn.Module) -> nn.Module:
    """The network in double precision, its weights a hair away from single ones."""
    generator = torch.Generator().manual_seed(6)
    with torch.no_grad():
        for parameter in model.double().parameters():
            parameter.mul_(1 + 1e-10 * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model


def device(candidate: Candidate) -> Iterator[Finding]:
    """On a CUDA device, where there is one, the masks are nearly those of the CPU."""
    if not torch.cuda.is_available():
        return
    for ground in candidate.grounds:
        here, there = candidate.base(ground), candidate.on(_on_cuda(ground))
        share = _alike(here.masks, there.masks)
        if share < 0.9:
            evidence = f"{ground.name}: {share:.0%} of kept weights are the same as on the CPU"
            mend = "draw on the CPU from ctx.generator and move what is drawn"
            yield Finding("device", "fault", "the device decides", evidence, mend)
            return


def _on_cuda(ground: Ground) -> Subject:
    return replace(ground, device="cuda").subject()


def _alike(masks: Masks, others: Masks) -> float:
    return sum(int((mask & others[name]).sum()) for name, mask in masks.items()) / max(1, masks.kept())
