"""Frames of records: a line a cell, a line a metric; and the files that they are written to."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import polars as pl
import pytest

from prunebench.analysis.export import exported
from prunebench.analysis.frames import frame, titles
from prunebench.analysis.results import Results, load_results
from prunebench.errors import StoreError
from prunebench.records.schema import Failure, Record, Row

SCALE = "quick + densities=[0.5]"


def row(repetition, method="snip", density=0.5, scale="quick"):
    return Row("s", 3, "collapse", scale, "mlp(repeat=2)", "digits", None, method, density, "dead", repetition)


RECORDS = [
    Record(
        row(0), "ok", "k0", {"kept": 51, "density": 0.25, "plug_in": -1.5, "prune_over_cut": None}, {"first": "0"},
        None, None, "", {"find": {"wall_seconds": 1.5}, "measure": {"wall_seconds": 0.5}}, "env", "prov",
        {"kept": 3},
    ),
    Record(row(1), "failed", "k1", error=Failure("ValueError", "a, b", "descent", "Traceback"), environment="env"),
    Record(row(2, "é|,\n", None), "skipped", reason="too few", environment="env"),
    Record(row(3), "ok", "k3", {"density": 1}, {"second": "x"}, cost={"find": {"peak_bytes": 7}}, environment="env"),
]  # fmt: skip


UNFINISHED = (row(4),)


def results(records=RECORDS, planned=UNFINISHED):
    rows = [*(record.row for record in records), *planned]
    plan = {"run": "5a7e", "suites": [{"name": "s", "version": 3}], "rows": [r.plain() for r in rows],
            "scale": "quick", "environment": {}}  # fmt: skip
    return Results(Path("nowhere"), plan, tuple(records))


def test_a_frame_has_a_line_a_planned_cell_with_everything_that_its_record_says():
    lines = results().frame().to_dicts()
    assert [line["status"] for line in lines] == ["ok", "failed", "skipped", "ok", "missing"]
    assert lines[0] == {
        "run": "5a7e", "suite": "s", "suite_version": 3, "check": "collapse", "scale": "quick", "comparable": True,
        "model": "mlp(repeat=2)", "dataset": "digits", "recipe": None, "method": "snip", "density": 0.5, "arm": "dead",
        "repetition": 0, "status": "ok", "reason": None, "kept": 51.0, "achieved_density": 0.25, "plug_in": -1.5,
        "prune_over_cut": None, "label.first": "0", "label.second": None, "cost.find.wall_seconds": 1.5,
        "cost.find.peak_bytes": None, "cost.measure.wall_seconds": 0.5, "error.type": None, "error.message": None,
        "error.step": None, "key": "k0", "environment": "env", "provenance": "prov",
    }  # fmt: skip
    assert (lines[1]["error.type"], lines[1]["error.message"], lines[1]["error.step"]) == (
        "ValueError",
        "a, b",
        "descent",
    )
    assert (lines[2]["method"], lines[2]["density"], lines[2]["reason"]) == ("é|,\n", None, "too few")
    assert (lines[3]["achieved_density"], lines[3]["kept"], lines[3]["cost.find.peak_bytes"]) == (1.0, None, 7.0)
    assert {lines[4][name] for name in ("kept", "label.first", "key", "environment", "error.type")} == {None}


def test_a_long_frame_has_a_line_a_metric_with_its_definition_and_loses_no_cell():
    table = results().frame(long=True)
    measured = ["repetition", "status", "metric", "metric_version", "unit", "direction", "value"]
    assert table.select(measured).rows() == [
        (0, "ok", "kept", 3, "weights", "none", 51.0),
        (0, "ok", "density", 1, "", "none", 0.25),
        (0, "ok", "plug_in", 1, None, None, -1.5),
        (0, "ok", "prune_over_cut", 1, "", "lower", None),
        (1, "failed", None, None, None, None, None),
        (2, "skipped", None, None, None, None, None),
        (3, "ok", "density", 1, "", "none", 1.0),
        (4, "missing", None, None, None, None, None),
    ]
    first = table.row(0, named=True)
    wide = results().frame().row(0, named=True)
    assert {name: first[name] for name in wide if name in first} == {
        name: value for name, value in wide.items() if name in first
    }
    of_metrics = {"metric", "metric_version", "unit", "direction", "value"}
    assert set(first) - set(wide) == of_metrics
    assert {name.partition(".")[0] for name in set(wide) - set(first)} == {
        "kept", "achieved_density", "plug_in", "prune_over_cut", "label", "cost",
    }  # fmt: skip
    assert table["reason"].to_list().count("too few") == 1


def test_every_metric_of_a_wide_frame_is_in_the_long_one_and_no_other():
    found = load_results(Path(__file__).parents[1] / "records" / "schema_1")
    lines = found.frame(long=True).drop_nulls("metric").to_dicts()
    assert len(lines) == 14 + 13
    wide = {line["density"]: line for line in found.frame().to_dicts() if line["status"] == "ok"}
    for line in lines:
        name = "achieved_density" if line["metric"] == "density" else line["metric"]
        assert wide[line["density"]].pop(name) == line["value"]
    left = {name for line in wide.values() for name, value in line.items() if isinstance(value, float)}
    assert {name for name in left if not name.startswith("cost.")} == {"density"}


def test_a_run_whose_cells_are_all_missing_or_that_has_none_is_a_frame_all_the_same():
    nothing = results([], [row(0)])
    assert nothing.frame().select("status").rows() == [("missing",)]
    assert nothing.frame(long=True).select("status", "metric").rows() == [("missing", None)]
    assert results([], []).frame().height == results([], []).frame(long=True).height == 0
    assert results([], []).frame(long=True).columns == nothing.frame(long=True).columns


def test_only_cells_of_a_suite_s_own_grid_are_comparable():
    altered = Record(row(0, scale=SCALE), "ok", metrics={"kept": 1})
    assert results([altered], []).frame()["comparable"].to_list() == [False]
    assert results([altered], []).frame(long=True)["comparable"].to_list() == [False]


@pytest.mark.parametrize("long", [False, True])
def test_csv_and_parquet_are_read_back_as_the_frame(long):
    table = results().frame(long=long)
    assert pl.read_parquet(io.BytesIO(exported(results(), "parquet", long=long))).equals(table)
    lines = list(csv.DictReader(io.StringIO(exported(results(), "csv", long=long).decode(), newline="")))
    assert len(lines) == table.height
    for line, row in zip(lines, table.to_dicts(), strict=True):
        assert list(line) == table.columns
        for name, value in row.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                assert line[name] == ("" if value is None else str(value).lower() if value is True else value)
            else:
                assert float(line[name]) == value


def test_json_has_every_record_with_its_series_and_what_is_missing():
    found = load_results(Path(__file__).parents[1] / "records" / "schema_1")
    text = exported(found, "json").decode()
    document = json.loads(text)
    assert [record["row"]["method"] for record in document["records"]] == ["snip"] * 3 + ["raises"] * 3
    assert document["records"][0]["series"] == {"kept_by_round": [3], "prune_over_cut_by_round": [9.098734780546536]}
    assert document["records"][2]["series"] is None
    assert document["records"][3]["error"]["message"] == "no score of these weights"
    assert document["missing"] == []
    assert (document["run"], document["suites"]) == ("335348bfa798", [{"name": "small", "version": 3}])
    assert len(text.splitlines()) == 8, "a line a record, for diffs"
    planned = json.loads(exported(results(RECORDS[1:]), "json"))
    assert [r["repetition"] for r in planned["missing"]] == [4]


def test_a_column_of_a_frame_is_the_same_alone():
    run = results()
    whole = run.frame()
    for names in ({"method", "kept"}, {"error.type"}, {*titles(run)}):
        assert frame(run, names).equals(whole.select(name for name in whole.columns if name in names))
    assert titles(run) == whole.columns


def test_metrics_that_would_share_a_column_are_refused():
    metrics = {"density": 0.5, "achieved_density": 0.4}
    with pytest.raises(StoreError, match="would share the column achieved_density"):
        results([Record(row(0), "ok", metrics=metrics)], ()).frame()
