"""Records: what the journal writes and every reader reads."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunebench.errors import StoreError
from prunebench.records.schema import Failure, Record, Row

text = st.text(max_size=8)
numbers = st.floats(allow_nan=False, allow_infinity=False) | st.integers(-10, 10**6)
rows = st.builds(
    Row, suite=text, suite_version=st.integers(1, 9), check=text, scale=text, model=text, dataset=text,
    recipe=st.none() | text, method=text, density=st.none() | st.floats(0, 1, exclude_min=True), arm=st.none() | text,
    repetition=st.integers(0, 99),
)  # fmt: skip
records = st.builds(
    Record, row=rows, status=st.sampled_from(["ok", "failed", "timeout", "skipped", "cancelled"]), key=text,
    metrics=st.dictionaries(text, st.none() | numbers, max_size=4), labels=st.dictionaries(text, text, max_size=3),
    series=st.none() | st.dictionaries(text, st.lists(numbers, max_size=3), max_size=2),
    error=st.none() | st.builds(Failure, text, text, text, text, text), reason=text,
    cost=st.dictionaries(text, st.dictionaries(text, numbers, max_size=2), max_size=3), environment=text,
    provenance=text, metric_versions=st.dictionaries(text, st.integers(2, 9), max_size=2),
)  # fmt: skip

ROW = Row("collapse", 1, "collapse", "quick", "vgg-16(width=0.25)", "digits32", None, "snip", 0.05, "trajectory", 2)
RECORD = Record(
    ROW, "ok", "0123abcd", {"kept": 51, "effective_share": 0.75, "prune_over_cut": None}, {"first_dead_layer": "0"},
    {"start": 0, "end": 120}, None, "", {"find": {"wall_seconds": 1.5}}, "6771fe6f3597", "aa00", {"kept": 3},
)  # fmt: skip
STORED = """{"schema":2,"row":{"suite":"collapse","suite_version":1,"check":"collapse","scale":"quick",
"task":{"model":"vgg-16(width=0.25)","dataset":"digits32","recipe":null},"method":"snip","density":0.05,
"arm":"trajectory","repetition":2},"status":"ok","key":"0123abcd",
"metrics":{"kept":51,"effective_share":0.75,"prune_over_cut":null},"metric_versions":{"kept":3},"labels":{"first_dead_layer":"0"},
"series":{"start":0,"end":120},"error":null,"reason":"","cost":{"find":{"wall_seconds":1.5}},
"environment":"6771fe6f3597","provenance":"aa00"}"""


@given(records)
@settings(deadline=None)
def test_a_record_that_is_written_and_read_is_the_same(record):
    written = json.dumps(record.plain(), allow_nan=False)
    assert Record.from_plain(json.loads(written)) == record


@given(rows)
@settings(deadline=None)
def test_a_row_that_is_written_and_read_is_the_same_and_keeps_its_digest(row):
    again = Row.from_plain(json.loads(json.dumps(row.plain())))
    assert again == row
    assert again.digest == row.digest


def test_a_record_of_schema_2_is_read_and_written_for_ever():
    assert Record.from_plain(json.loads(STORED)) == RECORD
    assert RECORD.plain() == json.loads(STORED)


def test_a_metric_is_of_the_first_version_unless_the_record_says_otherwise():
    assert [RECORD.version(name) for name in ("kept", "effective_share", "unheard_of")] == [3, 1, 1]


def test_a_failed_record_keeps_its_error():
    record = Record(ROW, "failed", error=Failure("ValueError", "no", "descent", "Traceback …", "a word"))
    assert record.plain()["error"] == {
        "type": "ValueError", "message": "no", "step": "descent", "traceback": "Traceback …", "output": "a word",
    }  # fmt: skip
    assert Record.from_plain(record.plain()) == record


@pytest.mark.parametrize("name", [field.name for field in fields(Row)])
def test_every_field_of_a_row_moves_its_digest(name):
    old = getattr(ROW, name)
    changed = replace(ROW, **{name: old + 1 if isinstance(old, int | float) else f"{old}x"})
    assert changed != ROW
    assert changed.digest != ROW.digest
    assert len(ROW.digest) == 24


@given(rows, rows)
@settings(deadline=None)
def test_rows_share_a_digest_only_if_they_are_equal(one, other):
    assert (one.digest == other.digest) is (one == other)


@pytest.mark.parametrize(
    ("changes", "written"),
    [
        ({}, "vgg-16(width=0.25) · digits32 · snip · d=0.05 · trajectory · #2"),
        ({"density": None}, "vgg-16(width=0.25) · digits32 · snip · trajectory · #2"),
        ({"density": None, "arm": None}, "vgg-16(width=0.25) · digits32 · snip · #2"),
    ],
)
def test_a_row_names_itself_for_people(changes, written):
    assert str(replace(ROW, **changes)) == written


def test_the_task_of_a_row_is_model_dataset_and_recipe():
    assert ROW.task == ("vgg-16(width=0.25)", "digits32", None)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_a_metric_that_is_no_finite_number_is_neither_written_nor_read(value):
    with pytest.raises(ValueError, match=rf"^metric 'kept' of vgg-16.* is {value}"):
        replace(RECORD, metrics={"rounds": None, "kept": value}).plain()
    with pytest.raises(StoreError, match=rf"metric 'kept' is {value}"):
        Record.from_plain(RECORD.plain() | {"metrics": {"kept": value}})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"schema": 3}, "record of schema 3; this version reads up to 2: update prunebench"),
        ({"schema": 0}, "record of schema 0; there is none, they begin at 1"),
        ({"schema": None}, "record of schema None"),
        ({"schema": True}, "record of schema True"),
        ({"schema": "2"}, "record of schema '2'"),
        ({"metric_versions": {"kept": 1}}, "metric 'kept' has version 1"),
        ({"metric_versions": {"kept": "3"}}, "metric 'kept' has version '3'"),
        ({"metric_versions": {"kept": True}}, "metric 'kept' has version True"),
        ({"metric_versions": ["kept"]}, "not a record: AttributeError"),
        ({"status": "done"}, "unknown status 'done'"),
        ({"status": None}, "unknown status None"),
        ({"extra": 1}, "not a record: TypeError"),
        ({"row": "a row"}, "not a record: TypeError"),
        ({"row": {}}, "not a record: KeyError: 'task'"),
        ({"row": {**ROW.plain(), "seed": 1}}, "not a record: TypeError"),
        ({"error": "boom"}, "not a record: TypeError"),
        ({"error": {"kind": "boom"}}, "not a record: TypeError"),
        ({"metrics": [1]}, "not a record: AttributeError"),
        ({"metrics": {"kept": "many"}}, "metric 'kept' is no number"),
        ({"metrics": {"kept": []}}, "metric 'kept' is no number"),
        ({"metrics": {"kept": True}}, "metric 'kept' is no number"),
        ({"metrics": {"kept": 10**400}}, "metric 'kept' is too large"),
        ({"cost": [1]}, "not a record: AttributeError"),
        ({"cost": "much"}, "not a record: AttributeError"),
        ({"cost": {"find": [1.5]}}, "not a record: TypeError"),
        ({"cost": {"find": {"cpu_seconds": "1.5"}}}, "not a record: TypeError"),
        ({"cost": {"find": {"cpu_seconds": math.nan}}}, "cost is not all finite numbers"),
        ({"cost": {"find": {"cpu_seconds": 10**400}}}, "not a record: OverflowError"),
        ({"labels": {"first_dead_layer": ["0"]}}, "labels are not all texts"),
        ({"labels": ["0"]}, "not a record: AttributeError"),
        ({"series": [0, 120]}, "series are neither vectors nor a place in the sidecar"),
        ({"error": {"type": "E", "message": ["boom"]}}, "error is not made of texts"),
        ({"reason": {}}, "key, reason, environment or provenance is no text"),
        ({"provenance": ["aa00"]}, "key, reason, environment or provenance is no text"),
        ({"environment": None}, "key, reason, environment or provenance is no text"),
        ({"row": {**ROW.plain(), "density": "0.05"}}, "row with a value of a wrong type"),
        ({"row": {**ROW.plain(), "density": 10**400}}, "row with a density outside 0 to 1"),
        ({"row": {**ROW.plain(), "density": math.nan}}, "row with a density outside 0 to 1"),
        ({"row": {**ROW.plain(), "method": ["snip"]}}, "row with a value of a wrong type"),
        ({"row": {**ROW.plain(), "repetition": 1.5}}, "row with a value of a wrong type"),
    ],
)
def test_what_is_no_record_is_refused(changes, message):
    with pytest.raises(StoreError, match=message):
        Record.from_plain(RECORD.plain() | changes)


@pytest.mark.parametrize("name", ["schema", "row", "status", "error", "metrics", "metric_versions"])
def test_a_record_without_an_essential_part_is_refused(name):
    plain = RECORD.plain()
    del plain[name]
    with pytest.raises(StoreError, match=f"not a record: KeyError: '{name}'"):
        Record.from_plain(plain)


@pytest.mark.parametrize("plain", [None, 1, "text", [], [1], {}])
def test_json_that_is_no_record_at_all_is_refused(plain):
    with pytest.raises(StoreError, match="not a record"):
        Record.from_plain(plain)
