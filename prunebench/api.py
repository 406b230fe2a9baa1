"""What `import prunebench as pb` offers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from prunebench.analysis.results import Results, load_results
from prunebench.errors import PruningError, UsageError
from prunebench.harness.options import ExecutorName, Rerun, RunOptions
from prunebench.harness.run import execute_run, plan_run
from prunebench.plugins import ready
from prunebench.records.suite import load_suite
from prunebench.spec import Spec, parse_density

if TYPE_CHECKING:
    from torch import Tensor, nn

    from prunebench.engine.cost import Cost
    from prunebench.engine.masks import Masks
    from prunebench.engine.method import Pruner
    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Ticket


def run(
    *suites: str,
    methods: Sequence[str] = (),
    scale: str = "quick",
    overrides: Sequence[str] = (),
    seeds: int | None = None,
    plugins: Sequence[str] = (),
    jobs: int | None = None,
    threads: int = 1,
    memory: str | None = None,
    device: str = "auto",
    executor: ExecutorName = "processes",
    timeout: str | None = None,
    rerun: Rerun = "never",
    fail_fast: bool = False,
    store: str | Path = ".prunebench",
    data: str | Path | None = None,
    download: bool = False,
    cache_size: str | None = None,
    report: str | Path | None = None,
) -> Results:
    """Run suites, or go on with an earlier run of the same plan, and return the results.

    Args:
        suites: names of built-in suites, or paths of suite files.
        methods: specs that replace the suites' own; globs choose among those; `+SPEC` adds one.
        scale: `quick`, `standard` or `paper`.
        overrides: `KEY=VALUE` of the suites' scale, in TOML; the results then compare with nothing but each other.
        seeds: repetitions instead of the scale's.
        plugins: Python files or modules that register methods.
        jobs: worker processes; None is one a core.
        threads: of each worker.
        memory: limit of each worker, such as `4GiB`.
        device: `auto`, `cpu` or `cuda`.
        executor: `processes`, or `inline` for debugging.
        timeout: of one step, such as `10m`, or `none`; None is the scale's.
        rerun: which finished cells run again: `never`, `failed` or `all`.
        fail_fast: stop after the first failed cell.
        store: folder of records and artifacts.
        data: folder of data sets; None is `PRUNEBENCH_DATA` or the user's cache.
        download: fetch data sets that are missing in the data folder; nothing else uses the network.
        cache_size: bound of the store's artifacts after the run, such as `2GiB`.
        report: folder to write leaderboard and records to.

    Raises:
        PrunebenchError: bad arguments, an unusable store, data that cannot be downloaded.
    """
    if not suites:
        raise UsageError("name at least one suite, such as pb.run('collapse')")
    for name, given in (("methods", methods), ("overrides", overrides), ("plugins", plugins)):
        if isinstance(given, str):
            raise UsageError(f"{name} is a list: write {name}=[{given!r}]")
    options = RunOptions(
        scale=scale, methods=tuple(methods), overrides=tuple(overrides), plugins=tuple(plugins), device=device,
        threads=threads, seeds=seeds, jobs=jobs, executor=executor, timeout=timeout, memory=memory, rerun=rerun,
        fail_fast=fail_fast, store=Path(store), data=None if data is None else Path(data), download=download,
        cache_size=cache_size, report=None if report is None else Path(report),
    )  # fmt: skip
    plan = plan_run([load_suite(name) for name in suites], options)
    return load_results(execute_run(plan, options).folder)


def prune(
    model: nn.Module, method: str, *, density: float, input_shape: tuple[int, ...] | None = None,
    batch: tuple[Tensor, Tensor] | None = None, seed: int = 0,
) -> Masks:  # fmt: skip
    """Masks of a method on the user's own network, which stays exactly as it is.

    Args:
        model: any module with linear or convolutional layers.
        method: a spec, such as `synflow(rounds=100)`.
        density: share of prunable weights to keep, in (0, 1].
        input_shape: of one input, the batch left out; read from `batch` if that is given.
        batch: inputs `[n, *input_shape]` and labels `[n]`, scored as they are, for methods that need data.
        seed: of the method's random streams.

    Raises:
        PrunebenchError: unknown method, bad density, scores that cannot be used, data missing.
    """
    return find_ticket(model, method, density=density, input_shape=input_shape, batch=batch, seed=seed).masks


def find_ticket(
    model: nn.Module, method: str, *, density: float, input_shape: tuple[int, ...] | None = None,
    batch: tuple[Tensor, Tensor] | None = None, seed: int = 0,
) -> Ticket:  # fmt: skip
    """Masks, the weights that sparse training starts from, and what the method has to say about them.

    Arguments and errors are those of `prune`.
    """
    density = parse_density(density)
    pruner, subject = _prepared(model, method, input_shape, batch, seed)
    return pruner.open(subject).ticket(density)


def score(
    model: nn.Module, method: str, *, input_shape: tuple[int, ...] | None = None,
    batch: tuple[Tensor, Tensor] | None = None, seed: int = 0,
) -> dict[str, Tensor]:  # fmt: skip
    """Scores of the first round on the user's own network, by layer, normalised to total 1 in absolute value.

    Arguments and errors are those of `prune`; methods that are no score have none.
    """
    from prunebench.engine.pruning import Walker

    pruner, subject = _prepared(model, method, input_shape, batch, seed)
    finder = pruner.open(subject)
    if not isinstance(finder, Walker):
        raise PruningError(f"method {pruner.name!r} makes masks without scores: use pb.prune")
    return finder.scores()


def effective_density(model: nn.Module, masks: Masks, *, input_shape: tuple[int, ...]) -> float:
    """Share of prunable weights that lie on a path of kept weights from input to output, exact by position.

    Raises:
        UnsupportedOperatorError: the forward pass uses an operator without a reachability rule.
        PruningError: the masks are not those of this model.
    """
    from prunebench.engine.effective import Connectivity

    return Connectivity(model, input_shape).effective(masks)[0].density()


def cost(model: nn.Module, masks: Masks | None = None, *, input_shape: tuple[int, ...]) -> Cost:
    """Parameters and multiply-accumulates of one forward pass, dense and under masks, by layer.

    Twice the dense multiply-accumulates is what torch's own counter says of linear and convolutional layers.

    Raises:
        PruningError: the masks are not those of this model.
    """
    from prunebench.engine.cost import cost_of

    return cost_of(model, input_shape, masks)


def _prepared(
    model: nn.Module, method: str, shape: tuple[int, ...] | None, batch: tuple[Tensor, Tensor] | None, seed: int
) -> tuple[Pruner, Subject]:
    from prunebench.engine.method import build
    from prunebench.engine.prunable import prunable
    from prunebench.engine.subject import Subject
    from prunebench.tasks.datasets.base import Split

    ready()
    pruner = build(Spec.parse(method))
    if "training" in pruner.needs:
        raise PruningError(f"method {pruner.name!r} trains: it needs a task, not a batch")
    if batch is not None:
        _check(batch)
        shape = tuple(batch[0].shape[1:]) if shape is None else shape
    if shape is None:
        raise PruningError("give input_shape, the shape of one input without the batch, or a batch")
    if not isinstance(shape, Sequence) or not all(isinstance(side, int) and side > 0 for side in shape):
        raise PruningError(f"input_shape={shape} is not the shape of one input, such as (3, 32, 32)")
    if "data" in pruner.needs and batch is None:
        raise PruningError(f"method {pruner.name!r} needs data: give batch=(inputs, labels)")
    device = next(iter(prunable(model).values())).device
    split = Split(*batch) if batch is not None and "data" in pruner.needs else None
    return pruner, Subject(model, tuple(shape), seed, device, batch=split)


def _check(batch: tuple[Tensor, Tensor]) -> None:
    """Refuse what is no pair of floating-point inputs and integer labels, which torch would say in its own words.

    Raises:
        PruningError: as said.
    """
    from torch import Tensor

    if not (isinstance(batch, tuple | list) and len(batch) == 2 and all(isinstance(part, Tensor) for part in batch)):
        raise PruningError("a batch is a pair of tensors, (inputs, labels)")
    inputs, labels = batch
    if not inputs.is_floating_point():
        raise PruningError(f"inputs need a floating-point type, not {inputs.dtype}: scale them, as for training")
    if labels.dim() != 1 or labels.is_floating_point() or labels.is_complex():
        raise PruningError(f"labels are class numbers [n], not {labels.dtype} of shape {list(labels.shape)}")
    if not 0 < len(inputs) == len(labels):
        raise PruningError(f"a batch needs as many labels as inputs, not {len(labels)} for {len(inputs)}")
