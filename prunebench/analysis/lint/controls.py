"""Items about what stands beside the methods."""

from __future__ import annotations

from prunebench.analysis.lint.items import TASKS, Answer
from prunebench.analysis.lint.names import plain_dataset
from prunebench.analysis.lint.sheet import OWN, Sheet
from prunebench.analysis.lint.wording import UNTRAINED, answer, listed, number, where


def dense_control(sheet: Sheet) -> Answer:
    """Dense rows on each task, with all seeds that pruned rows have."""
    import polars as pl

    pruned, dense = sheet.trained.filter("pruned"), sheet.trained.filter("dense")
    if pruned.is_empty():
        return "not applicable", UNTRAINED if sheet.trained.is_empty() else "no network is pruned"
    without = pruned.select("task").unique().join(dense, on="task", how="anti").sort("task")
    if len(without):
        return "missing", f"no dense network on {listed(without['task'])}"
    if not sheet.seeded:
        return "cannot tell", "a dense network on every task; no column seed says whether the seeds are the same"
    alone = (
        pruned.filter(pl.col("seed") != "").select("task", "seed").unique().join(dense, on=["task", "seed"], how="anti")
    )
    if len(alone):
        by_task = (
            alone.group_by("task").agg(pl.col("seed").sort_by(pl.col("seed").str.len_chars(), "seed")).sort("task")
        )
        return "missing", "no dense network with " + listed(
            [f"seed {listed(seeds, ', ')} on {task}" for task, seeds in by_task.iter_rows()]
        )
    return "ok", f"on {number(pruned['task'].n_unique(), 'task')}, with the same seeds"


def same_ratios(sheet: Sheet) -> Answer:
    """Random masks with every method's own ratios, as an arm of it or as a method `same-ratios(of=…)`.

    Of tickets on initial weights, `rearrange` is such an arm by another draw.
    """
    import polars as pl

    trained = sheet.trained
    methods = trained.filter(pl.col("pruned") & pl.col("main") & ~pl.col("control"))
    if methods.is_empty():
        return "not applicable", UNTRAINED if trained.is_empty() else "every method is random, dense or a control"
    own = ["task", "key", "at"]
    arm = pl.col("arm").str.replace_all("[ _]", "-")
    drawn = arm.str.starts_with("same-ratios") | (arm.str.starts_with("rearrange") & pl.col("initial"))
    arms = trained.filter(drawn).select(own)
    others = trained.filter(pl.col("of") != "").select("task", pl.col("of").alias("key"), "at")
    needed = methods.select(*own, "method").unique()
    lacking = needed.join(pl.concat([arms, others]), on=own, how="anti")
    by_method = lacking.group_by("task", "method").agg(pl.col("at").sort(descending=True)).sort("task", "method")
    labels = [f"{method} on {task}{where(*levels)}" for task, method, levels in by_method.iter_rows()]
    fine = f"beside {number(needed['key'].n_unique(), 'method')}"
    return answer([f"no random masks with the ratios of {listed(labels)}"] if labels else [], fine)


def magnitude(sheet: Sheet) -> Answer:
    """Magnitude pruning of trained weights wherever another method is."""
    import polars as pl

    if sheet.trained.is_empty():
        return "not applicable", UNTRAINED
    pruned = sheet.trained.filter(pl.col("pruned") & pl.col("main"))
    there = pruned.filter("magnitude")
    needed = pruned.filter(~pl.col("magnitude") & ~pl.col("control")).select("task", "at").unique()
    if needed.is_empty():
        return (
            ("not applicable", "every method is random, dense or a control")
            if there.is_empty()
            else ("ok", "it is one")
        )
    asked = needed.filter(pl.col("at") != OWN).join(there, on=["task", "at"], how="anti")
    free = needed.filter(pl.col("at") == OWN).join(there, on="task", how="anti")
    by_task = pl.concat([asked, free]).group_by("task").agg(pl.col("at").sort(descending=True)).sort("task")
    labels = [f"{task}{where(*levels)}" for task, levels in by_task.iter_rows()]
    return answer(
        [f"none of trained weights on {listed(labels)}"] if labels else [],
        f"on {number(needed['task'].n_unique(), 'task')}",
    )


def tasks(sheet: Sheet) -> Answer:
    """Enough pairs of model and dataset."""
    pairs = sheet.rows.filter("pruned").select("model", "dataset").unique().sort("model", "dataset")
    if pairs.is_empty():
        return "not applicable", "no network is pruned"
    counted = [f"{model} · {data}" for model, data in pairs.iter_rows() if plain_dataset(data) != "mnist"]
    if len(counted) < TASKS:
        return "missing", f"{len(counted)} of {TASKS}: {listed(counted)}" if counted else "MNIST alone"
    return "ok", number(len(counted), "pair")
