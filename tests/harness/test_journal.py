"""The journal's promise: nothing lost, nothing doubled."""

from __future__ import annotations

import errno
import json

import pytest

from prunebench.errors import StoreError
from prunebench.harness.journal import Journal
from prunebench.records.reader import read_records, read_series
from prunebench.records.schema import Failure, Record, Row
from prunebench.records.sources import Folder


def record(repetition: int, status="ok", **rest) -> Record:
    row = Row("s", 1, "c", "quick", "m", "d", None, "x", 0.1, None, repetition)
    return Record(row, status, metrics={"kept": 1.0} if status == "ok" else {}, **rest)


def write(folder, *records):
    with Journal(folder) as journal:
        for one in records:
            journal.append(one)


def test_a_record_is_on_disk_before_the_next_is_written(tmp_path):
    with Journal(tmp_path) as journal:
        journal.append(record(0))
        assert len((tmp_path / "records.jsonl").read_bytes().splitlines()) == 1


def test_records_come_back_as_they_were_written(tmp_path):
    written = [record(0), record(1, "failed", error=Failure("E", "m", "s", "t", "o")), record(2, "skipped", reason="r")]
    write(tmp_path, *written)
    assert list(read_records(Folder(tmp_path))) == written


def test_series_lie_in_the_sidecar_and_are_found_by_reference(tmp_path):
    write(tmp_path, record(0, series={"kept_by_layer": [1, 2]}), record(1, series={"kept_by_layer": [3]}))
    found = list(read_records(Folder(tmp_path)))
    assert [read_series(Folder(tmp_path), r.series) for r in found] == [
        {"kept_by_layer": [1, 2]},
        {"kept_by_layer": [3]},
    ]


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_torn_last_line_is_cut_off_and_its_cell_is_free_again(tmp_path, cut):
    write(tmp_path, record(0), record(1))
    path = tmp_path / "records.jsonl"
    path.write_bytes(path.read_bytes()[:-cut])
    with Journal(tmp_path) as journal:
        assert len(journal.done) == 1
        journal.append(record(1))
    assert [r.row.repetition for r in read_records(Folder(tmp_path))] == [0, 1]


def test_a_damaged_line_in_the_middle_is_named_and_nothing_is_touched(tmp_path):
    write(tmp_path, record(0), record(1), record(2))
    path = tmp_path / "records.jsonl"
    lines = path.read_bytes().split(b"\n")
    lines[1] = lines[1][:30]
    path.write_bytes(b"\n".join(lines))
    before = path.read_bytes()
    with pytest.raises(StoreError, match=r"records\.jsonl, line 2: .*delete the line"), Journal(tmp_path):
        pass
    assert path.read_bytes() == before


def test_a_line_that_is_json_but_no_record_is_named(tmp_path):
    write(tmp_path, record(0))
    path = tmp_path / "records.jsonl"
    path.write_bytes(json.dumps({"schema": 1}).encode() + b"\n" + path.read_bytes())
    with pytest.raises(StoreError, match="line 1"), Journal(tmp_path):
        pass


def test_a_cell_cannot_be_recorded_twice(tmp_path):
    with Journal(tmp_path) as journal:
        journal.append(record(0))
        with pytest.raises(AssertionError, match="twice"):
            journal.append(record(0))


def test_forgetting_rewrites_the_file_without_what_is_forgotten(tmp_path):
    write(tmp_path, record(0), record(1, "failed", error=Failure("E", "m")), record(2))
    with Journal(tmp_path) as journal:
        journal.forget(lambda r: r.status == "failed")
        journal.append(record(1))
    assert [(r.row.repetition, r.status) for r in read_records(Folder(tmp_path))] == [(0, "ok"), (2, "ok"), (1, "ok")]


def test_a_full_disk_is_one_line_and_keeps_what_was_written(tmp_path, monkeypatch):
    def full(_descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with Journal(tmp_path) as journal:
        journal.append(record(0))
        monkeypatch.setattr("prunebench.harness.journal.os.fsync", full)
        with pytest.raises(StoreError, match=r"No space left on device; finished cells are kept"):
            journal.append(record(1))
    assert record(0) in list(read_records(Folder(tmp_path)))
