"""Columns that the lint understands, in a run's export or in anybody's results."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Range = Literal["share", "from one", "below one", "any", "not negative"]


@dataclass(frozen=True, slots=True)
class Column:
    """One column: its names, the first of which counts, and its numbers; None holds text."""

    name: str
    about: str
    aliases: tuple[str, ...] = ()
    numbers: Range | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The name, then its aliases."""
        return self.name, *self.aliases


_UNDERSTOOD = [
    Column("method", "name or spec of the method; dense is the unpruned network", ("pruner", "strategy", "algorithm")),
    Column("model", "name of the network", ("architecture", "arch", "network")),
    Column("dataset", "name of the data", ("data",)),
    Column("density", "share of weights kept, as asked for; empty for dense networks", ("keep_ratio",), "share"),
    Column("compression", "instead of density: its inverse", ("compression_ratio", "size_ratio"), "from one"),
    Column("sparsity", "instead of density: one minus it", (), "below one"),
    Column(
        "test_accuracy",
        "top-1 accuracy on test data; in percent, or, of others, as a share where no value is above 1",
        ("accuracy", "top1", "test_top1", "test_acc", "acc", "best_test_accuracy", "best_accuracy", "best_test_acc"),
        "any",
    ),
    Column(
        "seed", "number or name of the repetition; empty where a row is a mean", ("repetition", "replicate", "run_seed")
    ),
    Column("n", "where a row is a mean: over how many seeds", ("n_seeds", "seeds", "runs", "trials"), "from one"),
    Column(
        "std",
        "where a row is a mean: its standard deviation",
        ("test_accuracy_std", "accuracy_std", "sd"),
        "not negative",
    ),
    Column(
        "arm", "variant of an ablation, same-ratios among them; empty for the method itself", ("ablation", "variant")
    ),
    Column("recipe", "how networks were trained: a name or a spec", ("training",)),
    Column("learning_rate", "initial or highest", ("lr",), "not negative"),
    Column("tuned", "whether the learning rate was tuned: yes or no", ("lr_tuned",)),
    Column(
        "trainings",
        "what finding and training took: epochs, steps or trainings",
        ("epochs", "total_epochs"),
        "not negative",
    ),
    Column(
        "find_trainings", "the part of it for finding the ticket", ("find_epochs", "pruning_epochs"), "not negative"
    ),
    Column("achieved_density", "share of weights that is kept", ("actual_density",), "share"),
    Column("achieved_sparsity", "instead of it: one minus it", ("actual_sparsity",), "below one"),
    Column("kept", "weights that are kept", ("remaining_weights", "nonzero"), "not negative"),
    Column("macs", "multiply-accumulates of the dense network", ("dense_macs",), "not negative"),
    Column("kept_macs", "multiply-accumulates with kept weights", ("remaining_macs",), "not negative"),
    Column(
        "speed_up", "dense over remaining operations", ("theoretical_speedup", "speedup", "flops_ratio"), "not negative"
    ),
    Column("macs_definition", "what counts as an operation", ("flops_definition", "definition")),
    Column("effective_density", "share of weights on a path of kept weights", (), "any"),
    Column("dead_layers", "layers without a kept weight", (), "any"),
    Column("has_path", "1 if input and output are connected", (), "any"),
    Column("validation_accuracy", "accuracy on data held back from training", ("val_accuracy", "val_acc"), "any"),
    Column("selected_on", "what was selected on: validation, none, test", ("selection", "split")),
    Column("test_top5", "top-5 accuracy on test data", ("top5", "test_top5_accuracy", "top5_accuracy"), "any"),
    Column("classes", "classes of the dataset", ("n_classes", "num_classes"), "from one"),
    Column("hardware", "processor or accelerator", ("device", "environment")),
    Column("software", "versions", ("versions", "provenance")),
    Column("status", "rows with another than ok are left out"),
    Column("suite", "of prunebench: which suite, check and scale a row belongs to"),
    Column("check", ""),
    Column("scale", ""),
]
COLUMNS = {column.name: column for column in _UNDERSTOOD}
"""All columns by name."""
SIZES = ("density", "compression", "sparsity")
NOTHING = ("", "-", "–", "na", "n/a", "nan", "null", "none")
"""Cells without a value."""
_OWN = re.compile(
    r"run|suite_version|comparable|reason|key|(label|cost|error)\..+|rho_(cr|max)_.+|log_ratio_.+|(train|test|validation)_loss"
)
"""Other columns of an export, which are no slip of a name."""


def normal(header: str) -> str:
    """A column's name as it is looked up: `Test Accuracy` is `test_accuracy`."""
    return re.sub(r"[\s\-]+", "_", header.strip().lower())


def exported(header: Sequence[str]) -> bool:
    """Whether this is the header of a run's export."""
    return {"run", "check"}.issubset(map(normal, header))


def assigned(header: Sequence[str]) -> dict[str, str]:
    """Understood columns and the header of each; of several that would serve, the first by name."""
    by_name: dict[str, str] = {}
    for title in header:
        by_name.setdefault(normal(title), title)
    return {
        column.name: by_name[next(name for name in column.names if name in by_name)]
        for column in COLUMNS.values()
        if by_name.keys() & {*column.names}
    }


def ignored(header: Sequence[str], used: Mapping[str, str]) -> tuple[str, ...]:
    """Columns that nothing is known of."""
    from prunebench.records.metrics import METRICS

    taken = {*used.values()}
    return tuple(t for t in header if t not in taken and t not in METRICS and not _OWN.fullmatch(normal(t)))
