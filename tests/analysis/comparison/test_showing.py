"""A comparison as a table, as Markdown, as CSV, JSON and JUnit."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest

from prunebench.analysis.comparison.compare import compare
from prunebench.analysis.comparison.finding import with_side
from prunebench.analysis.comparison.junit import junit
from prunebench.analysis.comparison.sides import of_run
from prunebench.analysis.comparison.states import numbers
from prunebench.errors import UsageError
from tests.analysis.comparison.made import cell, compared, records, results, row

HOSTILE = "a|b\n<script>&\x00\x1b[31m]]>`*_\ud7ff\ufffe"


def flat(method, density, n):
    return 50.0 + n


@pytest.fixture
def base(tmp_path):
    return results(tmp_path / "base", records(flat, seeds=2))


@pytest.fixture
def found(base, tmp_path):
    """One method worse, one gone, one new with a name that nobody should have."""
    new = [r for r in base.records if r.row.method != "random"]
    new = [replace(r, metrics={**r.metrics, "test_accuracy": 1.0}) if r.row.method == "snip" else r for r in new]
    new += [cell(row(HOSTILE, 0.5, n), 50.0) for n in range(2)]
    return compared(results(tmp_path / "new", new), base)[1]


def test_the_first_line_of_every_text_says_the_outcome(found, base):
    for format in ("table", "md"):
        first = found.table(format).splitlines()[0]
        assert "2 regressions: run new against run base" in first, format
    same = compared(base, base)[1]
    assert same.table().startswith("no regression: run base against run base\n")
    assert "= 42 same — 224 values compared" in same.table(), "6 methods × 7 metrics; 2 × 16 cells × 7 values"


def test_a_table_shows_what_is_not_the_same_regressions_first_and_with_everything_the_rest(found):
    text = found.table("csv")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [r["state"] for r in rows] == ["worse", "missing", "new"]
    assert [r["mark"].lstrip("'") for r in rows] == ["-", "?", "n"], (
        "a table program may need to be told that it is text"
    )
    assert [r["gates"] for r in rows] == ["yes", "yes", "no"]
    assert (rows[0]["method"], rows[0]["what"], rows[0]["old"], rows[0]["new"]) == (
        "snip",
        "test accuracy",
        "50.5",
        "1",
    )
    assert "6 of 6 values: d=0.5 #0 50 → 1" in rows[0]["detail"]
    everything = list(csv.DictReader(io.StringIO(found.table("csv", everything=True))))
    assert len(everything) == 3 + 4 * 7 + 6
    shown = found.table()
    for words in ("- 1 worse", "? 1 missing", "n 1 new", "= 34 same"):
        assert words in shown


def test_json_holds_numbers(found):
    document = json.loads(found.table("json"))
    assert (document["regressed"], len(document["suites"])) == (True, 1)
    suite = document["suites"][0]
    assert suite["counts"] == {"worse": 1, "missing": 1, "new": 1, "same": 34}
    worse = next(item for item in suite["items"] if item["state"] == "worse")
    assert (worse["old"], worse["new"], worse["gates"], worse["mark"]) == (50.5, 1.0, True, "-")
    assert {time["method"] for time in suite["times"]} == {"dense", "magnitude", "snip", "synflow", "lottery"}


def test_markdown_is_escaped_and_long_tables_are_folded(found, base, tmp_path):
    text = found.table("md")
    assert "<script>" not in text
    assert "\x1b" not in text
    assert r"\<script\>" in text
    assert "<details><summary>CPU seconds and memory</summary>" in text
    assert text.count("<details>") == text.count("</details>") == 1
    slow = [replace(r, metrics={**r.metrics, **dict.fromkeys(r.metrics, 0.25)}) for r in base.records]
    long = compared(results(tmp_path / "long", slow), base)[1].table("md")
    assert "<summary>22 more</summary>" in long, "6 methods × 7 metrics less 20"


def test_an_unknown_format_is_an_error(found):
    with pytest.raises(UsageError, match="unknown format 'xml'"):
        found.table("xml")


@pytest.mark.parametrize(
    ("old", "new", "texts"),
    [
        (50.0, 1.0, ("50", "1")), (1.11890001, 1.11890002, ("1.11890001", "1.11890002")), (0.5, 0.5, ("0.5", "0.5")),
        (1.0, 1 + 2**-52, ("1", "1.0000000000000002")), (1119.0, 1119.25, ("1119", "1119.2")),
        (2.0**60, 2.0**60 + 256, ("1152921504606846976", "1152921504606847232")),
    ],
)  # fmt: skip
def test_unequal_values_never_read_the_same(old, new, texts):
    first, second = numbers(old, new)
    assert (first == second) == (old == new)
    assert [float(first), float(second)] == pytest.approx(
        [float(text) for text in texts], rel=0, abs=abs(new - old) / 2
    )


def test_the_table_the_details_and_junit_tell_last_bits_apart(base, tmp_path):
    first, *rest = base.records
    lower = replace(first, metrics={**first.metrics, "test_accuracy": 50.0 * (1 - 2**-52)})
    found = compared(results(tmp_path / "new", [lower, *rest]), base)[1]
    (row,) = csv.DictReader(io.StringIO(found.table("csv")))
    assert row["old"] != row["new"]
    assert "50 → 49.9" in row["detail"]
    assert "50 → 50" not in junit(found).decode()


def test_the_outcome_says_how_many_suites_did_not_compare(base, tmp_path):
    more = results(tmp_path / "more", [*base.records, *records(flat, seeds=2, suite="other")])
    found = compare(with_side(base, of_run(more)))
    line = "no regression; 1 suite not compared: run base against run more"
    assert found.table().splitlines()[0] == line
    assert line in found.table("md").splitlines()[0]
    assert "the suite is not in run base" in found.table("md")
    document = json.loads(found.table("json"))
    assert (document["not_compared"], [s["compared"] for s in document["suites"]]) == (["other"], [224, 0])
    root = ET.fromstring(junit(found))
    assert root.attrib["name"] == line
    assert [suite.attrib["skipped"] for suite in root] == ["0", "6"]
    assert {row["state"] for row in csv.DictReader(io.StringIO(found.table("csv")))} == {"not comparable"}


def test_cells_that_fail_or_are_skipped_on_both_sides_are_counted_apart_and_no_passed_case(tmp_path):
    bare = [
        replace(r, status="skipped" if r.row.method == "snip" else "failed", metrics={})
        if r.row.method in {"snip", "random"} else r
        for r in records(flat, seeds=2)
    ]  # fmt: skip
    found = compared(results(tmp_path / "new", bare), results(tmp_path / "old", bare))[1]
    assert "140 values compared, 6 cells skipped on both sides" in found.table()
    (suite,) = ET.fromstring(junit(found))
    cases = {case.attrib["name"]: case.find("skipped") for case in suite.iter("testcase")}
    assert {name: case.attrib["message"] for name, case in cases.items() if case is not None} == {
        "snip": "6 × skipped",
        "random": "6 × failed",
    }


def test_one_repetition_is_warned_of_in_the_summary(tmp_path):
    old = results(tmp_path / "old", records(flat, seeds=1))
    found = compared(results(tmp_path / "new", records(flat, seeds=1, key="other")), old)[1]
    for format in ("table", "md", "json"):
        assert "one repetition: accuracies cannot be tested" in " ".join(found.table(format).split()), format
    assert "one repetition" in junit(found).decode()


def test_junit_has_a_case_a_task_and_method_and_a_failure_for_each_that_regressed(found):
    root = ET.fromstring(junit(found))
    assert root.tag == "testsuites"
    (suite,) = root
    cases = {case.attrib["name"]: case for case in suite.iter("testcase")}
    assert len(cases) == 7
    assert suite.attrib["tests"] == "7"
    assert suite.attrib["failures"] == root.attrib["failures"] == "2"
    assert {name for name, case in cases.items() if case.find("failure") is not None} == {"snip", "random"}
    failure = cases["snip"].find("failure")
    assert failure.attrib == {"message": "test_accuracy worse", "type": "regression"}
    assert "50.5 → 1" in failure.text
    assert {case.attrib["classname"] for case in cases.values()} == {"made.tradeoff · mlp · mnist1d · small-sgd"}
    assert float(cases["dense"].attrib["time"]) == 2.0
    (hostile,) = [name for name in cases if name.startswith("a|b")]
    assert hostile == "a|b\n<script>&\ufffd\ufffd[31m]]>`*_\ud7ff\ufffd"


def test_what_cannot_be_compared_or_was_left_out_is_skipped(base, tmp_path):
    other = results(tmp_path / "other", records(flat, seeds=2, version=2))
    (suite,) = ET.fromstring(junit(compared(other, base)[1]))
    assert suite.attrib["skipped"] == suite.attrib["tests"] == "6"
    assert {s.attrib["message"] for s in suite.iter("skipped")} == {"version of the suite: 1 → 2"}
    some = [r for r in base.records if r.row.method == "snip"]
    fewer = results(tmp_path / "fewer", some, selection={"methods": ["snip"], "seeds": None})
    (suite,) = ET.fromstring(junit(compared(fewer, base)[1]))
    assert (suite.attrib["skipped"], suite.attrib["failures"], suite.attrib["tests"]) == ("5", "0", "6")


def test_names_and_values_keep_the_order_of_the_elements_that_the_junit_schema_has(found):
    (suite,) = ET.fromstring(junit(found))
    assert [child.tag for child in suite] == ["testcase"] * 7 + ["system-out"]
    for case in suite.iter("testcase"):
        assert set(case.attrib) == {"name", "classname", "time"}
        assert [child.tag for child in case] in (
            [],
            ["failure"],
            ["skipped"],
            ["system-out"],
            ["failure", "system-out"],
        )
    for key in ("name", "tests", "failures", "errors", "skipped", "time"):
        assert key in suite.attrib
