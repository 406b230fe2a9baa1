"""Items about how networks were trained and measured."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from prunebench.analysis.lint.columns import normal
from prunebench.analysis.lint.items import MANY_CLASSES, Answer
from prunebench.analysis.lint.names import known_classes, recipe_rate
from prunebench.analysis.lint.wording import UNTRAINED, answer, listed, methods_of

if TYPE_CHECKING:
    from prunebench.analysis.lint.sheet import Sheet

_BEST_ON_TEST = re.compile(
    r"(best|max|peak|highest)_(epoch_)?(on_)?(test|acc|accuracy|top1|top_1)|(test|acc|accuracy)_(best|max|peak)"
)
"""Names of columns that report the best epoch; one that names validation data is fine."""


def budget(sheet: Sheet) -> Answer:
    """Budgets of all rows, and where they differ on a task, which part of each found the ticket."""
    import polars as pl

    if sheet.trained.is_empty():
        return "not applicable", UNTRAINED
    if not sheet.has("trainings"):
        return "cannot tell", "no column trainings, nor epochs"
    silent = sheet.trained.filter(pl.col("trainings").is_null())
    if len(silent):
        return "missing", f"no budget of {methods_of(silent)}"
    spent = pl.col("trainings")
    uneven = sheet.trained.filter(spent.max().over("task") > 1.01 * spent.min().over("task"))
    if uneven.is_empty():
        return "ok", "equal on every task"
    totals = uneven["trainings"].to_list()
    between = f"from {min(totals):g} to {max(totals):g}"
    total = uneven.filter(pl.col("find_trainings").is_null())
    if total.is_empty():
        return "ok", f"{between}; finding and training are told apart"
    by_task = total.group_by("task").agg(pl.col("method").unique().sort()).sort("task")
    labels = [f"{task} ({listed(methods, ', ')})" for task, methods in by_task.iter_rows()]
    return "missing", f"{between} on a task, and only the total is told on {listed(labels)}"


def learning_rate(sheet: Sheet) -> Answer:
    """Several learning rates of every method on a model and dataset, or a statement."""
    import polars as pl

    trained = sheet.trained.filter("main")
    if trained.is_empty():
        return "not applicable", UNTRAINED
    if not sheet.given & {"tuned", "recipe", "learning_rate"}:
        return "cannot tell", "no column tuned, learning_rate or recipe"
    recipes = trained["recipe"].unique().drop_nulls().to_list()
    rates = pl.DataFrame(
        [(recipe, *recipe_rate(recipe)) for recipe in recipes],
        schema={"recipe": pl.String, "family": pl.String, "rate": pl.String}, orient="row",
    )  # fmt: skip
    owned = trained.filter(pl.col("tuned").is_null()).join(rates, on="recipe", how="left")
    tried = (
        owned.with_columns(pl.coalesce(pl.col("learning_rate").cast(pl.String), "rate").alias("rate"))
        .group_by("model", "dataset", "method", "family")
        .agg(pl.col("rate").n_unique().alias("rates"))
        .group_by("model", "dataset", "method")
        .agg(pl.col("rates").max())
    )
    one = (
        tried.filter(pl.col("rates") < 2)
        .group_by("model", "dataset")
        .agg(pl.col("method").sort())
        .sort("model", "dataset")
    )
    labels = [f"{listed(methods, ', ')} on {model} · {dataset}" for model, dataset, methods in one.iter_rows()]
    stated = trained["tuned"].unique().drop_nulls().sort()
    fine = (
        f"tuned: {listed(stated)}"
        if len(stated)
        else f"{min(tried['rates'].to_list(), default=0)} or more of every method"
    )
    return answer([f"a single learning rate, not said to be tuned or not: {listed(labels)}"] if labels else [], fine)


def selection(sheet: Sheet) -> Answer:
    """What epochs, learning rates and the like were selected on."""
    import polars as pl

    if sheet.trained.is_empty():
        return "not applicable", UNTRAINED
    best = [title for title in sheet.header if _BEST_ON_TEST.search(normal(title)) and "val" not in normal(title)]
    if best:
        return "missing", f"column {listed(best)}: the best epoch on the test split"
    on_test = sheet.trained.filter(pl.col("selected_on").str.to_lowercase().str.contains(r"\btest"))
    if len(on_test):
        return "missing", f"selected on the test split: {methods_of(on_test)}"
    if not sheet.given & {"validation_accuracy", "selected_on"}:
        return "cannot tell", "no column validation_accuracy, nor selected_on"
    silent = sheet.trained.filter(pl.col("validation_accuracy").is_null() & pl.col("selected_on").is_null())
    reasons = [f"no validation split recorded of {methods_of(silent)}"] if len(silent) else []
    return answer(reasons, "a validation split, or nothing selected")


def top5(sheet: Sheet) -> Answer:
    """Top-5 accuracy where there are many classes."""
    import polars as pl

    trained = sheet.trained
    if trained.is_empty():
        return "not applicable", UNTRAINED
    names = trained["dataset"].unique().to_list()
    known = pl.DataFrame(
        {"dataset": names, "known": [known_classes(name) for name in names]},
        schema={"dataset": pl.String, "known": pl.Float64},
    )
    rows = trained.join(known, on="dataset", how="left").with_columns(pl.coalesce("classes", "known").alias("classes"))
    many = rows.filter(pl.col("classes") > MANY_CLASSES)
    silent = many.filter(pl.col("test_top5").is_null())
    if len(silent):
        labels = [
            f"{d} ({k:g} classes)" for d, k in silent.select("dataset", "classes").unique().sort("dataset").iter_rows()
        ]
        return "missing", f"none on {listed(labels)}"
    unknown = rows.filter(pl.col("classes").is_null() & pl.col("test_top5").is_null())["dataset"].unique().sort()
    if len(unknown):
        return "cannot tell", f"no column classes, and of {listed(unknown)} their number is not known"
    if many.is_empty() and not sheet.has("test_top5"):
        return "not applicable", f"no data of more than {MANY_CLASSES} classes"
    return "ok", "on all data of many classes"
