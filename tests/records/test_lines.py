"""Lines decoded straight into records: never another record than the plain way gives, and never one that it refuses."""

from __future__ import annotations

import copy
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from prunebench.errors import StoreError
from prunebench.records.lines import LineReader, read_rows
from prunebench.records.reader import read_records
from prunebench.records.schema import Failure, Record, Row
from prunebench.records.sources import Folder

ROW = Row("s", 1, "c", "quick", "m(width=2)", "d", None, "snip", 0.05, "λ", 0)
RECORD = Record(
    ROW, "ok", "k", {"kept": 15000, "share": 0.25, "rounds": None, "below": -0.0}, {"layer": "0.weight"},
    {"start": 0, "end": 167}, None, "", {"find": {"cpu_seconds": 1.5, "peak_bytes": 2 << 30}}, "aa", "bb", {"kept": 3},
)  # fmt: skip
ODD = st.sampled_from([
    None, True, False, 0, 1, 2, -1, 1.0, 2.0, 0.5, -0.0, 1.5, 5e-324, 2**53 + 1, 2**63, 2**64, 10**400,
    "", "ok", "failed", "skipped", "λ", "\ud800", "\x00", [], ["a"], [1], {}, {"a": 1}, {"a": "b"}, {"kept": 2},
    {"find": {"cpu_seconds": None}}, {"type": "E", "message": "m"}, float("nan"), float("inf"), "NaN",
])  # fmt: skip


def places(plain, at=()):
    """Paths to every value of nested mappings, and to one key more of each."""
    yield at
    if isinstance(plain, dict):
        for key, value in plain.items():
            yield from places(value, (*at, key))
        yield (*at, "another")


def changed(plain, at, value, *, drop=False):
    """A copy with another value, or none, at a path."""
    if not at:
        return value
    plain = copy.deepcopy(plain)
    inner = plain
    for key in at[:-1]:
        inner = inner[key]
    if drop:
        inner.pop(at[-1], None)
    else:
        inner[at[-1]] = value
    return plain


def plainly(line):
    """What the plain way makes of a line; None where it refuses it."""
    try:
        return Record.from_plain(json.loads(line))
    except (StoreError, ValueError):
        return None


def test_an_ordinary_line_is_read_by_type():
    line = json.dumps(RECORD.plain()).encode() + b"\n"
    assert repr(LineReader().read(line)) == repr(RECORD) == repr(plainly(line))


@pytest.mark.parametrize(
    "record",
    [
        replace(RECORD, status="failed", error=Failure("E", "m")),
        replace(RECORD, cost={"find": {"cpu_seconds": True}}),
        replace(RECORD, metrics={"kept": 2**60}),
    ],
    ids=["failed", "odd cost", "large"],
)
def test_what_is_left_to_the_plain_way_shares_rows_all_the_same(tmp_path, record):
    line = json.dumps(record.plain()).encode() + b"\n"
    assert LineReader().read(line) is None
    (tmp_path / "records.jsonl").write_bytes(line * 2)
    known = copy.deepcopy(ROW)
    first, second = read_records(Folder(tmp_path), [known])
    assert first == second == record
    assert first.row is second.row is known


@settings(max_examples=1500, deadline=None)
@given(st.sampled_from([*places(RECORD.plain())]), ODD, st.booleans())
def test_no_line_is_read_otherwise_than_the_plain_way_reads_it(at, value, drop):
    line = json.dumps(changed(RECORD.plain(), at, value, drop=drop)).encode() + b"\n"
    found = LineReader().read(line)
    assert found is None or repr(found) == repr(plainly(line))


@pytest.mark.parametrize("at", [(), ("row",), ("row", "task")])
@pytest.mark.parametrize(
    ("key", "again"), [("schema", 1), ("model", "n"), ("metrics", {"kept": 1}), ("density", 2), ("density", 0.5)]
)
def test_the_last_of_two_equal_keys_counts(at, key, again):
    line = json.dumps(RECORD.plain())
    inner = RECORD.plain()
    for name in at:
        inner = inner[name]
    inner = json.dumps(inner)
    twice = f"{inner[:-1]}, {json.dumps({key: again})[1:]}"
    line = line.replace(inner, twice).encode() + b"\n"
    found = LineReader().read(line)
    assert found is None or repr(found) == repr(plainly(line))


@pytest.mark.parametrize("tail", [b"\r\n", b" \n", b"x\n", b"}\n", b"\x00\n", b"\xff\n", b",\n", b"{}\n"])
@pytest.mark.parametrize("cut", [0, 1])
def test_what_follows_a_record_is_seen_as_the_plain_way_sees_it(tail, cut):
    line = json.dumps(RECORD.plain()).encode()
    line = line[: len(line) - cut] + tail
    found = LineReader().read(line)
    assert found is None or repr(found) == repr(plainly(line))


def test_equal_rows_are_one_object_and_texts_are_shared():
    reader = LineReader()
    line = json.dumps(RECORD.plain()).encode()
    other = json.dumps(replace(RECORD, row=replace(ROW, repetition=1)).plain()).encode()
    first, second, third = (reader.read(text) for text in (line, line, other))
    assert first.row is second.row
    assert third.row == replace(ROW, repetition=1)
    assert third.row.method is first.row.method
    assert third.environment is first.environment


@settings(max_examples=600, deadline=None)
@given(st.sampled_from([*places(ROW.plain())]), ODD, st.booleans())
def test_planned_rows_are_read_as_the_plain_way_reads_them(at, value, drop):
    plain = [ROW.plain(), changed(ROW.plain(), at, value, drop=drop)]
    try:
        wanted = [Row.from_plain(row) for row in plain]
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        with pytest.raises(type(error)):
            read_rows(plain)
    else:
        assert repr(read_rows(plain)) == repr(wanted)
