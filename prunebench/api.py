"""What `import prunebench as pb` offers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from prunebench.analysis.results import Results, load_results, open_run
from prunebench.errors import PruningError, TrainingError, UsageError, suggestion
from prunebench.harness.options import ExecutorName, Rerun, RunOptions
from prunebench.harness.run import execute_run, plan_run
from prunebench.plugins import ready
from prunebench.records.suite import load_suite
from prunebench.spec import Spec, parse_density

if TYPE_CHECKING:
    from torch import Tensor, nn

    from prunebench.analysis.comparison.compare import Comparison
    from prunebench.engine.masks import Masks
    from prunebench.engine.method import Pruner
    from prunebench.engine.structure.cost import Cost
    from prunebench.engine.subject import Subject
    from prunebench.engine.ticket import Ticket, Trained
    from prunebench.engine.training.by_function import Stretch, TrainFunction
    from prunebench.engine.training.task import Task


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
        report: folder to write page, tables and records to.

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
    results = load_results(execute_run(plan, options).folder)
    if options.report is not None:
        write_report(results, folder=options.report)
    return results


def write_report(
    *runs: Results | str | Path, folder: str | Path = "prunebench-report", formats: Sequence[str] = (),
    store: str | Path = ".prunebench",
) -> list[Path]:  # fmt: skip
    """Write the page, the tables and the records of runs, as `prunebench report` does, and return the files.

    Args:
        runs: results, ids, `latest`, folders of runs or archives of them; the latest run if there is none.
        folder: to write to; files of the same names are replaced, others left alone.
        formats: some of `html`, `md`, `csv`, `json`; all if there is none.
        store: folder of records and artifacts, where ids are looked up.

    Raises:
        PrunebenchError: no such run or format, a folder that cannot be written.
    """
    from prunebench.report import files

    for name in formats:
        if name not in files.FORMATS:
            raise UsageError(f"unknown format {name!r}{suggestion(name, files.FORMATS)}")
    found = [run if isinstance(run, Results) else open_run(Path(store), str(run)) for run in runs or ("latest",)]
    return files.write_report(found, Path(folder), tuple(formats) or files.FORMATS)


def compare(
    results: Results | str | Path = "latest", to: Results | str | Path | None = None, *,
    max_slowdown: float | None = None, store: str | Path = ".prunebench",
) -> Comparison:  # fmt: skip
    """What became better, worse or otherwise, as `prunebench compare` says it.

    Args:
        results: a run: results, an id, `latest`, its folder, or an archive of that.
        to: another run, or a baseline file; None takes `baselines/<suite>.<scale>.json` of every suite.
        max_slowdown: CPU seconds that are more than so many times the old ones are a regression; None of none.
        store: folder of records and artifacts, where ids are looked up.

    Raises:
        PrunebenchError: no such run or baseline, or the two have no suite in common.
    """
    from prunebench.analysis.comparison import finding
    from prunebench.analysis.comparison.compare import compare as compared
    from prunebench.analysis.comparison.sides import of_run

    run = results if isinstance(results, Results) else open_run(Path(store), str(results))
    if to is None:
        return compared(finding.with_baselines(run), max_slowdown)
    old = of_run(to) if isinstance(to, Results) else finding.opened(Path(store), str(to))
    return compared(finding.with_side(run, old), max_slowdown)


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
    density = parse_density(density)
    pruner = _pruner(method)
    if "training" in pruner.needs:
        raise PruningError(f"method {pruner.name!r} trains: use pb.find_ticket, with a task or a train function")
    return pruner.open(_given(model, pruner, input_shape, batch, seed)).ticket(density).masks


def find_ticket(
    model: nn.Module, method: str, *, density: float, task: Task | None = None,
    train: Callable[[nn.Module, Stretch], object] | None = None, steps: int | None = None,
    fresh: Callable[[], nn.Module] | None = None, input_shape: tuple[int, ...] | None = None,
    batch: tuple[Tensor, Tensor] | None = None, seed: int = 0,
) -> Ticket:  # fmt: skip
    """Masks of a method on the user's own network, the weights and the place in the recipe that training starts from.

    A method that trains does so on copies of the model, by the task's recipe or by a function of the user's own.

    Args:
        model: any module with linear or convolutional layers; it stays exactly as it is.
        method: a spec, such as `imp(rewind=0.1)`.
        density: share of prunable weights to keep, in (0, 1].
        task: data, and the recipe to train by; scores are taken on its training data.
        train: called with a model and a `Stretch`, trains that model in place from one step to another.
        steps: of the whole schedule of `train`, which has to be said with it.
        fresh: builds the network with weights of another draw, for controls such as `reinit`; None resets each layer by
            its own `reset_parameters`, which may be another initialisation than the model's: the ticket says so.
        input_shape: of one input, the batch left out; read from the task or `batch` if one is given.
        batch: inputs `[n, *input_shape]` and labels `[n]`, scored as they are, where there is no task.
        seed: of initialisations, data orders and the method's random streams.

    Raises:
        PrunebenchError: unknown method, bad density, scores that cannot be used, data missing, a network, data and
            recipe that do not fit, a training that diverged.
    """
    density = parse_density(density)
    pruner = _pruner(method)
    by_function = _function(task, train, steps)
    if "training" in pruner.needs and (lacks := _lacks(task, by_function)):
        raise PruningError(f"method {pruner.name!r} trains: {lacks}")
    subject = _given(model, pruner, input_shape, batch, seed, task, by_function)
    if fresh is not None:
        subject = replace(subject, redrawn=fresh)
    ticket = pruner.open(subject).ticket(density)
    if ticket.weights is None and "training" in pruner.needs:
        # A ticket is worth nothing on other weights than those that it was found with: it brings them along.
        ticket = replace(ticket, weights={n: v.detach().cpu().clone() for n, v in model.state_dict().items()})
    return ticket


def train(
    model: nn.Module, ticket: Ticket | Masks | None = None, task: Task | None = None, *,
    train: Callable[[nn.Module, Stretch], object] | None = None, steps: int | None = None, seed: int = 0,
) -> Trained:  # fmt: skip
    """Train a copy of the user's network from a ticket, under its masks, and measure it on every split of the task.

    Args:
        model: that the ticket was found on; it stays exactly as it is, `Trained.apply` puts the weights into one.
        ticket: where to start, and which part of the recipe to train by; masks start from the model's own weights.
            None trains the dense network.
        task: data, and the recipe to train by.
        train: or a function that trains, as in `find_ticket`; without a task nothing is measured.
        steps: of the whole schedule of `train`.
        seed: of the data order, the validation split and the rest.

    Raises:
        PrunebenchError: nothing says how to train, the ticket is another network's, a network, data and recipe that do
            not fit, a training that diverged.
    """
    from prunebench.engine.masks import Masks
    from prunebench.engine.ticket import Ticket
    from prunebench.engine.training.task import train_and_measure

    start: object = Ticket(ticket) if isinstance(ticket, Masks) else ticket
    if not isinstance(start, Ticket | None):
        what = type(ticket).__name__
        raise UsageError(f"the ticket is a {what}: write pb.train(model, ticket, task), None for the dense network")
    by_function = _function(task, train, steps)
    if lacks := _lacks(task, by_function):
        raise TrainingError(f"nothing says how to train: {lacks}")
    subject = _subject(model, () if task is None else None, None, seed, task, by_function)
    return train_and_measure(subject, start, {} if task is None else task.splits(seed))


def score(
    model: nn.Module, method: str, *, input_shape: tuple[int, ...] | None = None,
    batch: tuple[Tensor, Tensor] | None = None, seed: int = 0,
) -> dict[str, Tensor]:  # fmt: skip
    """Scores of the first round on the user's own network, by layer, normalised to total 1 in absolute value.

    Arguments and errors are those of `prune`; methods that are no score have none.
    """
    from prunebench.engine.selection.pruning import Walker

    pruner = _pruner(method)
    if "training" in pruner.needs:
        raise PruningError(f"method {pruner.name!r} trains: it makes masks without scores")
    finder = pruner.open(_given(model, pruner, input_shape, batch, seed))
    if not isinstance(finder, Walker):
        raise PruningError(f"method {pruner.name!r} makes masks without scores: use pb.prune")
    return finder.scores()


def effective_density(model: nn.Module, masks: Masks, *, input_shape: tuple[int, ...]) -> float:
    """Share of prunable weights that lie on a path of kept weights from input to output, exact by position.

    Raises:
        UnsupportedOperatorError: the forward pass uses an operator without a reachability rule.
        PruningError: the masks are not those of this model.
    """
    from prunebench.engine.structure.effective import Connectivity

    return Connectivity(model, input_shape).effective(masks)[0].density()


def cost(model: nn.Module, masks: Masks | None = None, *, input_shape: tuple[int, ...]) -> Cost:
    """Parameters and multiply-accumulates of one forward pass, dense and under masks, by layer.

    Twice the dense multiply-accumulates is what torch's own counter says of linear and convolutional layers.

    Raises:
        PruningError: the masks are not those of this model.
    """
    from prunebench.engine.structure.cost import cost_of

    return cost_of(model, input_shape, masks)


def _pruner(method: str) -> Pruner:
    from prunebench.engine.method import build

    ready()
    return build(Spec.parse(method))


def _function(
    task: Task | None, train: Callable[[nn.Module, Stretch], object] | None, steps: int | None
) -> TrainFunction | None:
    """The user's own way to train, if there is one.

    Raises:
        UsageError: half of it, or a task that is none.
    """
    from prunebench.engine.training.by_function import TrainFunction
    from prunebench.engine.training.task import Task

    given: object = task
    if not isinstance(given, Task | None):
        raise UsageError(f"a task is a pb.Task(train=(inputs, labels), recipe=...), not a {type(given).__name__}")
    if train is None:
        if steps is not None:
            raise UsageError("steps= is the length of a train function's schedule: give train= as well")
        return None
    if steps is None:
        raise UsageError("train= needs steps=, the number of optimiser steps of its whole schedule")
    return TrainFunction(train, steps)


def _lacks(task: Task | None, by_function: TrainFunction | None) -> str:
    """What is missing to train by; empty if nothing is."""
    if by_function is not None or (task is not None and task.recipe is not None):
        return ""
    return "give task=pb.Task(...), or train= and steps=" if task is None else "the task has no recipe"


def _given(
    model: nn.Module, pruner: Pruner, shape: tuple[int, ...] | None, batch: tuple[Tensor, Tensor] | None, seed: int,
    task: Task | None = None, by_function: TrainFunction | None = None,
) -> Subject:  # fmt: skip
    """The network with what was given for it, once that is all that the method needs."""
    subject = _subject(model, shape, batch, seed, task, by_function)
    bare = subject.train is None and subject.batch is None and not ("training" in pruner.needs and by_function)
    if "data" in pruner.needs and bare:
        raise PruningError(f"method {pruner.name!r} needs data: give batch=(inputs, labels)")
    return subject


def _subject(
    model: nn.Module, shape: tuple[int, ...] | None, batch: tuple[Tensor, Tensor] | None, seed: int,
    task: Task | None, by_function: TrainFunction | None,
) -> Subject:  # fmt: skip
    from torch import nn

    from prunebench.engine.prunable import prunable
    from prunebench.engine.subject import Subject
    from prunebench.engine.training.task import samples_of

    given: object = model
    if not isinstance(given, nn.Module):
        raise UsageError(f"the model is a {type(model).__name__}, not a torch.nn.Module")
    if task is not None:
        if batch is not None:
            raise UsageError("a task and a batch: scores are taken on the task's training data, leave the batch out")
        subject = task.subject(model, seed, by_function)
        if shape is not None and tuple(shape) != subject.shape:
            raise UsageError(f"input_shape={shape} is not that of the task's inputs, {subject.shape}: leave it out")
        return subject
    scored = None if batch is None else samples_of(batch, "batch").whole()
    if scored is not None and shape is None:
        shape = scored.shape
    if shape is None:
        raise PruningError("give input_shape, the shape of one input without the batch, or a batch")
    if not isinstance(shape, Sequence) or not all(isinstance(side, int) and side > 0 for side in shape):
        raise PruningError(f"input_shape={shape} is not the shape of one input, such as (3, 32, 32)")
    device = next(iter(prunable(model).values())).device
    return Subject(model, tuple(shape), seed, device, batch=scored, by_function=by_function)
