"""Items about densities and repetitions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prunebench.analysis.lint.items import BROKEN, FINE, POINTS, SEEDS, SEEDS_OF_A_FINE_CLAIM, Answer
from prunebench.analysis.lint.sheet import CELL, OWN, Sheet
from prunebench.analysis.lint.wording import UNTRAINED, answer, listed, methods_of, number, where

if TYPE_CHECKING:
    import polars as pl


def operating_points(sheet: Sheet) -> Answer:
    """Enough densities of every curve, one of them clearly below the dense network."""
    import polars as pl

    curves = sheet.trained.filter(pl.col("pruned") & pl.col("main") & (pl.col("at") != OWN))
    if curves.is_empty():
        return "not applicable", UNTRAINED if sheet.trained.is_empty() else "no method is asked for a density"
    counts = curves.group_by("task", "method").agg(pl.col("at").n_unique().alias("points")).sort("task", "method")
    few = counts.filter(pl.col("points") < POINTS)
    reasons = []
    if len(few):
        labels = [f"{method} on {task} ({points})" for task, method, points in few.iter_rows()]
        reasons.append(f"fewer than {POINTS} densities: {listed(labels)}")
    dense = _means(sheet, sheet.trained.filter("dense"), ["task"]).rename({"mean": "control", "half": "control_half"})
    points = _means(sheet, curves, ["task", "method", "at"]).join(dense, on="task", how="left")
    broken = (pl.col("mean") <= pl.col("control") - BROKEN) & (
        pl.col("mean") + pl.col("half") < pl.col("control") - pl.col("control_half")
    )
    ends = points.group_by("task", "method").agg(broken.any().alias("broken"), pl.col("control").first())
    whole = ends.filter(~pl.col("broken") & pl.col("control").is_not_null()).sort("task", "method")
    if len(whole):
        labels = [f"{method} on {task}" for task, method, *_ in whole.iter_rows()]
        reasons.append(f"no density where it breaks: {listed(labels)}")
    if reasons:
        return "missing", "; ".join(reasons)
    if ends["control"].null_count():
        return "cannot tell", f"{POINTS} densities or more; without a dense network nothing says where methods break"
    least = min(counts["points"].to_list())
    return "ok", f"{least} densities or more of {number(len(counts), 'curve')}, all to where it breaks"


def seeds(sheet: Sheet) -> Answer:
    """Enough repetitions of every cell, and more where means are close."""
    import polars as pl

    if not sheet.seeded and not sheet.has("n"):
        return "cannot tell", "no column seed, nor n"
    cells = sheet.rows.group_by(CELL).agg(
        _repetitions(), pl.col("test_accuracy").mean().alias("mean"), pl.col("main", "pruned").first()
    )
    few = cells.filter(pl.col("n") < SEEDS).group_by("task", "method").agg(pl.col("n").min()).sort("task", "method")
    reasons = []
    if len(few):
        reasons.append(f"fewer than {SEEDS}: {listed([f'{m} on {t} ({n:g})' for t, m, n in few.iter_rows()])}")
    ranked = cells.filter(pl.col("main") & pl.col("pruned") & pl.col("mean").is_not_null()).sort(
        "task", "at", "mean", "method"
    )
    place = ["task", "at"]
    close = (
        ranked.with_columns(
            pl.col("method").shift(1).over(place).alias("other"),
            (pl.col("mean") - pl.col("mean").shift(1).over(place)).alias("gap"),
            pl.min_horizontal("n", pl.col("n").shift(1).over(place)).alias("least"),
        )
        .filter((pl.col("gap") < FINE) & (pl.col("least") < SEEDS_OF_A_FINE_CLAIM) & (pl.col("least") >= SEEDS))
        .sort("gap", "task", "at")
    )
    if len(close):
        labels = [
            f"{a} and {b} on {task}{where(at)}, {gap:.2f} apart ({n:g})"
            for a, b, task, at, gap, n in close.select("other", "method", "task", "at", "gap", "least").iter_rows()
        ]
        reasons.append(f"fewer than {SEEDS_OF_A_FINE_CLAIM} for less than {FINE:g} point: {listed(labels)}")
    return answer(reasons, f"{min(cells['n'].to_list()):g} or more of {number(len(cells), 'cell')}")


def spread(sheet: Sheet) -> Answer:
    """Several seeds of every cell, or a standard deviation beside its mean."""
    import polars as pl

    cells = sheet.rows.group_by(CELL).agg(_own_seeds().alias("own"), pl.col("std").is_not_null().any().alias("stated"))
    bare = cells.filter(~((pl.col("own") > 1) | pl.col("stated"))).group_by("task", "method").agg(pl.col("at").unique())
    labels = [
        f"{method} on {task}{where(*sorted(levels, reverse=True))}"
        for task, method, levels in bare.sort("task", "method").iter_rows()
    ]
    return answer([f"a single value of {listed(labels)}"] if labels else [], f"of {number(len(cells), 'cell')}")


def raw_rows(sheet: Sheet) -> Answer:
    """A seed in every row, and every row once."""
    import polars as pl

    means = sheet.rows.filter((pl.col("n") > 1) | ((pl.col("seed") == "") & pl.col("std").is_not_null()))
    if len(means):
        return "missing", f"{number(len(means), 'row')} of means: {methods_of(means)}"
    bare = sheet.rows.filter(pl.col("seed") == "")
    if len(bare):
        return "missing", f"{number(len(bare), 'row')} without a seed: {methods_of(bare)}"
    identity = [*CELL, "learning_rate", "seed", "suite", "check", "scale"]
    twice = sheet.rows.filter(pl.struct(identity).is_duplicated()).unique(identity, maintain_order=True)
    labels = [f"{m} on {t}, seed {s}" for m, t, s in twice.select("method", "task", "seed").iter_rows()]
    return answer([f"given more than once: {listed(labels)}"] if labels else [], number(len(sheet.rows), "row"))


def _repetitions() -> pl.Expr:
    """Seeds of rows that have one, and what means say that they are over: one if they do not."""
    import polars as pl

    return (_own_seeds() + pl.col("n").filter(pl.col("seed") == "").fill_null(1).sum()).alias("n")


def _own_seeds() -> pl.Expr:
    """How many seeds have a row of their own."""
    import polars as pl

    return pl.col("seed").filter(pl.col("seed") != "").n_unique()


def _means(sheet: Sheet, rows: pl.DataFrame, by: list[str]) -> pl.DataFrame:
    """Mean accuracy with the half width of Student's 95 % interval, 0 where a single value leaves none.

    Where rows are means already, theirs count as they are.
    """
    import polars as pl
    from scipy.special import stdtrit

    accuracy = pl.col("test_accuracy")
    means = rows.group_by(by).agg(
        accuracy.mean().alias("mean"), accuracy.std().alias("sd"), accuracy.count().cast(pl.Int64).alias("count"),
        pl.col("std").mean().alias("stated"), pl.col("n").sum().cast(pl.Int64).alias("runs"),
    )  # fmt: skip
    if not sheet.seeded:
        means = means.with_columns(pl.col("stated").alias("sd"), pl.col("runs").alias("count"))
    sizes = means["count"].unique().filter(means["count"].unique() > 1).to_list()
    quantiles = pl.DataFrame(
        {"count": sizes, "t": [float(stdtrit(n - 1, 0.975)) for n in sizes]},
        schema={"count": pl.Int64, "t": pl.Float64},
    )
    half = (pl.col("t") * pl.col("sd") / pl.col("count").sqrt()).fill_null(0.0).alias("half")
    return means.join(quantiles, on="count", how="left").select(*by, "mean", half)
