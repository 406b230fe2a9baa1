"""Reading the files of a run."""

from __future__ import annotations

import json

import pytest

from prunebench.errors import StoreError
from prunebench.records.reader import read_plan, read_provenance, read_records, read_series
from prunebench.records.schema import Failure, Record, Row
from prunebench.records.sources import Folder

RECORDS = [
    Record(Row("s", 1, "c", "quick", "m", "d", None, "snip", 0.05, "λ", 0), "ok", "k", {"kept": 1.5, "rounds": None}),
    Record(Row("s", 1, "c", "quick", "m", "d", None, "snip", 0.05, "λ", 1), "failed", error=Failure("E", "a\nb")),
    Record(Row("s", 1, "c", "quick", "m", "d", None, "snip", None, None, 2), "skipped", reason="too few weights"),
]
LINES = [json.dumps(record.plain(), ensure_ascii=False).encode() + b"\n" for record in RECORDS]


@pytest.fixture
def journal(tmp_path):
    path = tmp_path / "records.jsonl"
    path.write_bytes(b"".join(LINES))
    return path


def read(path):
    return list(read_records(Folder(path.parent)))


def test_records_come_back_in_the_order_in_which_they_were_written(journal):
    assert read(journal) == RECORDS


def test_a_run_that_has_not_begun_has_no_records(tmp_path):
    assert read(tmp_path / "records.jsonl") == []
    (tmp_path / "records.jsonl").write_bytes(b"")
    assert read(tmp_path / "records.jsonl") == []


def test_a_last_line_that_is_torn_anywhere_is_passed_over(journal):
    whole = b"".join(LINES)
    ends = [len(b"".join(LINES[:n])) for n in range(len(LINES) + 1)]
    for cut in sorted({*range(0, len(whole), 5), *(end + n for end in ends for n in (-1, 0)), len(whole)} - {-1}):
        journal.write_bytes(whole[:cut])
        assert read(journal) == RECORDS[: sum(end <= cut for end in ends[1:])]


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b"not json\n", "Expecting value"),
        (b"\n", "Expecting value"),
        (LINES[1][:-20] + b"\n", "Expecting"),
        (b'"\xff"\n', "codec can't decode"),
        (b"[]\n", "not a record"),
        (LINES[0].replace(b'"cost": {}', b'"cost": "much"'), "not a record"),
        (LINES[0].replace(b"1.5", b"1" + b"0" * 400), "metric 'kept' is too large"),
        (b"[" * 100_000 + b"\n", "nested too deep"),
        (LINES[1].replace(b'"failed"', b'"lost"'), "unknown status 'lost'"),
        (LINES[0].replace(b"1.5", b"NaN"), "metric 'kept' is nan"),
    ],
)
@pytest.mark.parametrize("number", [1, 2, 3])
def test_any_other_line_that_is_no_record_is_an_error_naming_file_line_and_remedy(journal, line, fault, number):
    journal.write_bytes(b"".join([*LINES[: number - 1], line, *LINES[number:]]))
    with pytest.raises(StoreError) as caught:
        read(journal)
    message = str(caught.value)
    assert message.startswith(f"{journal}, line {number}: ")
    assert fault in message
    assert message.endswith("delete the line to run its cell again, the others are kept")
    assert len(message.splitlines()) == 1


def test_a_record_of_a_later_version_is_not_to_be_deleted(journal):
    journal.write_bytes(LINES[0].replace(b'"schema": 2', b'"schema": 9'))
    with pytest.raises(StoreError, match=r"line 1: record of schema 9; .*: update prunebench$"):
        read(journal)


GOOD = {
    "run": "abc", "suites": [{"name": "s", "version": 1}], "scale": "quick", "rows": [],
    "environment": {"device": "cpu"}, "selection": {"methods": ["snip"], "seeds": None, "later": {}},
}  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"run": 5}, "run or scale is no text"),
        ({"scale": None}, "run or scale is no text"),
        ({"rows": None}, "there are no rows"),
        ({"environment": None}, "environment is no table of plain values"),
        ({"environment": {"device": ["cpu"]}}, "environment is no table of plain values"),
        ({"suites": []}, "there are no suites"),
        ({"suites": ["s"]}, "a suite has no name or no version"),
        ({"suites": [{"name": "s"}]}, "a suite has no name or no version"),
        ({"suites": [{"name": "s", "version": 1, "presentation": []}]}, "presentation that is no table"),
        ({"suites": [{"name": "s", "version": 1}] * 2}, "two suites 's'"),
        ({"selection": ["snip"]}, "selection is no table"),
        ({"selection": {"methods": "snip"}}, "methods of the selection is no list of texts"),
        ({"selection": {"seeds": "1"}}, "seeds of the selection is no number"),
    ],
)
def test_what_is_no_plan_is_refused_in_one_line(tmp_path, changes, fault):
    (tmp_path / "plan.json").write_text(json.dumps(GOOD))
    assert read_plan(Folder(tmp_path)) == GOOD
    (tmp_path / "plan.json").write_text(json.dumps(GOOD | changes))
    with pytest.raises(StoreError, match=rf"^{tmp_path} holds no readable run: plan\.json: .*{fault}"):
        read_plan(Folder(tmp_path))


@pytest.mark.parametrize(
    ("entry", "fault"),
    [
        (["torch"], "it is no table"),
        ({"platform": 5}, "platform is no text"),
        ({"libraries": ["torch"]}, "libraries is no table of plain values"),
        ({"environment": {"device": {}}}, "environment is no table of plain values"),
        ({"git": "c0ffee"}, "git is no table of plain values"),
        ({"plugins": [1]}, "plugins are no list of texts"),
    ],
)
def test_what_is_no_provenance_is_refused_in_one_line(tmp_path, entry, fault):
    (tmp_path / "provenance.json").write_text(json.dumps({"abc": entry}))
    with pytest.raises(StoreError, match=rf"provenance\.json cannot be read: entry 'abc': {fault}$"):
        read_provenance(Folder(tmp_path))


def test_a_file_that_cannot_be_read_is_told_without_numbers(tmp_path):
    (tmp_path / "plan.json").mkdir()
    with pytest.raises(StoreError, match=r"plan\.json: Is a directory$"):
        read_plan(Folder(tmp_path))


def test_a_journal_that_cannot_be_read_is_an_error_naming_it(tmp_path):
    (tmp_path / "records.jsonl").mkdir()
    with pytest.raises(StoreError, match=r"records\.jsonl cannot be read: Is a directory"):
        read(tmp_path / "records.jsonl")


def test_series_are_read_where_the_record_says_they_are(tmp_path):
    first, second = {"kept_by_layer": [1, 2]}, {"kept_by_layer": [3], "λ": [0.5]}
    lines = [json.dumps(series).encode() + b"\n" for series in (first, second)]
    (tmp_path / "series.jsonl").write_bytes(b"".join(lines))
    middle, end = len(lines[0]), len(lines[0]) + len(lines[1])
    assert read_series(Folder(tmp_path), {"start": 0, "end": middle}) == first
    assert read_series(Folder(tmp_path), {"start": middle, "end": end}) == second


@pytest.mark.parametrize(
    "reference",
    [None, {}, {"start": 0}, {"start": 0, "end": 5}, {"start": 3, "end": 12}, {"start": -1, "end": 5},
     {"start": 0, "end": -1}, {"start": 90, "end": 99}, {"start": "0", "end": 9}],
)  # fmt: skip
def test_a_reference_to_no_series_is_an_error_naming_the_file(tmp_path, reference):
    (tmp_path / "series.jsonl").write_bytes(b'{"a": [1]}\n{"b": [2]}\n')
    with pytest.raises(StoreError, match=r"series\.jsonl does not hold the series of a record"):
        read_series(Folder(tmp_path), reference)


@pytest.mark.parametrize("content", [b"[1, 2]\n", b"5\n", None])
def test_a_sidecar_that_holds_no_series_is_an_error_naming_it(tmp_path, content):
    if content is not None:
        (tmp_path / "series.jsonl").write_bytes(content)
    with pytest.raises(StoreError, match=r"series\.jsonl does not hold the series of a record"):
        read_series(Folder(tmp_path), {"start": 0, "end": len(content or b"")})
