"""A set of results as the lint looks at it: one frame, whether it comes from a run or from a CSV file."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from prunebench.analysis.frames import frame, titles
from prunebench.analysis.lint.columns import COLUMNS, SIZES, assigned, exported, ignored
from prunebench.analysis.lint.names import named
from prunebench.analysis.lint.reading import read_csv

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import polars as pl

    from prunebench.analysis.results import Results

OWN = -1.0
"""`at` of a row whose density is its outcome."""
CELL = ("task", "method", "at", "arm")


@dataclass(frozen=True)
class Sheet:
    """Results, and what is known of where they come from."""

    name: str
    rows: pl.DataFrame
    """One a result: every column of `COLUMNS` but the alternatives to another, null where the source has none, and

    - `task`: model, dataset and recipe; `at`: the density asked for, or `OWN`; `arm`, `seed`: empty without one
    - `key`, `dense`, `magnitude`, `initial`, `control`, `of`: what the method's name tells, see `names.Named`
    - `pruned`: whether it is no dense network; `main`: whether it is no arm of a trained network
    """
    given: frozenset[str]
    """Columns that have a value somewhere."""
    header: tuple[str, ...]
    ignored: tuple[str, ...]
    """Columns of the file that no item looks at."""
    left_out: Mapping[str, int]
    """Rows without a result, by status."""
    is_run: bool = False
    """Whether what is not there was not recorded, rather than left out of a file."""

    @cached_property
    def trained(self) -> pl.DataFrame:
        """Rows with an accuracy."""
        import polars as pl

        return self.rows.filter(pl.col("test_accuracy").is_not_null())

    @cached_property
    def seeded(self) -> bool:
        """Whether rows say which repetition they are."""
        return "seed" in self.given

    def has(self, *names: str) -> bool:
        """Whether all these columns have a value somewhere."""
        return self.given.issuperset(names)


def of_results(results: Results) -> Sheet:
    """A run, as it would be exported, with the provenance that it holds."""
    return results.once("sheet", lambda: _of_run(results))


def _of_run(results: Results) -> Sheet:
    import polars as pl

    header = titles(results)
    used = assigned(header)
    rows = frame(results, only={*used.values()}).select(
        pl.col(title).cast(pl.Float64 if COLUMNS[name].numbers else pl.String).alias(name)
        for name, title in used.items()
    )
    known = [*results.provenance]
    rows = rows.with_columns(
        pl.when(pl.col("software").is_in(known)).then(pl.col("software")),
        pl.when(pl.col("hardware").str.len_chars() > 0).then(pl.col("hardware")),
    )
    return _sheet(f"run {results.run_id}", rows, header, (), is_run=True)


def of_file(path: Path) -> Sheet:
    """A CSV file, see `columns.COLUMNS`.

    Raises:
        UsageError: it cannot be read, or says what cannot be.
    """
    rows, header = read_csv(path)
    return _sheet(path.name, rows, header, ignored(header, assigned(header)))


def _sheet(
    name: str, rows: pl.DataFrame, header: Sequence[str], unknown: tuple[str, ...], *, is_run: bool = False
) -> Sheet:
    import polars as pl

    from prunebench import catalogue

    catalogue.declare()
    rows = rows.with_columns(
        pl.lit(None, pl.Float64 if column.numbers else pl.String).alias(column.name)
        for column in COLUMNS.values()
        if column.name not in rows.columns
    )
    done = pl.col("status").is_null() | (pl.col("status").str.to_lowercase() == "ok")
    left_out = Counter[str](rows.filter(~done)["status"].to_list())
    rows = _derived(rows.filter(done), ours=is_run or exported(header))
    empty = pl.all().cast(pl.String).fill_null("") == ""
    blank = rows.select(empty.all()).row(0, named=True)
    given = frozenset(name for name in COLUMNS if not blank.get(name, True))
    return Sheet(name, rows, given, tuple(header), unknown, left_out, is_run)


def _derived(rows: pl.DataFrame, *, ours: bool) -> pl.DataFrame:
    import polars as pl

    rows = rows.with_columns(
        pl.coalesce("density", 1 / pl.col("compression"), 1 - pl.col("sparsity")).round_sig_figs(10).alias("density"),
        pl.coalesce("achieved_density", 1 - pl.col("achieved_sparsity")).alias("achieved_density"),
        pl.concat_str("model", "dataset", "recipe", separator=" · ", ignore_nulls=True).alias("task"),
        pl.col("seed", "arm").fill_null(""),
    ).drop(*SIZES[1:], "achieved_sparsity")
    best = rows["test_accuracy"].max()
    if not ours and isinstance(best, float) and best <= 1:
        rows = rows.with_columns(pl.col("test_accuracy", "std") * 100)
    names = rows["method"].unique().to_list()
    facts = [named(name, ours=ours) for name in names]
    table = pl.DataFrame(
        {
            "method": names, "key": [f.key for f in facts], "dense": [f.dense for f in facts],
            "magnitude": [f.magnitude for f in facts], "initial": [f.initial for f in facts],
            "control": [f.control for f in facts], "of": [f.of for f in facts],
        },
        schema={"method": pl.String, "key": pl.String, "dense": pl.Boolean, "magnitude": pl.Boolean,
                "initial": pl.Boolean, "control": pl.Boolean, "of": pl.String},
    )  # fmt: skip
    rows = rows.join(table, on="method", how="left", maintain_order="left")
    whole = pl.coalesce("density", "achieved_density", pl.lit(0.0)) >= 1
    return rows.with_columns(
        pl.col("density").fill_null(OWN).alias("at"),
        (pl.col("dense") | (pl.col("density") >= 1).fill_null(value=False)).alias("dense"),
        ~(pl.col("dense") | whole).alias("pruned"),
        ((pl.col("arm") == "") | pl.col("test_accuracy").is_null()).alias("main"),
    )
