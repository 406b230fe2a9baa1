"""The checklist: what the literature asks of a set of pruning results, by whom, and what mends its absence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "missing", "cannot tell", "not applicable"]
Answer = tuple[State, str]
"""How an item stands, and what that rests on: what is missing, which column lacks, or why it does not apply."""

POINTS = 5
"""Densities of a curve."""
SEEDS = 3
SEEDS_OF_A_FINE_CLAIM = 5
FINE = 1.0
"""Differences of mean accuracy below this many points take more seeds."""
BROKEN = 1.0
"""Points below the dense network from which a method counts as broken, if the intervals do not overlap."""
TASKS = 3
MANY_CLASSES = 20
"""With more classes than this, top-1 accuracy alone hides what is lost."""


@dataclass(frozen=True, slots=True)
class Item:
    """One demand of the checklist."""

    name: str
    asks: str
    source: str
    mend: str


_ASKED = [
    Item(
        "dense-control",
        "a dense network on every task, trained with the seeds of the pruned ones",
        "Blalock et al. 2020: the same metrics for a control in the same setup",
        "add the method dense to the suite, or dense rows with the same seeds",
    ),
    Item(
        "operating-points",
        f"at least {POINTS} densities of every method on every task, one of them where it breaks: the mean accuracy is "
        f"{BROKEN:g} point or more below the dense network's, and the 95 % intervals do not overlap",
        "Blalock et al. 2020: 85 % of the published curves have one point, 2 % five",
        "add densities, as 0.5, 0.25, 0.125, 0.0625, 0.03125, down to where accuracy falls",
    ),
    Item(
        "seeds",
        f"at least {SEEDS} seeds of every cell, {SEEDS_OF_A_FINE_CLAIM} where two methods next to each other in "
        f"accuracy differ by less than {FINE:g} point",
        "Blalock et al. 2020; Bouthillier et al. 2021: seeds vary as much as claimed gains",
        f"run more repetitions: prunebench run SUITE --seeds {SEEDS_OF_A_FINE_CLAIM}",
    ),
    Item(
        "spread",
        "every mean with a spread: several seeds a cell, or a standard deviation beside a mean",
        "Blalock et al. 2020: 16 of 551 published results carry a standard deviation",
        "run more repetitions, or add the column std",
    ),
    Item(
        "raw-rows",
        "one row a seed, none twice, instead of means",
        "Renda et al. 2020, which published the rows of all 22 590 runs",
        "publish a row a seed with the column seed: prunebench export",
    ),
    Item(
        "same-ratios",
        "beside every method, random pruning with its own counts by layer",
        "Blalock et al. 2020; Frankle et al. 2021; Su et al. 2020",
        "add the method same-ratios(of=METHOD) at the same densities, or the arm same-ratios; of tickets on initial "
        "weights, the arm rearrange",
    ),
    Item(
        "magnitude",
        "magnitude pruning of trained weights on every task at every density",
        "Blalock et al. 2020; Gale et al. 2019",
        "add lr-rewinding, fine-tune or gmp at the same densities",
    ),
    Item(
        "budget",
        "what each network was trained for, and where that differs on a task, finding and training told apart",
        "Wang et al. 2023, on fair comparison setups; Liu et al. 2019",
        "give every row trainings or epochs, and find_trainings or find_epochs where the totals differ",
    ),
    Item(
        "learning-rate",
        "several learning rates for every method, or a statement that it was not tuned",
        "Wang et al. 2023; Ma et al. 2021: what wins depends on the learning rate",
        "add recipes that differ in lr, or the column tuned (yes or no)",
    ),
    Item(
        "achieved-density",
        "the density that was achieved, not only the one asked for",
        "Blalock et al. 2020: what ratios count is ambiguous",
        "add the column achieved_density, or kept: weights that the mask keeps",
    ),
    Item(
        "size-and-macs",
        "size and multiply-accumulates, both with their definition",
        "Blalock et al. 2020: one published result in six has both",
        "add the columns macs and kept_macs, or speed_up with its definition in macs_definition",
    ),
    Item(
        "collapse",
        "whether layers are empty, or how much of what is kept is still on a path",
        "Tanaka et al. 2020; Vysogorets & Kempe 2023: effective sparsity",
        "add the column effective_density, dead_layers or has_path",
    ),
    Item(
        "selection",
        "nothing selected on test data: a validation split recorded, and no best epoch on the test split",
        "Blalock et al. 2020; Su et al. 2020, whose released code reports the best epoch on test data",
        "hold back a validation split, give validation_accuracy or selected_on, and report the last epoch",
    ),
    Item(
        "top-5",
        f"top-5 accuracy beside top-1 on data of more than {MANY_CLASSES} classes",
        "Blalock et al. 2020: 12 % of the published results have both",
        "add the column test_top5",
    ),
    Item(
        "tasks",
        f"at least {TASKS} pairs of model and dataset besides MNIST",
        "Blalock et al. 2020",
        "add models or datasets, or keep the claim to what was run",
    ),
    Item(
        "hardware-software",
        "the hardware and the versions of the software behind every row",
        "Blalock et al. 2020; Pineau et al. 2021, the reproducibility checklist",
        "add the columns hardware and software",
    ),
]
ITEMS = {item.name: item for item in _ASKED}
"""All items by name, in the order of reports."""
